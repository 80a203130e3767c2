"""Commands about other methods of the field, one user at a time."""

from typing import Annotated, Literal

import typer

from db.choices import EDITS, MEASURES, SOURCES
from db.effect_results import SEEN, UNITS, of_pool
from db.requests import RunRequest
from db.requests.edits import usual
from engine.commands import output
from engine.commands.options import Json, at_least, opened, service_engine, takes
from engine.tasks.forward_tuning import forward as tune
from engine.tasks.pool import USUAL_SIZE, USUAL_SOURCES
from engine.tasks.pool import pool as offered
from engine.tasks.predicted import MOST
from engine.tasks.predicted import predicted as effects_of_pool
from engine.tasks.proxy_scoring import best
from engine.tasks.spread import perturbation_stats

app = typer.Typer()


@app.command(epilog="Example: dualens pool -d simulated -u s0412 --prescore embedded --json")
@takes(RunRequest)
def pool(
    request: RunRequest,
    sources: Annotated[
        str,
        typer.Option(help=f"Separated by commas: {', '.join(SOURCES)}."),
    ] = ",".join(USUAL_SOURCES),
    size: Annotated[int, at_least(1, "Demonstrations per source.")] = USUAL_SIZE,
    predicted: Annotated[
        bool,
        typer.Option(
            "--predicted",
            help=f"The {MOST} most similar by what each does to the target, added to --demos. It has seen "
            "the target: to explain, not to choose.",
        ),
    ] = False,
    json: Json = False,
) -> None:
    """List candidate demonstrations for a user; --prescore MODEL scores them on probes."""
    with opened() as store, service_engine(store) as engine:
        found = offered(engine, request, sources.split(","), size)
        added = effects_of_pool(engine, request, [d["id"] for d in found]) if predicted else None
    if added is not None:
        effects = added["effects"]
        found = [{**d, "predicted": effects.get(d["id"])} for d in found]
        found = [found[place] for place in best([d["predicted"] for d in found])]
    if json:
        output.as_json({"demonstrations": found, **({} if added is None else {"predicted": added})})
        return
    shown = {"effect on probes (nats)": "prescore"}
    if added is not None:
        shown = {f"predicted effect ({UNITS[added['measure']]})": "predicted", **shown}
    output.table(
        [
            [d["id"], d["source"], d["similarity"], *map(d.get, shown.values()), d["answer"]["title"]]
            for d in found
        ],
        *("demonstration", "source", "similarity", *shown, "answer"),
    )
    if added is not None:
        output.line(f"{of_pool(added)} {SEEN}")


@app.command(epilog="Example: dualens spread -d simulated -u s0412 --kinds weights:0.5,order --json")
@takes(RunRequest)
def spread(
    request: RunRequest,
    kinds: Annotated[
        str | None,
        typer.Option(
            help=f"Edits separated by commas: {', '.join(str(usual(name)) for name in EDITS)}; "
            "by default all that the data allow."
        ),
    ] = None,
    draws: Annotated[int, at_least(1, "Draws of each random edit.")] = 16,
    kappa: Annotated[
        float, typer.Option(help="The robust effect is the mean minus this many standard deviations.")
    ] = 1.0,
    measure: Annotated[
        Literal[tuple(MEASURES)],  # type: ignore[valid-type]
        typer.Option(
            help="What effects are effects on: the target's share among the candidates, or its loss."
        ),
    ] = "margin",
    json: Json = False,
) -> None:
    """Measure how stable effects are: mean and deviation over random draws of each edit."""
    with opened() as store, service_engine(store) as engine:
        named = [one for one in (kinds or "").split(",") if one.strip()]
        view = perturbation_stats(engine, request, named, draws, kappa, measure)
    if json:
        output.as_json(view)
        return
    rows = []
    for kind in view["kinds"]:
        parts = {"all": kind["total"], **kind["effects"]}
        rows += [[kind["label"], name, one["mean"], one["std"], one["robust"]] for name, one in parts.items()]
    output.table(rows, "edit", "demonstration", f"effect ({UNITS[measure]})", "deviation", "robust effect")
    for one in view["left_out"]:
        output.line(f"{one['name']} left out: {one['reason']}")


@app.command(epilog="Example: dualens rate -d movielens-small -u 1 -m smollm2 --demos neighbours:4")
@takes(RunRequest)
def rate(request: RunRequest, json: Json = False) -> None:
    """Predict the rating of the target, from the probability of each rating (arXiv 2308.12241)."""
    from engine.tasks.rating import rate as predicted

    with opened() as store, service_engine(store) as engine:
        view = predicted(engine, request)
    if json:
        output.as_json(view)
        return
    zero = {each["rating"]: each["p"] for each in view["zero_shot"]["probabilities"]}
    rows = [[each["rating"], each["p"], zero[each["rating"]]] for each in view["probabilities"]]
    output.table(rows, "rating", "probability", "without demonstrations")
    output.line(
        f"{view['target']['title']}: predicted {view['expected']:.2f} "
        f"({view['zero_shot']['expected']:.2f} without demonstrations), rated {view['actual']:g}"
    )
    known = {name: value for name, value in view["controls"].items() if value is not None}
    output.line(", ".join(f"{name.replace('_', ' ')} {value:.2f}" for name, value in known.items()))


@app.command(epilog="Example: dualens forward -d simulated -u s0412 --iterations 8 --json")
@takes(RunRequest)
def forward(
    request: RunRequest,
    iterations: Annotated[int, at_least(1, "Iterations over the demonstrations.")] = 8,
    step: Annotated[
        float | None, typer.Option(help="Step size: share of the new keys and values that is mixed in.")
    ] = None,
    momentum: Annotated[
        float | None, typer.Option(help="Momentum: share of the last update that is kept.")
    ] = None,
    at: Annotated[
        int | None,
        at_least(0, "Iteration to rank with; by default the best on the last known purchase."),
    ] = None,
    json: Json = False,
) -> None:
    """Iterative forward tuning: process the demonstrations several times, then answer once."""
    with opened() as store, service_engine(store) as engine:
        view = tune(engine, request, iterations, step, momentum, at)
    if json:
        output.as_json(view)
        return
    tried = {one["iteration"]: one["loss"] for one in view["probe_curve"]}
    output.table(
        [
            [p["iteration"], tried.get(p["iteration"]), p["loss"], p["margin"], output.rank(p)]
            for p in view["curve"]
        ],
        *("iteration", "loss, last known purchase", f"loss, {request.target} target", "margin", "rank"),
    )
    output.line(f"Ranked with iteration {view['chosen']} (chosen by: {view['chosen_by']}).")
