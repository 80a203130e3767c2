"""Commands about conventional recommenders."""

from typing import Annotated

import typer

from engine import show
from engine.commands.options import Dataset, Json, opened

app = typer.Typer()


@app.command(epilog="Example: python -m engine baseline --kind itemknn -d simulated --users 300 --json")
def baseline(
    kind: Annotated[str, typer.Option(help="popularity, itemknn, bm25, sasrec or sasrec-scaled.")],
    dataset: Dataset = "simulated",
    users: Annotated[int, typer.Option(help="How many users to rank.")] = 300,
    seed: Annotated[int, typer.Option(help="Draws users, candidate lists and initial weights.")] = 0,
    json: Json = False,
) -> None:
    """Fit a conventional recommender and rank the same candidate lists with it."""
    from engine.baselines.run import run_baseline

    with opened() as store:
        done = run_baseline(store, dataset, kind, users, seed)
    if json:
        show.as_json(done)
    else:
        rows = [[name, m["mean"], *m["interval"]] for name, m in done["metrics"].items()]
        show.table(rows, "metric", "mean", "low (95 %)", "high (95 %)")
