"""Commands that measure speed: ratios to other ways within one run, and to the flop floor."""

from collections.abc import Callable
from typing import Annotated, Any

import typer

from db.errors import BadInput
from db.settings import Settings
from engine.commands import output
from engine.commands.options import Json

app = typer.Typer()
bench = typer.Typer(
    help="Measure speed: ratios within one run, beside the flop floor.",
    epilog="Example: python -m engine bench effects --json",
    no_args_is_help=True,
)
app.add_typer(bench, name="bench")

Model = Annotated[
    str, typer.Option("--model", "-m", help="embedded, random-0.5b, a registered name, a folder or a hub id.")
]
Users = Annotated[
    int | None,
    typer.Option(min=1, help="Users measured; numbers are medians. 5, or 1 where a model is slow."),
]
Items = Annotated[
    int | None, typer.Option(min=1, help="Purchases in the query, and at most in a demonstration.")
]
_SLOW = 100_000_000  # parameters from which a processor takes seconds for one prompt
Seed = Annotated[int, typer.Option(help="Draws users and candidates.")]
K = Annotated[str, typer.Option("--k", help="Numbers of demonstrations, out of 4, 8 and 16.")]


@bench.command(
    epilog="Example: python -m engine bench effects --model random-0.5b --users 2 --items 3 --k 4,8"
)
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

    try:
        ks = sorted({int(word) for word in k.split(",")})
    except ValueError:
        ks = []
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


@bench.command(epilog="Example: python -m engine bench ranking --model random-0.5b --users 1")
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


@bench.command(epilog="Example: python -m engine bench bank --json")
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


def _measured(
    model: str,
    work: Callable[..., dict],
    users: int | None,
    demos: int,
    candidates: int,
    items: int | None,
    seed: int,
) -> dict[str, Any]:
    """A large model on a processor is asked about one user with short prompts, and runs few of a rival's."""
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
    """One column per row measured, names down the side; then the bars."""
    output.line(
        f"{done['model']}, {done['parameters']:,} parameters, {done['device']}, {done['dtype']}, "
        f"{done['threads']} threads, {done['gflops_per_second']} GFLOP/s; medians of {done['users']} users"
    )
    names = list(rows[0])
    output.table(
        [[name.replace("_", " "), *(row.get(name, "") for row in rows)] for name in names],
        *("", *[str(i + 1) for i in range(len(rows))]),
    )
    for each in done["bars"]:
        verdict = "met" if each["holds"] else "not met"
        output.line(f"{verdict}: {each['what']}: {each['found']} (bar {each['bar']})")
