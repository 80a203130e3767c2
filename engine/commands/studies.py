"""Commands that measure over many users: does RecICL's claim hold here, and what does drift do."""

from collections.abc import Callable
from typing import Annotated, Any

import typer

from db.requests import StudyRequest
from engine.commands import output
from engine.commands.options import Dataset, Json, Model, opened, service_engine
from engine.jobs.worker import run_here

app = typer.Typer()
study = typer.Typer(
    help="Measure over many users, with intervals and paired tests.",
    epilog="Example: dualens study drift -d simulated --users 100 --json",
    no_args_is_help=True,
)
app.add_typer(study, name="study")

Users = Annotated[int, typer.Option(help="How many users are asked about; in `drift`, in each period.")]
Demos = Annotated[str, typer.Option(help="STRATEGY:K of the demonstrations.")]
Periods = Annotated[int, typer.Option(help="Equally full periods that time is cut into.")]
Cut = Annotated[int, typer.Option(help="First period asked about; models know what was before it.")]
Candidates = Annotated[int, typer.Option("--candidates", "-c", help="Length of the candidate list.")]
CandidateKind = Annotated[str, typer.Option(help="Negatives: random, popular or hard.")]
Scoring = Annotated[str, typer.Option(help="auto (each model's own), or one way for all of them.")]
Seed = Annotated[int, typer.Option(help="Draws users, purchases, candidate lists and resamples.")]


