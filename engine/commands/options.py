"""What commands share: documented options, the request they make, the open store, and rows printed.

Boundary: words of a shell in, checked requests and opened workspaces out; no command lives here.
"""

import contextlib
import inspect
from collections.abc import Callable, Iterator
from typing import Annotated, Any

import typer

from db.errors import BadInput
from db.requests import RunRequest
from db.settings import Settings
from db.store import Store
from engine.commands import output
from engine.context import Engine

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
        Annotated[
            str,
            option(
                "none, or STRATEGY:K, or STRATEGY:Tt for T tokens of them: random, recent, bm25, neighbours, "
                "proximal, global, aggregated, embedding, mmr, dpp, votek, greedy, twostage."
            ),
        ],
        "neighbours:4",
    ),
    "prompts": (
        Annotated[int, option("Average the scores of this many prompts, each with other demonstrations.")],
        1,
    ),
    "embedding": (
        Annotated[
            str | None,
            option("Folder of a sentence-transformers model that compares titles; else the model's states."),
        ],
        None,
    ),
    "weights": (
        Annotated[str | None, option("One weight per demonstration in prompt order, e.g. 1,0,2,1.")],
        None,
    ),
    "candidates": (Annotated[int, option("Length of the candidate list.", "--candidates", "-c")], 20),
    "candidate_kind": (Annotated[str, option("Negatives: random, popular or hard.")], "random"),
    "scoring": (
        Annotated[str, option("auto (the model's own), sum, mean, calibrated, yes_no or listwise.")],
        "auto",
    ),
    "history": (Annotated[int, option("At most this many newest items of the history.")], 10),
    "history_by": (
        Annotated[str, option("Which items: recent, semantic (like the candidates) or clusters (of time).")],
        "recent",
    ),
    "target": (
        Annotated[str, option("test (held-out last item, to report) or probe (to curate with).")],
        "test",
    ),
    "hint": (
        Annotated[
            str | None,
            option("Show this baseline's best items in the prompt: popularity, itemknn, bm25, sasrec, ..."),
        ],
        None,
    ),
    "prescore": (
        Annotated[
            str | None,
            option("Let this model look through 4 times as many demonstrations and keep its best."),
        ],
        None,
    ),
    "forward": (
        Annotated[int, option("Read the demonstrations again so many times before answering (`forward`).")],
        0,
    ),
    "perturb": (
        Annotated[
            str | None,
            option("Rank under edits of the dual model, e.g. ridge:0.2+negatives:0.5 (see `spread`)."),
        ],
        None,
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


@contextlib.contextmanager
def service_engine(store: Store) -> Iterator[Engine]:
    """The engine of this process."""
    yield Engine(store, Settings())


def listing(rows: list[dict[str, Any]], key: str, *, json: bool, width: dict[str, int] | None = None) -> None:
    """Print rows under one plural key, or as a table (long ids cut for people, never for scripts)."""
    if json:
        output.as_json({key: rows})
    elif not rows:
        output.line(f"No {key} yet. `python -m engine setup` makes the first ones.")
    else:
        width = width or {}
        cells = [[str(row[c])[: width[c]] if c in width else row[c] for c in row] for row in rows]
        output.table(cells, *rows[0])
