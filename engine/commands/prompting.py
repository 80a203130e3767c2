"""Commands about prompt templates, and about texts that a model writes."""

from typing import Annotated, Any

import typer

from db import templates as kept
from db.choices import TEMPLATES
from db.errors import BadInput
from db.requests import RunRequest
from db.store import Store
from engine.commands import output
from engine.commands.options import Json, Model, listing, opened, service_engine, takes, template_named
from engine.tasks.templates import saved_file, text_of

app = typer.Typer()


@app.command(epilog="Example: dualens templates --show tallrec > mine.toml")
def templates(
    show: Annotated[str | None, typer.Option(help="Print the text of this one.")] = None,
    save: Annotated[
        str | None, typer.Option(help="Check a file and keep it as a template of your own, under its name.")
    ] = None,
    delete: Annotated[
        str | None, typer.Option(help="Take one of your own off the list; its runs stay readable.")
    ] = None,
    json: Json = False,
) -> None:
    """List prompt templates, print one to start from, or keep one of your own."""
    if sum(each is not None for each in (show, save, delete)) > 1:
        raise BadInput("--show, --save and --delete are given one at a time.")
    with opened() as store:
        if show is not None:
            output.verbatim(text_of(store, show))
        elif save is not None:
            output.line(f"Kept as {saved_file(store, save).reference}.")
        elif delete is not None:
            kept.delete(store, delete)
            output.line(f"Deleted {delete}. Its runs stay readable.")
        else:
            listing(_rows(store), "templates", json=json)


def _rows(store: Store) -> list[dict[str, Any]]:
    own = [(each.reference, each.scorings, "your own", "") for each in kept.listing(store)]
    builtin = [(row.name, row.scorings, row.about, row.paper) for row in TEMPLATES.values()]
    return [
        {"template": name, "scorings": ", ".join(scorings), "about": about, "source": source}
        for name, scorings, about, source in (*builtin, *own)
    ]


@app.command(epilog="Example: dualens explain -d movielens-small -u 1 -m smollm2")
@takes(RunRequest)
def explain(
    request: RunRequest,
    item: Annotated[str | None, typer.Option(help="Item id; by default the first of the ranking.")] = None,
    json: Json = False,
) -> None:
    """Let the model write why an item fits the user. Free text: nothing checks it (arXiv 2308.12241)."""
    from engine.tasks.free_answers import explain as written

    with opened() as store, service_engine(store) as engine:
        _print_text(written(engine, request, item), json)


@app.command(epilog="Example: dualens summarize 'Sturdy, but the lid leaks.' -m smollm2")
def summarize(
    review: Annotated[str, typer.Argument(help="A customer's review.")],
    model: Model = "embedded",
    template: Annotated[
        str, typer.Option(help="Prompt template with a section [summary], or a file of one.")
    ] = "plain",
    json: Json = False,
) -> None:
    """Let the model put a review into a few words. Free text: nothing checks it (arXiv 2308.12241)."""
    from engine.tasks.free_answers import summarize as written

    named = template_named(template)
    with opened() as store, service_engine(store) as engine:
        _print_text(written(engine, model, review, named), json)


def _print_text(view: dict[str, Any], json: bool) -> None:
    """What the model wrote, behind the title of the item where it is about one."""
    if json:
        output.as_json(view)
        return
    about = f"{view['title']}: " if "title" in view else ""
    output.line(f"{about}{view['text']}")
    output.notes(view["notes"])