@study.command(epilog="Example: dualens study recicl -d simulated --users 300 --minutes 10 --json")
def recicl(
    dataset: Dataset = "simulated",
    users: Users = 300,
    model: Annotated[
        str, typer.Option("--base", "--model", "-m", help="The model before tuning: name, folder or hub id.")
    ] = "embedded",
    single: Annotated[
        str | None, typer.Option(help="Model tuned from it on samples without demonstrations.")
    ] = None,
    recicl: Annotated[str | None, typer.Option(help="Model tuned from it on in-context samples.")] = None,
    tune: Annotated[
        bool, typer.Option(help="Tune the models that are not named, on what was before the cut.")
    ] = True,
    minutes: Annotated[float, typer.Option(help="Of tuning per model.")] = 5.0,
    demos: Demos = "neighbours:4",
    periods: Periods = 10,
    cut: Cut = 5,
    candidates: Candidates = 20,
    candidate_kind: CandidateKind = "random",
    scoring: Scoring = "auto",
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Models before and after tuning x no, stale and fresh demonstrations, and what it says of the claim."""
    _run({"study": "recicl", **_but_json(locals())}, json, _print_recicl)


@study.command(epilog="Example: dualens study drift -d simulated --users 100 --json")
def drift(
    dataset: Dataset = "simulated",
    users: Users = 100,
    model: Annotated[
        str, typer.Option("--model", "--base", "-m", help="The frozen model: name, folder or hub id.")
    ] = "embedded",
    demos: Demos = "neighbours:4",
    periods: Periods = 10,
    cut: Cut = 5,
    minutes: Annotated[float, typer.Option(help="Of training per SASRec: one for each period.")] = 5.0,
    candidates: Candidates = 20,
    candidate_kind: CandidateKind = "random",
    scoring: Scoring = "auto",
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """A metric against elapsed periods: a frozen LLM with demonstrations, and recommenders old and new."""
    _run({"study": "drift", **_but_json(locals())}, json, _print_drift)


@study.command(epilog="Example: dualens study strategies -d simulated --users 300 --k 4 --json")
def strategies(
    dataset: Dataset = "simulated",
    users: Users = 300,
    model: Model = "embedded",
    k: Annotated[int, typer.Option(help="Demonstrations of every strategy.")] = 4,
    only: Annotated[str | None, typer.Option(help="Only these strategies, e.g. none,bm25,twostage.")] = None,
    candidates: Candidates = 20,
    candidate_kind: CandidateKind = "random",
    scoring: Scoring = "auto",
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Every way of choosing demonstrations at the same number of them, ranking held-out purchases."""
    given = {**_but_json(locals()), "only": only.split(",") if only else None}
    _run({"study": "strategies", **given}, json, _print_strategies)


@study.command(epilog="Example: dualens study faithfulness -d simulated --users 200 --k 4 --json")
def faithfulness(
    dataset: Dataset = "simulated",
    users: Users = 200,
    model: Model = "embedded",
    k: Annotated[int, typer.Option(help="Demonstrations, 2 to 8; reprompt is exact up to 5.")] = 4,
    demos: Annotated[str, typer.Option(help="Strategy that chooses them.")] = "neighbours",
    scoring: Scoring = "auto",
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Whether effects say what demonstrations do: every score against exact and leave-one-out truths."""
    given = {name: value for name, value in _but_json(locals()).items() if name != "k"}
    payload = {**given, "study": "faithfulness", "demos": f"{demos}:{k}"}
    _run(payload, json, _print_faithfulness)


def _but_json(given: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if name != "json"}


def _run(payload: dict[str, Any], json: bool, printed: Callable[[dict[str, Any]], None]) -> None:
    """As a job of this process: stopped or killed, the same command goes on from where it was."""
    request = StudyRequest.from_json(payload)
    with opened() as store, service_engine(store) as engine:
        done = run_here(engine, "study", request.to_json(), output.aside)
    output.as_json(done) if json else printed(done)


def _print_recicl(done: dict[str, Any]) -> None:
    names = {"auc": "AUC", "uauc": "uAUC", "ndcg10": "NDCG@10"}
    output.table(
        [
            [cell["row"], cell["column"], cell["demonstrations"], *(_interval(cell[name]) for name in names)]
            for cell in done["cells"]
        ],
        *("model", "demonstrations", "shown", *names.values()),
    )
    output.table(
        [
            [" ".join(test["better"]), " ".join(test["than"]), *(_difference(test[name]) for name in names)]
            for test in done["tests"]
        ],
        *("paired difference of", "and", *names.values()),
    )
    output.line(done["claim"])
    _print_rest(done)


def _print_drift(done: dict[str, Any]) -> None:
    periods = [str(point["period"]) for point in done["series"][0]["points"]]
    output.table(
        [[each["label"], *(_interval(point) for point in each["points"])] for each in done["series"]],
        *(f"{done['metric']} in period", *periods),
    )
    label = {each["name"]: each["label"] for each in done["series"]}
    output.table(
        [
            [label[test["better"]], label[test["than"]], _difference(test[done["metric"]])]
            for test in done["tests"]
        ],
        *("paired difference of", "and", done["metric"]),
    )
    _print_rest(done)


def _print_strategies(done: dict[str, Any]) -> None:
    compared = ("p_zero_shot", "p_random", "p_bm25", "p_best")
    output.table(
        [
            [
                *(name, _interval(one["ndcg10"]), _interval(one["hr1"])),
                *("" if one[p] is None else f"{one[p]:.4f}" for p in compared),
                *(round(one["shown"], 2), round(one["seconds"], 2)),
            ]
            for name, one in ((name, done["strategies"][name]) for name in done["order"])
        ],
        *("strategy", "NDCG@10", "HR@1", "p none", "p random", "p bm25", "p best", "shown", "s choosing"),
    )
    if verdicts := done.get("guard"):
        output.line("guard: " + ", ".join(f"{verdict} {count}" for verdict, count in verdicts.items()))
    output.line(done["claim"])
    _print_rest(done)


def _print_faithfulness(done: dict[str, Any]) -> None:
    truths = done["truth_order"]
    for measure in ("spearman", "pearson", "top1", "pairs"):
        cells = [
            [
                done["scores"][name]["label"],
                *(_found(done["scores"][name].get(truth), measure) for truth in truths),
            ]
            for name in done["order"]
        ]
        output.table(cells, f"{measure} with", *(done["truths"][truth]["label"] for truth in truths))
    output.table(
        [
            [name, round(one["nodes"]["mean"], 1), one["nodes"]["max"]]
            + [f"{one[kind][part]:.1%}" for kind in ("error", "certified") for part in ("median", "p95")]
            for name, one in done["estimators"].items()
        ],
        *("estimator", "nodes", "at most", "error, median", "95 %", "certified, median", "95 %"),
    )
    for row in done["bars"]:
        found = f"{_interval(row['found'])}, bar {row['bar']:g}"
        output.line(f"{'holds' if row['holds'] else 'does not hold'}: {row['what']}: {found}")
    output.line(done["claim"])
    _print_rest(done)


def _found(cell: dict[str, Any] | None, measure: str) -> str:
    return _interval(cell[measure]) if cell and cell[measure] else ""


def _print_rest(done: dict[str, Any]) -> None:
    for note in done["notes"]:
        output.line(f"note: {note}")
    output.line(f"{done['users']} users, {done['seconds']:.0f} s of work")


def _interval(found: dict[str, Any]) -> str:
    return f"{found['mean']:.3f} ({found['low']:.3f} to {found['high']:.3f})"


def _difference(found: dict[str, Any]) -> str:
    return f"{found['mean']:+.3f} ({found['low']:+.3f} to {found['high']:+.3f}), p {found['p']:.4f}"
