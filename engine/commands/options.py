"""What commands share: documented options, the request they build, the open store, and printed rows.

Boundary: shell words in, checked requests and open workspaces out; this module defines no command.
"""

import contextlib
import inspect
from collections.abc import Callable, Iterator
from dataclasses import MISSING
from typing import Annotated, Any, Literal

import typer
from typer.core import TyperGroup

from db import templates
from db.errors import BadInput
from db.patience import Patience
from db.requests.base import Request
from db.requests.fields import LONGEST_SEED, RequestField, described
from db.requests.run import read_chosen
from db.settings import STORE_WAIT, Settings, set_store_wait
from db.store import Store
from engine.commands import output
from engine.context import Engine
from engine.progress import telling
from engine.tasks.templates import saved_file

DEFAULTS = {"dataset": "simulated"}  # so that first commands need only a user

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]
Dataset = Annotated[str, typer.Option("--dataset", "-d", help="Name of a data set (see `datasets`).")]
MOST = 1_000_000_000
"""The most of anything that can be asked for."""


def at_least(low: int, help: str, *flags: str) -> Any:
    """An option for a number of things; its upper bound is one that the store and NumPy can take."""
    return typer.Option(*flags, min=low, max=MOST, help=help)


def seeded(help: str) -> Any:
    """An option for a seed."""
    return typer.Option(min=0, max=LONGEST_SEED, help=help)


Limit = Annotated[int, at_least(1, "Maximum number to list.")]
User = Annotated[str, typer.Option("--user", "-u", help="User id (see `users`).")]
Model = Annotated[str, typer.Option("--model", "-m", help="Registered name, model folder or hub id.")]


Command = Callable[..., None]

patience = Patience(
    60.0,
    say=output.aside,
    advice="What was stored before is kept: run the same command again to resume it, or let it wait longer "
    "(`--store-wait 600` before the command's name).",
)
"""What the commands of this process do while the store is away."""


class Commands(TyperGroup):
    """The commands of a program; a value that is empty is refused, not read as some default."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        for before, word in zip(["", *args], args, strict=False):
            option, sign, value = word.partition("=")
            empty = before if not word else option if word.startswith("--") and sign and not value else None
            if empty is not None and empty not in MAY_BE_EMPTY:
                what = empty if empty.startswith("-") else "An argument"
                raise BadInput(f"{what} is empty. Write a value, or leave it out.")
        return super().parse_args(ctx, args)


MAY_BE_EMPTY = frozenset({"--search"})  # it narrows nothing then


def program(store_wait: Annotated[float | None, typer.Option(min=0, help=STORE_WAIT)] = None) -> None:
    """Options that stand before a command."""
    set_store_wait(store_wait)


def takes(request: type[Request], *fields: str, **defaults: Any) -> Callable[[Command], Command]:
    """Give a command an option for each field of a request; it is called with the checked request.

    `fields`: only these (default: all). `defaults`: those that differ from the request's; for fields
    without an option they are fixed values. Raises `BadInput`, naming the field, for invalid options.
    """
    asked = [field for field in described(request) if not fields or field.name in fields]
    fixed = {name: value for name, value in defaults.items() if name not in {field.name for field in asked}}
    shared = [
        parameter(field, defaults.get(field.name, DEFAULTS.get(field.name, field.default))) for field in asked
    ]

    def decorate(command: Command) -> Command:
        def run(**given: Any) -> None:
            values = {field.name: read(field, given.pop(field.name)) for field in asked}
            command(request.from_fields(values | fixed), **given)

        own = [
            each.replace(kind=inspect.Parameter.KEYWORD_ONLY)
            for each in list(inspect.signature(command).parameters.values())[1:]
        ]
        run.__signature__ = inspect.Signature(shared + own)  # type: ignore[attr-defined]
        run.__annotations__ = {each.name: each.annotation for each in shared + own}
        run.__doc__, run.__name__ = command.__doc__, command.__name__
        return run

    return decorate


def parameter(field: RequestField, default: Any) -> inspect.Parameter:
    """The option of a field, with its flags, bounds or choices, and help."""
    kind: Any = str if field.kind is tuple else field.kind
    if isinstance(default, tuple):
        default = ",".join(map(str, default))
    bounds: dict[str, Any] = {"min": field.low, "max": field.high} if kind in (int, float) else {}
    if field.choices and field.kind is not tuple:
        kind = Literal[tuple(map(str, field.choices))]
        default = str(default)
    flags = [f"{flag}/--no-{flag[2:]}" for flag in field.flags] if kind is bool else field.flags
    annotation = Annotated[
        kind | None if field.optional else kind, typer.Option(*flags, help=field.help, **bounds)
    ]
    missing = inspect.Parameter.empty if default is MISSING else default
    return inspect.Parameter(
        field.name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=missing
    )


def read(field: RequestField, value: Any) -> Any:
    """An option's value in the form of the request's JSON. Raises BadInput naming the option."""
    if value is None:
        return None
    if field.kind is not tuple:
        named = template_named(value) if field.name == "template" else value
        return int(named) if field.kind is int else named
    if field.name == "demonstrations":
        return list(read_chosen(value))
    parts = [part.strip() for part in value.split(",") if part.strip()]
    if field.part not in (int, float):
        return list(map(template_named, parts)) if field.name == "template" else parts
    try:
        return [field.part(part) for part in parts]
    except ValueError as error:
        raise BadInput(
            f"{field.flags[0]} takes numbers separated by commas (1,0,2,1), not {value!r}."
        ) from error


def template_named(value: str) -> str:
    """What requests call the template of an option: the reference of a file's, which is kept. Raises
    BadInput."""
    if not templates.is_file(value):
        return value
    with opened() as store:
        return saved_file(store, value).reference


@contextlib.contextmanager
def opened() -> Iterator[Store]:
    """The store of this workspace."""
    settings = Settings()
    patience.seconds = settings.store_wait
    store = Store.open(settings, patience)
    try:
        yield store
    finally:
        store.close()


@contextlib.contextmanager
def service_engine(store: Store) -> Iterator[Engine]:
    """The engine of this process."""
    with telling(lambda _, message: output.aside(message)):
        yield Engine(store, Settings())


def listing(
    rows: list[dict[str, Any]],
    key: str,
    *,
    json: bool,
    width: dict[str, int] | None = None,
    narrowed: bool = False,
) -> None:
    """Print rows under one plural key, or as a table (long ids are cut in tables, never in JSON).

    `narrowed`: there are some, of which these options may have asked for none.
    """
    if json:
        output.as_json({key: rows})
    elif not rows and narrowed:
        output.line(f"No {key} match these options. Search for less, or leave some of them out.")
    elif not rows:
        output.line(f"No {key} yet. `dualens setup` creates the first ones.")
    else:
        width = width or {}
        cells = [[str(row[c])[: width[c]] if c in width else row[c] for c in row] for row in rows]
        output.table(cells, *rows[0])
