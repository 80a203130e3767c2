"""Commands about one user at a time: rank, explain, check, recommend; the worker."""

from typing import Annotated, Literal

import typer

from db.choices import EFFECT_MODES, ESTIMATORS, MEASURES
from db.effect_results import proxied
from db.errors import BadInput
from db.requests import RunRequest, request_notes
from db.settings import Settings
from engine.commands import output
from engine.commands.options import Json, Model, at_least, opened, service_engine, takes
from engine.jobs.worker import work
from engine.tasks import results
from engine.tasks.effects import effects as measured
from engine.tasks.rank import rank as ranked
from engine.tasks.verify import verify as verified

app = typer.Typer()


@app.command(epilog="Example: dualens rank -d simulated -u s0412 --demos neighbours:4 --json")
@takes(RunRequest)
def rank(request: RunRequest, json: Json = False) -> None:
    """Rank a candidate list for a user, without and with demonstrations."""
    with opened() as store, service_engine(store) as engine:
        run = ranked(engine, request)
    view = results.run_view(run, request)
    output.as_json(view) if json else output.run(view)


@app.command(epilog="Example: dualens effects -d simulated -u s0412 --leave-one-out --json")
@takes(RunRequest)
def effects(
    request: RunRequest,
    measure: Annotated[
        Literal[tuple(MEASURES)],  # type: ignore[valid-type]
        typer.Option(
            help="What effects are effects on: the target's share among the candidates, or its loss."
        ),
    ] = "margin",
    estimator: Annotated[
        Literal[tuple(ESTIMATORS)],  # type: ignore[valid-type]
        typer.Option(help="How effects are measured."),
    ] = "auto",
    leave_one_out: Annotated[
        bool, typer.Option("--leave-one-out", help="Also leave each one out alone.")
    ] = False,
    mode: Annotated[
        Literal[tuple(EFFECT_MODES)],  # type: ignore[valid-type]
        typer.Option(help="What leaving one out means; auto: turned down, and dropped."),
    ] = "auto",
    proxy: Annotated[
        str | None,
        typer.Option(
            help="Of a model behind an endpoint: put the effects of this local model beside them, and how "
            "far both agree over the users seen so far."
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Measure how far each demonstration moves the model toward the target."""
    with opened() as store, service_engine(store) as engine:
        run, found = measured(
            engine,
            request,
            estimator=estimator,
            leave_one_out=leave_one_out,
            mode=mode,
            measure=measure,
            proxy=proxy,
        )
    view = results.effects_view(run, found)
    view["notes"] = [*view["notes"], *request_notes(request, run.result)]
    if "proxy" in view:
        view["notes"].append(proxied(view["proxy"]))
    output.as_json(view) if json else output.effects(view)


@app.command(epilog="Example: dualens verify --model embedded --json")
def verify(model: Model = "embedded", json: Json = False) -> None:
    """Check on every layer that attention equals the dual model (forms B and C) for this model."""
    with opened() as store, service_engine(store) as engine:
        view = verified(engine, model)
    if json:
        output.as_json(view)
    else:
        rows = [[r["layer"], r["relative_error"]["B"], r["relative_error"]["C"]] for r in view["layers"]]
        output.table(rows, "layer", "relative error, form B", "form C")
        output.line(
            f"{view['dtype']}: {'the identity holds' if view['ok'] else 'THE IDENTITY DOES NOT HOLD'}"
        )
    if not view["ok"]:
        raise typer.Exit(1)


@app.command(epilog="Example: dualens recommend -u s0412 --top 10 --json")
@takes(RunRequest)
def recommend(
    request: RunRequest,
    top: Annotated[int, at_least(1, "How many items to recommend.")] = 10,
    width: Annotated[
        int | None,
        at_least(1, "Beam width over the title tree; by default wide enough for the list."),
    ] = None,
    zero_shot: Annotated[
        bool, typer.Option("--zero-shot", help="Also rank without demonstrations; takes twice as long.")
    ] = False,
    free: Annotated[
        bool, typer.Option("--free", help="Let the model write titles freely and count which ones exist.")
    ] = False,
    retries: Annotated[
        int,
        at_least(0, "With --free: show an answer its faults and ask again, so many times at most."),
    ] = 0,
    json: Json = False,
) -> None:
    """Recommend from the whole catalogue by beam search over its titles, or let the model write freely."""
    with opened() as store, service_engine(store) as engine:
        if retries and not free:
            raise BadInput("--retries is for --free: a search over titles names nothing that does not exist.")
        if free:
            from engine.tasks.free_text import free as write

            view = write(engine, request, top=top, retries=retries)
        else:
            from engine.tasks.catalogue import recommend as search

            view = search(engine, request, top=top, width=width, zero_shot=zero_shot)
    if json:
        output.as_json(view)
    elif free:
        output.table([[line["text"], line["status"]] for line in view["lines"]], "line", "what it names")
        output.line(", ".join(f"{name} {count}" for name, count in view["compliance"].items()))
        for number, attempt in enumerate(view.get("attempts", []), 1):
            share, tokens = attempt["compliance"]["share"], attempt["tokens"]
            said = f"{share:.0%} as asked, {tokens['read']:,} tokens read, {tokens['written']:,} written"
            output.line(f"attempt {number}: {said}")
    else:
        output.table([[r["rank"], r["title"], r["score"]] for r in view["items"]], "rank", "title", "score")
    if not json:
        output.notes(view.get("notes", []))


@app.command(epilog="Example: dualens worker")
def worker(
    with_parent: Annotated[bool, typer.Option(help="End when the parent process ends.")] = False,
    once: Annotated[bool, typer.Option(help="End after one job.")] = False,
) -> None:
    """Take jobs from the store until stopped; one worker per device."""
    work(Settings(), with_parent=with_parent, once=once)
