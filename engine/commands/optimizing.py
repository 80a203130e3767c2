"""Commands that choose and weigh a user's demonstrations, and see how long a choice lasts."""

from typing import Annotated, Any

import typer

from db.optimizations import OptimizeRequest
from engine.commands import output
from engine.commands.options import Dataset, Json, Model, User, opened, service_engine
from engine.optimize import optimize as optimized
from engine.optimize.long_term_effect import long_term_effect

app = typer.Typer()

Size = Annotated[int, typer.Option("--size", "-k", help="Demonstrations, at most.")]
Tokens = Annotated[int | None, typer.Option(help="Tokens that they may take together.")]
Probes = Annotated[int, typer.Option(help="Past purchases that serve as targets; half only judge.")]
Scoring = Annotated[
    str, typer.Option(help="auto (the model's own), sum, mean, calibrated, yes_no, listwise.")
]
Seed = Annotated[int, typer.Option(help="Seed of what is drawn.")]


@app.command(epilog="Example: python -m engine optimize -d simulated -u s0412 --json")
def optimize(
    user: User,
    dataset: Dataset = "simulated",
    model: Model = "embedded",
    size: Size = 4,
    tokens: Tokens = None,
    target: Annotated[
        str, typer.Option(help="Whose demonstrations: of the test purchase, or of the one before (probe).")
    ] = "test",
    scoring: Scoring = "auto",
    probes: Probes = 10,
    sources: Annotated[
        str,
        typer.Option(
            help="Of the pool, by commas: neighbours, aggregated, proximal, global, random, hand-written."
        ),
    ] = "neighbours,aggregated,proximal",
    pool: Annotated[int, typer.Option(help="Demonstrations of each source.")] = 8,
    beam: Annotated[int, typer.Option(help="Sets that are pursued at once.")] = 1,
    stages: Annotated[int, typer.Option(help="1 chooses, 2 learns weights too.")] = 2,
    steps: Annotated[int, typer.Option(help="Steps of gradient descent on the weights.")] = 2,
    ridge: Annotated[float, typer.Option(help="How strongly weights are drawn toward 1.")] = 0.2,
    noise: Annotated[float, typer.Option(help="Log-spread of the noise on weights.")] = 0.2,
    kappa: Annotated[float, typer.Option(help="Deviations taken off for the robust effect.")] = 0.5,
    draws: Annotated[int, typer.Option(help="Draws of the robust effect.")] = 2,
    perturb: Annotated[
        str | None, typer.Option(help="Edits to hold up under, e.g. typos:0.1+order; weight noise.")
    ] = None,
    calibrate: Annotated[
        int, typer.Option(help="Users, at most, on whom plain strategies are tried once for a data set.")
    ] = 300,
    guard: Annotated[bool, typer.Option(help="Apply only what held-out purchases confirm.")] = True,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Choose, order and weigh demonstrations for a user on past purchases; the target is never read."""
    given = {name: value for name, value in locals().items() if name != "json"}
    given["sources"] = [part.strip() for part in sources.split(",")]
    with opened() as store, service_engine(store) as engine:
        found = optimized(engine, OptimizeRequest.from_json(given), _aside).result
    output.as_json(found) if json else _print(found)


@app.command(epilog="Example: python -m engine lasting -d simulated -u s0412 --json")
def lasting(
    user: User,
    dataset: Dataset = "simulated",
    model: Model = "embedded",
    start: Annotated[
        int | None, typer.Option(help="Place of the purchase before which the set is chosen; the middle.")
    ] = None,
    size: Size = 4,
    scoring: Scoring = "auto",
    probes: Probes = 10,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Score a set chosen in the past on each newer purchase, beside fresh and newly optimized ones."""
    request = OptimizeRequest(
        dataset, user, model, scoring=scoring, size=size, probes=probes, seed=seed
    ).validate()
    with opened() as store, service_engine(store) as engine:
        found = long_term_effect(engine, request, start, _aside)
    if json:
        output.as_json(found)
        return
    ways = ["zero_shot", *found["ways"]]
    rows = [
        [point["place"] + 1, *(f"{point[way]['ndcg10']:.3f} ({point[way]['loss']:.2f})" for way in ways)]
        for point in found["points"]
    ]
    output.table(rows, "purchase", "no demonstrations", *found["ways"].values())
    output.line("NDCG@10 among 20 candidates (loss of the purchase in nats)")


def _aside(progress: float | None, message: str = "", partial: Any = None) -> None:
    output.aside(message)


def _print(found: dict[str, Any]) -> None:
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
    output.table(rows, "step", "answers of the demonstrations x weight", "gain (nats)", "held out", "why")
    output.line(f"{found['guard']['verdict']}: {found['guard']['reason']}")
