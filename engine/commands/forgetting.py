"""The command that forgets a purchase, an item or a user, undoes it, and says what still knows it."""

from typing import Annotated, Any

import typer

from db.errors import BadInput
from engine.commands import output
from engine.commands.options import Dataset, Json, at_least, opened, service_engine
from engine.progress import counted
from engine.tasks import forgetting

app = typer.Typer()


@app.command(epilog="Example: dualens forget -d simulated --user s0412 --item p0031")
def forget(
    dataset: Dataset = "simulated",
    user: Annotated[
        str | None, typer.Option("--user", "-u", help="A user; with --item, one purchase of theirs.")
    ] = None,
    item: Annotated[
        str | None, typer.Option(help="An item's id; without --user, the item with all its purchases.")
    ] = None,
    position: Annotated[
        int | None, at_least(1, "Which purchase of the item: its place in the user's history, 1 = oldest.")
    ] = None,
    undo: Annotated[
        int | None, at_least(1, "Read this entry of the list again, by its number.", "--undo")
    ] = None,
    undo_all: Annotated[bool, typer.Option("--undo-all", help="Read everything again.")] = False,
    check: Annotated[
        bool, typer.Option("--check", help="List every place that still knows what is forgotten.")
    ] = False,
    json: Json = False,
) -> None:
    """Forget a purchase, an item or a user everywhere; without either, list what is forgotten.

    A layer over the data set: its rows stay, so that this can be undone. Stored runs stay as they are.
    """
    if sum((bool(user or item), undo is not None, undo_all, check)) > 1:
        raise BadInput("Forget, --undo, --undo-all and --check: give one at a time.")
    with opened() as store, service_engine(store) as engine:
        if user or item:
            kind = "purchase" if user and item else "item" if item else "user"
            asked = {"kind": kind, "user": user, "item": item, "position": position and position - 1}
            view = forgetting.forget(engine, dataset, asked)
        elif undo is not None:
            view = forgetting.remember(engine, dataset, [_numbered(engine, dataset, undo)])
        elif undo_all:
            view = forgetting.remember(engine, dataset, None)
        else:
            view = forgetting.check(engine, dataset) if check else forgetting.listed(engine, dataset)
    output.as_json(view) if json else _print(view)


def _numbered(engine: Any, dataset: str, number: int) -> list[Any]:
    rows = forgetting.listed(engine, dataset)["forgotten"]
    if number > len(rows):
        raise BadInput(f"--undo {number}: {dataset!r} has {counted(len(rows), 'thing')} forgotten.")
    return rows[number - 1]["key"]


def _print(view: dict[str, Any]) -> None:
    rows = view["forgotten"]
    if not rows:
        output.line(f"Nothing is forgotten of {view['dataset']}.")
    else:
        output.table([[n, row["words"]] for n, row in enumerate(rows, 1)], "number", "forgotten")
    for place in view.get("places", ()):
        output.line(f"{place['place']}: {place['count']}. {place['advice']}")
        output.line(
            f"  {', '.join(place['examples'])}{' ...' if place['count'] > len(place['examples']) else ''}"
        )
