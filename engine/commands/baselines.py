"""Commands about conventional recommenders."""

from typing import Annotated, Literal

import typer

from db.choices import BASELINES, CANDIDATE_KINDS, TARGETS, TUNE_KINDS
from db.requests import TuneRequest
from engine.baselines.ranks import run_baseline
from engine.commands import output
from engine.commands.options import Dataset, Json, opened, service_engine
from engine.jobs.worker import run_here

app = typer.Typer()


@app.command(epilog="Example: dualens baseline --kind itemknn -d simulated --users 300 --json")
def baseline(
    kind: Annotated[
        Literal[tuple(BASELINES)],  # type: ignore[valid-type]
        typer.Option(help="The recommender."),
    ],
    dataset: Dataset = "simulated",
    users: Annotated[int, typer.Option(min=1, help="How many users to rank.")] = 300,
    candidates: Annotated[int, typer.Option("--candidates", "-c", help="Length of the candidate list.")] = 20,
    candidate_kind: Annotated[
        Literal[tuple(CANDIDATE_KINDS)],  # type: ignore[valid-type]
        typer.Option(help="How negatives are drawn."),
    ] = "random",
    target: Annotated[
        Literal[tuple(TARGETS)],  # type: ignore[valid-type]
        typer.Option(help="test (the last item) or probe (the one before)."),
    ] = "test",
    minutes: Annotated[
        float, typer.Option(help="Minutes of training, at most; with a higher limit, training resumes.")
    ] = 10.0,
    seed: Annotated[int, typer.Option(help="Seed of users, candidate lists and initial weights.")] = 0,
    json: Json = False,
) -> None:
    """Fit a conventional recommender (as a job) and rank the candidate lists of `rank` with it."""
    with opened() as store, service_engine(store) as engine:
        if kind in TUNE_KINDS and target == "test":  # what learns nothing from interactions needs no job
            asked = TuneRequest(dataset=dataset, kind=kind, minutes=minutes, seed=seed)
            run_here(engine, "tune", asked.to_json(), output.aside)
        done = run_baseline(
            store,
            dataset,
            kind,
            users,
            seed,
            candidates=candidates,
            candidate_kind=candidate_kind,
            target=target,
            folder=engine.settings.baselines,
            minutes=minutes,
        )
    if json:
        output.as_json(done)
    else:
        rows = [[name, m["mean"], *m["interval"]] for name, m in done["metrics"].items()]
        output.table(rows, "metric", "mean", "low (95 %)", "high (95 %)")
