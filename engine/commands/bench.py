"""Commands that measure: speed against alternatives and the flop floor, search, store, gains of methods."""

from collections.abc import Callable
from typing import Annotated, Any, Literal

import typer

from db.choices import SCORINGS
from db.errors import BadInput
from db.requests import RunOptions
from db.settings import Settings
from engine.benchmarks.giving_way import WORK, giving_way
from engine.benchmarks.method_gains import ALL, method_gains
from engine.benchmarks.run_lists import run_lists
from engine.benchmarks.store_speed import INTERACTIONS, store_speed
from engine.commands import output
from engine.commands.options import Dataset, Json, at_least, opened, seeded, service_engine, template_named
from engine.studies.table_cells import interval
from engine.tasks.predicted import MOST

app = typer.Typer()
bench = typer.Typer(
    help="Measure speed, search, the store and the gains of methods.",
    epilog="Example: dualens bench effects --json",
    no_args_is_help=True,
)
app.add_typer(bench, name="bench")

Model = Annotated[
    str, typer.Option("--model", "-m", help="embedded, random-0.5b, a registered name, a folder or a hub id.")
]
Users = Annotated[
    int | None,
    at_least(1, "Users measured; numbers are medians. Default: 5, or 1 for a slow model."),
]
Items = Annotated[
    int | None,
    at_least(1, "Purchases in the query, and the maximum in a demonstration."),
]
_SLOW = 100_000_000  # parameters from which a processor takes seconds for one prompt
Seed = Annotated[int, seeded("Seed of users and candidates.")]
Demos = Annotated[str, typer.Option(help="STRATEGY:K, as in `rank`.")]
K = Annotated[str, typer.Option("--k", help="Numbers of demonstrations: any of 4, 8 and 16.")]


