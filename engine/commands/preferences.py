"""The command that writes pairs of demonstration sets for preference tuning."""

from pathlib import Path
from typing import Annotated

import typer

from db.requests import strategy_spec as spec
from engine.commands import output
from engine.commands.options import Dataset, Json, Model, at_least, opened, seeded, service_engine

app = typer.Typer()


@app.command(epilog="Example: dualens preferences -d simulated --users 100 --out pairs.jsonl")
def preferences(
    out: Annotated[Path, typer.Option("--out", "-o", help="File of JSON lines to write.")],
    dataset: Dataset = "simulated",
    model: Model = "embedded",
    users: Annotated[int, at_least(1, "How many users to draw.")] = 100,
    size: Annotated[
        int, typer.Option("--size", "-k", min=1, max=spec.MOST, help="Demonstrations in a set.")
    ] = 4,
    seed: Annotated[int, seeded("Seed of users and random sets.")] = 0,
    json: Json = False,
) -> None:
    """Write each user's best and worst demonstration set as prompt, chosen and rejected (for DPO)."""
    from engine.tasks.preference_pairs import export

    shown = [0.0]

    def say(share: float, text: str) -> None:
        if share >= shown[0] + 0.1:
            shown[0] = share
            output.aside(text)

    with opened() as store, service_engine(store) as engine:
        done = export(engine, dataset, out, model=model, users=users, size=size, seed=seed, report=say)
    if json:
        output.as_json(done)
    else:
        gap = done["mean_gap_nats"]
        output.line(
            f"{done['pairs']} pairs of {done['users']} users in {done['out']}"
            + ("." if gap is None else f"; the best set is {gap:.2f} nats ahead of the worst on average.")
        )
