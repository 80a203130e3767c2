"""Commands that choose and weight demonstrations, and measure how long a choice stays useful."""

from typing import Annotated, Any

import typer

from db.choices import MEASURES
from db.effect_results import UNITS
from db.requests import OptimizeRequest
from engine.commands import output
from engine.commands.options import MOST, Json, opened, service_engine, takes
from engine.optimize import optimize as optimized
from engine.optimize.long_term_effect import long_term_effect

app = typer.Typer()


@app.command(epilog="Example: dualens optimize -d simulated -u s0412 --json")
@takes(OptimizeRequest)
def optimize(request: OptimizeRequest, json: Json = False) -> None:
    """Choose, order and weight demonstrations for a user on past purchases; the target is never used."""
    with opened() as store, service_engine(store) as engine:
        found = optimized(engine, request, _aside).result
    output.as_json(found) if json else _print(found)


@app.command(epilog="Example: dualens lasting -d simulated -u s0412 --json")
@takes(OptimizeRequest, "user", "dataset", "model", "size", "scoring", "measure", "probes", "seed")
def lasting(
    request: OptimizeRequest,
    start: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=MOST,
            help="Position of the purchase before which the set is chosen; by default the middle.",
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Score a set chosen in the past on each later purchase, beside recent and newly optimized sets."""
    with opened() as store, service_engine(store) as engine:
        found = long_term_effect(engine, request, start, _aside)
    if json:
        output.as_json(found)
        return
    ways, measure = ["zero_shot", *found["ways"]], found["measure"]
    rows = [
        [point["place"] + 1, *(f"{point[way]['ndcg10']:.3f} ({point[way][measure]:.2f})" for way in ways)]
        for point in found["points"]
    ]
    output.table(rows, "purchase", "no demonstrations", *found["ways"].values())
    output.line(f"NDCG@10 among 20 candidates ({MEASURES[measure].label}, {UNITS[measure]})")


def _aside(progress: float | None, message: str = "", partial: Any = None) -> None:
    output.aside(message)


def _print(found: dict[str, Any]) -> None:
    gain = f"gain ({UNITS[found['measure']]})"
    answer = {each["id"]: each["answer"] for each in found["pool"]}
    rows = [
        [
            step["action"],
            "; ".join(
                f"{answer[name]} x{weight:.2f}"
                for name, weight in zip(step["demonstrations"], step["weights"], strict=True)
            ),
            step["objective"],
            step["held_out"],
            step["note"],
        ]
        for step in found["path"]
    ]
    output.table(rows, "step", "answers of the demonstrations x weight", gain, "held out", "why")
    output.line(f"{found['guard']['verdict']}: {found['guard']['reason']}")
