"""Commands about conventional recommenders."""

from typing import Annotated, Any, Literal

import typer

from db.choices import BASELINES, CANDIDATE_KINDS, TARGETS, TUNE_KINDS
from db.requests import TuneRequest
from engine.baselines.ranks import MEASURES, run_baseline
from engine.commands import output
from engine.commands.options import Dataset, Json, at_least, opened, seeded, service_engine
from engine.jobs.worker import run_here
from engine.studies.table_cells import difference, interval
from engine.tasks.compared_baselines import DECIDING, compared

app = typer.Typer()


@app.command(
    epilog="Example: dualens baseline --kind itemknn,sasrec -d simulated --model embedded --users 300 --json"
)
def baseline(
    kind: Annotated[
        str,
        typer.Option(
            help=f"The recommender: {', '.join(BASELINES)}. Several, separated by commas, are compared in "
            "pairs on the same users and lists."
        ),
    ],
    dataset: Dataset = "simulated",
    users: Annotated[int, at_least(1, "How many users to rank.")] = 300,
    candidates: Annotated[int, at_least(2, "Length of the candidate list.", "--candidates", "-c")] = 20,
    candidate_kind: Annotated[
        Literal[tuple(CANDIDATE_KINDS)],  # type: ignore[valid-type]
        typer.Option(help="How negatives are drawn."),
    ] = "random",
    target: Annotated[
        Literal[tuple(TARGETS)],  # type: ignore[valid-type]
        typer.Option(help="test (the last item) or probe (the one before)."),
    ] = "test",
    minutes: Annotated[
        float,
        typer.Option(
            help="Minutes of training, at most: a safety, as training ends when validation stops improving. "
            "The result says where the limit was hit; with a higher one, training resumes."
        ),
    ] = 240.0,
    model: Annotated[
        str | None,
        typer.Option("--model", "-m", help="Rank the same users and lists with this model, too."),
    ] = None,
    demos: Annotated[
        str, typer.Option(help="Demonstrations of the model, as in `rank`, separated by commas.")
    ] = "none,neighbours:4",
    seed: Annotated[int, seeded("Seed of users, candidate lists and initial weights.")] = 0,
    json: Json = False,
) -> None:
    """Fit conventional recommenders (as a job) and rank the candidate lists of `rank` with them."""
    with opened() as store, service_engine(store) as engine:
        kinds = list(dict.fromkeys(kind.split(",")))
        for name in kinds if target == "test" else ():
            if name in TUNE_KINDS:  # what learns nothing from interactions needs no job
                asked = TuneRequest(dataset=dataset, kind=name, minutes=minutes, seed=seed)
                run_here(engine, "tune", asked.to_json(), output.aside)
        shared = {"candidates": candidates, "candidate_kind": candidate_kind, "target": target}
        if len(kinds) > 1 or model is not None:
            done = compared(
                engine,
                dataset,
                kinds,
                users,
                seed,
                **shared,
                minutes=minutes,
                model=model,
                demos=list(dict.fromkeys(demos.split(","))),
                report=lambda _, message, *_partial: output.aside(message),
            )
        else:
            done = run_baseline(
                store, dataset, kinds[0], users, seed, **shared, settings=engine.settings, minutes=minutes
            )
    if json:
        output.as_json(done)
    elif "rows" in done:
        _print_compared(done)
    else:
        rows = [[name, m["mean"], *m["interval"]] for name, m in done["metrics"].items()]
        output.table(rows, "metric", "mean", "low (95 %)", "high (95 %)")
        output.notes([_known(done["kind"], done["fitted_on"], done["tied"]), done["rule"], *done["notes"]])


def _print_compared(done: dict[str, Any]) -> None:
    """Every list with its metrics, the paired differences, and what each knows."""

    def cell(value: dict[str, Any]) -> str:
        low, high = value["interval"]
        return interval({"mean": value["mean"], "low": low, "high": high})

    rows = [[row["name"], *(cell(row["metrics"][name]) for name in MEASURES)] for row in done["rows"]]
    output.table(rows, "list", *MEASURES)
    tests = [[test["better"], test["than"], difference(test[DECIDING])] for test in done["tests"]]
    output.table(tests, "paired difference of", "and", DECIDING)
    known = [_known(row["name"], row["knows"], row["tied"]) for row in done["rows"]]
    limits = [f"{row['name']}: {note}" for row in done["rows"] for note in row["notes"]]
    output.notes([*known, done["rule"], *limits])
    output.line(f"{done['users']} users")


def _known(name: str, knows: str, tied: float) -> str:
    return (
        f"{name} knows {knows}; {tied:.0%} of its targets are tied with others, which count in random order."
    )