@bench.command(epilog="Example: dualens bench effects --model random-0.5b --users 2 --items 3 --k 4,8")
def effects(
    model: Model = "embedded",
    users: Users = None,
    items: Items = None,
    k: K = "4,8,16",
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Effects of demonstrations against leave-one-out, 64 ablations and one plain forward pass."""
    from engine.benchmarks import effects as measure

    ks = _numbers(k)
    if not ks or not set(ks) <= set(measure.PLAN):
        raise BadInput(
            f"--k takes numbers out of {', '.join(map(str, measure.PLAN))}, such as 4,8; not {k!r}."
        )
    done = _measured(
        model,
        lambda *given: measure.effects(given[0], given[1], ks, given[2]),
        users,
        max(ks),
        20,
        items,
        seed,
    )
    output.as_json(done) if json else _print_effects(done)


@bench.command(epilog="Example: dualens bench intervals --users 130 --k 8 --items 3 --candidates 10")
def intervals(
    model: Model = "embedded",
    users: Annotated[int, at_least(2, "Users measured.")] = 100,
    k: Annotated[int, typer.Option("--k", min=6, max=8, help="Demonstrations, 6 to 8.")] = 8,
    items: Annotated[int, at_least(1, "Purchases in the query and in a demonstration.")] = 3,
    candidates: Annotated[int, at_least(2, "Candidates.", "--candidates", "-c")] = 10,
    mode: Annotated[
        Literal["direct", "total", "reprompt", "difference"],
        typer.Option(help="What leaving one out means; difference: dropping, told from turning down."),
    ] = "direct",
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """How often the 95 % intervals of estimated effects hold the exact effect, in both measures."""
    from engine.benchmarks import intervals as measure
    from engine.benchmarks.models import measured
    from engine.benchmarks.prompts import shop, tasks
    from engine.lrgd.shapley import EXACT_LIMIT

    if k > EXACT_LIMIT:
        raise BadInput(f"--k is {k}: exact effects to compare with are taken of at most {EXACT_LIMIT}.")
    output.aside(f"Loading {model}...")
    loaded = measured(model, Settings())
    output.aside("Making the simulated store and the prompts...")
    with shop() as engine:
        asked = tasks(engine, users, k, candidates, items, seed)
    done = {**measure.intervals(loaded, asked, mode, output.aside), "items": items, "seed": seed}
    if json:
        output.as_json(done)
        return
    output.line(f"{done['model']}, {done['users']} users, {k} demonstrations, some of {2**k} coalitions")
    output.table(
        [
            [
                row["measure"],
                row["passes"],
                interval(row["covered"]),
                *(row[f"{name}_{part}"] for name in ("error", "width") for part in ("median", "mean")),
            ]
            for row in done["rows"]
        ],
        "measure",
        "passes",
        "intervals hold",
        *("error / largest effect, median", "mean", "half width / largest effect, median", "mean"),
    )
    _print_bars(done["bars"])


@bench.command(epilog="Example: dualens bench ranking --model random-0.5b --users 1")
def ranking(
    model: Model = "embedded",
    users: Users = None,
    items: Items = 10,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """20 and 100 candidates after a prompt of about 1,000 tokens, against one whole prompt each."""
    from engine.benchmarks import ranking as measure

    done = _measured(model, measure.ranking, users, 40, max(measure.CANDIDATES), items, seed)
    output.as_json(done) if json else _print_rows(done, done["rows"])


@bench.command(epilog="Example: dualens bench bank --json")
def bank(
    model: Model = "embedded",
    users: Users = None,
    items: Items = 5,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """A pool of 64 demonstrations, each scored alone: with a warm bank and without one."""
    from engine.benchmarks import bank as measure

    done = _measured(model, measure.bank, users, measure.POOL, 20, items, seed)
    known = {name: value for name, value in done.items() if isinstance(value, int | float)}
    output.as_json(done) if json else _print_rows(done, [known])


@bench.command(epilog="Example: dualens bench pool --users 40")
def pool(
    dataset: Dataset = "simulated",
    model: Model = "embedded",
    demos: Annotated[str, typer.Option(help="What is in the prompt already: STRATEGY:K, or none.")] = "none",
    users: Annotated[int, at_least(2, "Users whose pools are measured.")] = 40,
    candidates: Annotated[int, at_least(2, "Candidates.", "--candidates", "-c")] = 20,
    history: Annotated[int, at_least(1, "Purchases in the query.")] = 10,
    size: Annotated[int, at_least(2, "Demonstrations of a pool, the most similar ones.", "--pool")] = MOST,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Orders of a pool by predicted effect, against the effect of each one really added, and their cost."""
    from engine.benchmarks.pool_order import pool_order

    with opened() as store, service_engine(store) as engine:
        done = pool_order(engine, dataset, model, demos, users, seed, candidates, history, size, output.aside)
    _print_measured(done, json)
    if not json:
        output.line(
            f"{done['pool']:.0f} demonstrations in a pool, written one by one in "
            f"{done['one_by_one_s']:.2f} s; the best of each has an effect of {done['best']:.2f} nats on "
            "average"
        )
        _print_bars(done["bars"])


@bench.command(epilog="Example: dualens bench catalogue --users 3 --widths 20,800")
def catalogue(
    dataset: Dataset = "simulated",
    model: Annotated[str, typer.Option("--model", "-m", help="A registered model.")] = "embedded",
    demos: Demos = "neighbours:4",
    users: Annotated[int, at_least(1, "Users measured; times are medians.")] = 5,
    widths: Annotated[str, typer.Option(help="Beam widths, separated by commas.")] = "10,20,50,200,800",
    check: Annotated[
        bool, typer.Option("--check", help="Also score every title alone; takes minutes per user.")
    ] = False,
    json: Json = False,
) -> None:
    """Whole-catalogue search: time and recall of its top 10 by beam width, against the proven best list."""
    from engine.benchmarks.catalogue_search import catalogue_search

    numbers = _numbers(widths)
    if not numbers or numbers[0] < 1:
        raise BadInput(f"--widths takes whole numbers from 1, such as 20,800; not {widths!r}.")
    with opened() as store, service_engine(store) as engine:
        done = catalogue_search(engine, dataset, model, demos, users, numbers, check, output.aside)
    if json:
        output.as_json(done)
        return
    output.line(
        f"{done['titles']:,} titles, {done['title_tokens']:,} tokens, encoded in {done['encode_s']:.2f} s; "
        f"{done['users']} users, {done['threads']} threads"
    )
    rows = [
        {**row, **{f"request_{part}_s": seconds for part, seconds in row["request_s"].items()}}
        for row in done["rows"]
    ]
    for row in rows:
        del row["request_s"]
    _print_transposed(rows)
    if done["checked"]:
        output.table(
            [list(row.values()) for row in done["checked"]],
            *("user", "proven", "equals the list of all titles"),
        )


@bench.command(epilog="Example: dualens bench methods --users 40 --only ridge:0.5,forward:8")
def methods(
    dataset: Dataset = "simulated",
    model: Model = "embedded",
    demos: Demos = "neighbours:4",
    users: Annotated[int, at_least(1, "Users ranked.")] = 40,
    only: Annotated[
        str | None,
        typer.Option(
            help="Methods, separated by commas, e.g. ridge:0.5,order, and prompts, e.g. template:films,"
            "turns:chat; default: all methods."
        ),
    ] = None,
    disliked: Annotated[
        bool, typer.Option("--disliked", help="Only users who rated something low, so that negatives apply.")
    ] = False,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """NDCG@10 of held-out purchases under edits, forward tuning and proxy scoring, paired with plain runs."""
    names = only.split(",") if only else ALL
    with opened() as store, service_engine(store) as engine:
        done = method_gains(engine, dataset, model, demos, users, seed, names, disliked, output.aside)
    _print_measured(done, json)


@bench.command(epilog="Example: dualens bench precision -d movielens-small -m smollm2 --users 100")
def precision(
    dataset: Dataset = "simulated",
    model: Model = "embedded",
    demos: Demos = "neighbours:4",
    scoring: Annotated[str, typer.Option(help=f"How candidates are scored: {', '.join(SCORINGS)}.")] = "auto",
    users: Annotated[int, at_least(2, "Users ranked.")] = 100,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Lists in bfloat16 against the same in float32: agreement, NDCG@10 and speed."""
    from engine.benchmarks import precision as measure

    with opened() as store, service_engine(store) as engine:
        done = measure.precision(engine, dataset, model, demos, scoring, users, seed, output.aside)
    _print_measured(done, json)
    if not json:
        _print_bars(done["bars"])


@bench.command(epilog="Example: dualens bench ratings -d movielens-small -m smollm2 --users 100")
def ratings(
    dataset: Dataset = "simulated",
    model: Model = "embedded",
    demos: Demos = "neighbours:4",
    template: Annotated[
        str, typer.Option(help="Prompt template with a section [rating], or a file of one.")
    ] = "plain",
    users: Annotated[int, at_least(1, "Users drawn.")] = 100,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """MAE and RMSE of predicted ratings, beside means of known ratings on the same users."""
    from engine.tasks.rating import rate_users

    options = RunOptions(demos=demos, template=template_named(template), seed=seed)
    with opened() as store, service_engine(store) as engine:
        done = rate_users(engine, dataset, model, options, users, output.aside)
    _print_measured(done, json)


def _print_measured(done: dict[str, Any], json: bool) -> None:
    """What was measured on many users: who was asked, and a row for each way."""
    if json:
        output.as_json(done)
        return
    how = [done["model"], done["demos"], done.get("scoring", "auto"), f"seed {done['seed']}"]
    asked = ", ".join(part for part in how if part != "auto")
    output.line(f"{done['users']} users of {done['dataset']}, {asked}")
    names = list(done["rows"][0])
    output.table([list(row.values()) for row in done["rows"]], *(name.replace("_", " ") for name in names))


@bench.command(epilog="Example: dualens bench store --interactions 10000000")
def store(
    interactions: Annotated[int, at_least(1, "Default: as Amazon Video Games.")] = INTERACTIONS,
    users: Annotated[int | None, at_least(1, "Default: an eighth of that.")] = None,
    items: Annotated[int | None, at_least(1, "Default: a fifth of the users.")] = None,
    runs: Annotated[int | None, at_least(1, "Instead: lists of so many stored runs.")] = None,
    url: Annotated[
        str | None, typer.Option(help="Database, e.g. postgresql://...; default: a temporary SQLite file.")
    ] = None,
    json: Json = False,
) -> None:
    """Speed of the store: insertion, histories, searches, claims of jobs; or lists of runs."""
    if runs is not None:
        _lists(run_lists(runs, url), json)
        return
    done = store_speed(interactions, users, items, url)
    if json:
        output.as_json(done)
        return
    output.line(
        f"{done['interactions']:,} interactions, {done['users']:,} users, {done['items']:,} items on "
        f"{done['database']}"
    )
    output.line(
        f"inserted in {done['insert_s']:.2f} s, {done['insert_cpu_s']:.2f} s of processor time; memory "
        f"{done['memory_before_mib']:.0f} MiB before, {done['memory_peak_mib']:.0f} MiB at most"
    )
    if done["file_mib"] is not None:
        output.line(f"database file {done['file_mib']:.0f} MiB")
    _print_times(done["rows"])


def _lists(done: dict[str, Any], json: bool) -> None:
    if json:
        output.as_json(done)
        return
    size = "" if done["file_mib"] is None else f", a file of {done['file_mib']:,.0f} MiB"
    output.line(f"{done['runs']:,} runs on {done['database']}{size}")
    _print_times(done["rows"])
    _print_bars(done["bars"])


def _print_times(rows: list[dict[str, Any]]) -> None:
    output.table(
        [[row["what"], row["median_ms"], row["cpu_ms"], row["p95_ms"], row["calls"]] for row in rows],
        *("what", "median (ms)", "of the processor (ms)", "95th percentile (ms)", "calls"),
    )


@bench.command(epilog="Example: dualens bench waiting --only optimize,study")
def waiting(
    seconds: Annotated[float, at_least(1, "Of rankings beside each kind of work.")] = 30.0,
    only: Annotated[
        str | None, typer.Option(help="Kinds of work, separated by commas; default: all.")
    ] = None,
    json: Json = False,
) -> None:
    """How long a ranking waits beside an import, an optimization, a tuning, a study and effects."""
    names = only.split(",") if only else None
    if names and not set(names) <= set(WORK):
        raise BadInput(f"--only takes names out of {', '.join(WORK)}; not {only!r}.")
    done = giving_way(seconds, names, output.aside)
    if json:
        output.as_json(done)
        return
    output.table(
        [list(row.values()) for row in done["rows"]],
        *("beside", "rankings", "median (s)", "longest (s)", "stopped after (s)"),
    )


def _numbers(text: str) -> list[int]:
    """Whole numbers separated by commas, in order and each once; none where a word is no number."""
    try:
        return sorted({int(word) for word in text.split(",")})
    except ValueError:
        return []


def _measured(
    model: str,
    work: Callable[..., dict],
    users: int | None,
    demos: int,
    candidates: int,
    items: int | None,
    seed: int,
) -> dict[str, Any]:
    """A large model on a CPU is measured on one user with short prompts and few passes of alternatives."""
    from engine.benchmarks.models import measured
    from engine.benchmarks.prompts import shop, tasks
    from engine.benchmarks.timing import MOST

    output.aside(f"Loading {model}...")
    loaded = measured(model, Settings())
    slow = loaded.device.type == "cpu" and loaded.parameters > _SLOW
    users, items = users or (1 if slow else 5), items or (2 if slow else 10)
    output.aside("Making the simulated store and the prompts...")
    with shop() as engine:
        asked = tasks(engine, users, demos, candidates, items, seed)
    output.aside("Measuring...")
    return {**work(loaded, asked, 2 if slow else MOST), "items": items, "seed": seed}


def _print_effects(done: dict[str, Any]) -> None:
    rows = [
        {"k": row["k"], "tokens": row["tokens"], "way": name, **way, "plain_ms": row["plain_ms"]}
        for row in done["rows"]
        for name, way in row["ways"].items()
    ]
    _print_rows(done, rows)


def _print_rows(done: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    """One column per measured row, names in the first column; then the criteria."""
    output.line(
        f"{done['model']}, {done['parameters']:,} parameters, {done['device']}, {done['dtype']}, "
        f"{done['threads']} threads, {done['gflops_per_second']} GFLOP/s; medians of {done['users']} users"
    )
    _print_transposed(rows)
    _print_bars(done["bars"])


def _print_bars(bars: list[dict[str, Any]]) -> None:
    for bar in bars:
        verdict = "met" if bar["holds"] else "not met"
        output.line(f"{verdict}: {bar['what']}: {bar['found']:.4g} (bar {bar['bar']:g})")


def _print_transposed(rows: list[dict[str, Any]]) -> None:
    """One column per measured row, names in the first column."""
    names = list(rows[0])
    output.table(
        [[name.replace("_", " "), *(row.get(name, "") for row in rows)] for name in names],
        *("", *[str(number) for number in range(1, len(rows) + 1)]),
    )
