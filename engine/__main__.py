"""`python -m engine`: everything the dashboard can do, from a shell.

JSON on request, one example per command.

Commands import what they need when they run, so that listing data sets does not wait for PyTorch.
"""

import contextlib
import inspect
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from db import datasets, models, runs
from db.errors import BadInput, DualensError
from db.requests import RunRequest
from db.settings import Settings
from db.store import Store
from engine import show

app = typer.Typer(
    name="python -m engine",
    help="Dualens: see what each demonstration teaches your LLM recommender.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]
Dataset = Annotated[str, typer.Option("--dataset", "-d", help="Name of a data set (see `datasets`).")]
User = Annotated[str, typer.Option("--user", "-u", help="User id (see `users`).")]
Model = Annotated[str, typer.Option("--model", "-m", help="Registered name, model folder or hub id.")]


def option(help: str, *names: str) -> Any:
    """A documented option."""
    return typer.Option(*names, help=help)


# Every command that makes a run takes these: request field -> (type, default).
REQUEST_OPTIONS: dict[str, tuple[Any, Any]] = {
    "user": (User, inspect.Parameter.empty),
    "dataset": (Dataset, "simulated"),
    "model": (Model, "embedded"),
    "demos": (
        Annotated[str, option("STRATEGY:K with none, random, recent, bm25, neighbours or proximal.")],
        "neighbours:4",
    ),
    "weights": (
        Annotated[str | None, option("One weight per demonstration in prompt order, e.g. 1,0,2,1.")],
        None,
    ),
    "candidates": (Annotated[int, option("Length of the candidate list.", "--candidates", "-c")], 20),
    "candidate_kind": (Annotated[str, option("Negatives: random, popular or hard.")], "random"),
    "scoring": (Annotated[str, option("sum, mean, calibrated, yes_no or listwise (see the README).")], "sum"),
    "history": (Annotated[int, option("At most this many newest items of the history.")], 10),
    "target": (
        Annotated[str, option("test (held-out last item, to report) or probe (to curate with).")],
        "test",
    ),
    "seed": (Annotated[int, option("Seed of the candidate list and of random choices.")], 0),
}


def takes_request(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options above; it is called with the checked request they make.

    Raises `BadInput`, naming the option, where they do not make one.
    """

    def run(**given: Any) -> None:
        fields = {name: given.pop(name) for name in REQUEST_OPTIONS}
        words = fields["weights"]
        try:
            fields["weights"] = [float(part) for part in words.split(",")] if words else None
        except ValueError as error:
            raise BadInput(
                f"--weights takes numbers separated by commas (1,0,2,1), not {words!r}."
            ) from error
        command(RunRequest.from_json(fields), **given)

    own = list(inspect.signature(command).parameters.values())[1:]
    shared = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=kind, default=default)
        for name, (kind, default) in REQUEST_OPTIONS.items()
    ]
    own = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own]
    run.__signature__ = inspect.Signature(shared + own)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in shared + own}
    run.__doc__, run.__name__ = command.__doc__, command.__name__
    return run


@contextlib.contextmanager
def opened() -> Iterator[Store]:
    """The store of this workspace."""
    store = Store.open(Settings())
    try:
        yield store
    finally:
        store.close()


@app.command(epilog="Example: python -m engine setup")
def setup(json: Json = False) -> None:
    """Prepare the workspace: simulated store, embedded model, one first run. Safe to repeat."""
    from engine.setup import setup_workspace

    with opened() as store, service_engine(store) as engine:
        done = setup_workspace(engine, say=None if json else show.line)
    if json:
        show.as_json(done)


@app.command("import", epilog="Example: python -m engine import ratings.csv --name my-shop --min-rating 4")
def import_(
    path: Annotated[Path, typer.Argument(help="File, folder or zip in any supported format.")],
    name: Annotated[str | None, typer.Option("--name", help="Name of the new data set.")] = None,
    format: Annotated[str | None, typer.Option("--format", help="Skip sniffing: name the format.")] = None,
    column: Annotated[
        list[str] | None,
        typer.Option("--column", help="FIELD=COLUMN for generic files, e.g. user=customer_id. Repeatable."),
    ] = None,
    k_core: Annotated[int, typer.Option(help="Keep users and items with at least this many.")] = 0,
    min_rating: Annotated[float | None, typer.Option(help="Keep interactions rated at least this.")] = None,
    min_history: Annotated[int, typer.Option(help="Keep users with at least this many items.")] = 3,
    preview: Annotated[bool, typer.Option("--preview", help="Show what would be read.")] = False,
    json: Json = False,
) -> None:
    """Import interactions and item titles; reports what was read, kept and dropped."""
    from engine import handlers

    payload = {"path": str(path), "name": name, "format": format, "mapping": mapping_of(column)}
    options = {"k_core": k_core, "min_rating": min_rating, "min_history": min_history}
    with opened() as store, service_engine(store) as engine:
        if preview:
            found = handlers.preview_job(engine, payload, quiet)
            show.as_json(found) if json else show.preview(found)
            return
        said = quiet if json else lambda progress, message="": show.line(message) if message else None
        done = handlers.import_job(engine, {**payload, "options": options}, said)
    show.as_json(done) if json else show.report(done["dataset"], done["report"])


def mapping_of(pairs: list[str] | None) -> dict[str, str] | None:
    """FIELD=COLUMN words as a mapping."""
    if not pairs:
        return None
    for pair in pairs:
        if "=" not in pair:
            raise BadInput(f"--column takes FIELD=COLUMN, e.g. user=customer_id; got {pair!r}.")
    return dict(pair.split("=", 1) for pair in pairs)


def quiet(progress: float | None, message: str = "") -> None:
    """Progress for nobody."""


@contextlib.contextmanager
def service_engine(store: Store) -> Iterator[Any]:
    """The engine of this process."""
    from engine.session import Engine

    yield Engine(store, Settings())


@app.command("datasets", epilog="Example: python -m engine datasets --json")
def datasets_(json: Json = False) -> None:
    """List the data sets in the store."""
    with opened() as store:
        found = datasets.listing(store)
    rows = [
        {
            "name": info.name,
            "users": info.users,
            "items": info.items,
            "interactions": info.interactions,
            "fingerprint": info.fingerprint,
            "kind": info.kind,
            "simulated": info.simulated,
        }
        for info in found
    ]
    listing(rows, "datasets", json=json, width={"fingerprint": 12})


def listing(rows: list[dict[str, Any]], key: str, *, json: bool, width: dict[str, int] | None = None) -> None:
    """Print rows under one plural key, or as a table (long ids cut for people, never for scripts)."""
    if json:
        show.as_json({key: rows})
    elif not rows:
        show.line(f"No {key} yet. `python -m engine setup` makes the first ones.")
    else:
        width = width or {}
        cells = [[str(row[c])[: width[c]] if c in width else row[c] for c in row] for row in rows]
        show.table(cells, *rows[0])


@app.command(epilog="Example: python -m engine users --dataset simulated --search serum --limit 5")
def users(
    dataset: Dataset = "simulated",
    search: Annotated[str, typer.Option(help="Part of a user id, or words of a title bought.")] = "",
    min_length: Annotated[int, typer.Option(help="Shortest history to list.")] = 0,
    max_length: Annotated[int | None, typer.Option(help="Longest history to list.")] = None,
    limit: Annotated[int, typer.Option(help="How many to list.")] = 50,
    offset: Annotated[int, typer.Option(help="How many to pass over.")] = 0,
    json: Json = False,
) -> None:
    """List users of a data set with the length of their history."""
    with opened() as store:
        info = datasets.get(store, dataset)
        found = datasets.users(store, info.id, search, min_length, max_length, limit, offset)
    rows = [{"user": u.user_id, "length": u.length, "tie": u.tie} for u in found]
    listing(rows, "users", json=json)


@app.command("models", epilog="Example: python -m engine models --add Qwen/Qwen2.5-0.5B --name qwen")
def models_(
    add: Annotated[str | None, typer.Option("--add", help="Register this folder or hub id.")] = None,
    name: Annotated[str | None, typer.Option("--name", help="Name to register it under.")] = None,
    json: Json = False,
) -> None:
    """List the registered models, or register one."""
    with opened() as store:
        if add:
            from engine import handlers

            with service_engine(store) as engine:
                handlers.register_job(engine, {"name": name or add, "source": add}, quiet)
        found = models.listing(store)
    rows = [
        {
            "name": m.name,
            "architecture": m.architecture,
            "parameters": m.parameters,
            "context_length": m.context_length,
            "source": m.source,
            "revision": m.revision,
        }
        for m in found
    ]
    listing(rows, "models", json=json, width={"revision": 12})


@app.command(epilog="Example: python -m engine rank -d simulated -u s0412 --demos neighbours:4 --json")
@takes_request
def rank(request: RunRequest, json: Json = False) -> None:
    """Rank a candidate list for a user, without and with demonstrations."""
    from engine import service, views

    with opened() as store, service_engine(store) as engine:
        run = service.rank(engine, request)
    view = views.run_view(run)
    show.as_json(view) if json else show.run(view)


@app.command(epilog="Example: python -m engine effects -d simulated -u s0412 --leave-one-out --json")
@takes_request
def effects(
    request: RunRequest,
    estimator: Annotated[str, typer.Option(help="auto, exact (2^k weightings) or path (integral).")] = "auto",
    leave_one_out: Annotated[
        bool, typer.Option("--leave-one-out", help="Also drop each one: by weight and by a new prompt.")
    ] = False,
    json: Json = False,
) -> None:
    """Measure how far each demonstration moved the model toward the target, in nats."""
    from engine import service, views

    with opened() as store, service_engine(store) as engine:
        run, found = service.effects(engine, request, estimator=estimator, leave_one_out=leave_one_out)
    view = views.effects_view(run, found)
    if json:
        show.as_json(view)
        return
    show.table(
        [[d["id"], d["effect"], d["removal"], d["reprompt"], d["mass"]] for d in view["demonstrations"]],
        *("demonstration", "effect (nats)", "removal", "reprompt", "attention mass"),
    )
    show.line(
        f"loss {view['loss_zero_shot']:.3f} -> {view['loss']:.3f} nats, effect {view['effect_total']:+.3f} "
        f"({view['estimator']}, {view['nodes']} passes, completeness error {view['completeness_error']:.2g})"
    )


@app.command(epilog="Example: python -m engine verify --model embedded --json")
def verify(model: Model = "embedded", json: Json = False) -> None:
    """Check on every layer that attention equals the dual model (forms B and C) for this model."""
    from engine import service

    with opened() as store, service_engine(store) as engine:
        view = service.verify(engine, model)
    if json:
        show.as_json(view)
    else:
        rows = [[r["layer"], r["relative_error"]["B"], r["relative_error"]["C"]] for r in view["layers"]]
        show.table(rows, "layer", "relative error, form B", "form C")
        show.line(f"{view['dtype']}: {'the identity holds' if view['ok'] else 'THE IDENTITY DOES NOT HOLD'}")
    if not view["ok"]:
        raise typer.Exit(1)


@app.command(epilog="Example: python -m engine recommend -u s0412 --whole-catalogue --top 10 --json")
@takes_request
def recommend(
    request: RunRequest,
    top: Annotated[int, typer.Option(help="How many items to recommend.")] = 10,
    width: Annotated[int, typer.Option(help="Branches of the titles' tree kept per step.")] = 20,
    whole_catalogue: Annotated[
        bool, typer.Option(help="Search every title; the only way there is, so it may be left out.")
    ] = True,
    json: Json = False,
) -> None:
    """Recommend from the whole catalogue: beam search over its titles, without and with demonstrations."""
    from engine.recommend import recommend as search

    with opened() as store, service_engine(store) as engine:
        view = search(engine, request, top=top, width=width)
    if json:
        show.as_json(view)
    else:
        show.table([[r["rank"], r["title"], r["score"]] for r in view["items"]], "rank", "title", "score")


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


@app.command("runs", epilog="Example: python -m engine runs --dataset simulated --limit 5")
def runs_(
    dataset: Annotated[str | None, typer.Option("--dataset", "-d", help="Only this data set.")] = None,
    user: Annotated[str | None, typer.Option("--user", "-u", help="Only this user.")] = None,
    model: Annotated[str | None, typer.Option("--model", "-m", help="Only this model.")] = None,
    search: Annotated[str, typer.Option(help="Words of note, tags, user or titles.")] = "",
    limit: Annotated[int, typer.Option(help="How many to list, newest first.")] = 20,
    json: Json = False,
) -> None:
    """List stored runs, newest first."""
    from engine import views

    with opened() as store:
        found = runs.listing(store, dataset=dataset, user=user, model=model, search=search, limit=limit)
    listing([views.run_row(summary) for summary in found], "runs", json=json, width={"run": 12})


@app.command(epilog="Example: python -m engine worker")
def worker(
    with_parent: Annotated[bool, typer.Option(help="End when the process that started this ends.")] = False,
    once: Annotated[bool, typer.Option(help="End after one job.")] = False,
) -> None:
    """Take jobs from the store until stopped; one worker per device."""
    from engine.worker import work

    work(Settings(), with_parent=with_parent, once=once)


def main(call: Callable[[], Any] = app) -> int:
    """Run the command line; errors a person can mend are one line, exit status 2."""
    try:
        call()
    except DualensError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
