"""Commands about stored runs: list them, mark, delete and restore them, compare them."""

from collections.abc import Sequence
from typing import Annotated, Literal

import typer

from db import runs
from db.choices import ORDERS
from db.errors import BadInput
from db.store import Store
from engine.commands import output
from engine.commands.options import Json, Limit, listing, opened, service_engine
from engine.tasks import results
from engine.tasks.attribution import attribution
from engine.tasks.comparison import comparison

app = typer.Typer()

SHOWN = ("run", "dataset", "user", "model", "strategy", "demonstrations", "target", "rank_zero_shot", "rank")
SHOWN += ("margin", "ndcg10", "seconds", "starred", "tags", "note")
"""Columns of a table on a terminal."""
MOST_COMPARED = 4

Keys = Annotated[list[str], typer.Argument(help="Runs: keys, or their first 6 digits or more.")]


@app.command(
    "runs", epilog="Example: dualens runs --dataset simulated --strategy bm25 --sort margin --limit 5"
)
def runs_(
    dataset: Annotated[str | None, typer.Option("--dataset", "-d", help="Only this data set.")] = None,
    user: Annotated[str | None, typer.Option("--user", "-u", help="Only this user.")] = None,
    model: Annotated[str | None, typer.Option("--model", "-m", help="Only this model.")] = None,
    strategy: Annotated[
        str | None, typer.Option(help=f"Only this strategy of demonstrations, or {runs.CUSTOM_SET!r}.")
    ] = None,
    template: Annotated[str | None, typer.Option(help="Only this prompt template.")] = None,
    tag: Annotated[str | None, typer.Option(help="Only runs with this tag.")] = None,
    starred: Annotated[bool | None, typer.Option(help="Only runs with a star, or without one.")] = None,
    target: Annotated[bool | None, typer.Option(help="Only runs that rank a target, or that do not.")] = None,
    deleted: Annotated[bool, typer.Option("--deleted", help="The deleted runs instead.")] = False,
    search: Annotated[
        str, typer.Option(help="Words of note, tags, user, model, data set, strategy or target's title.")
    ] = "",
    sort: Annotated[Literal[tuple(ORDERS)], typer.Option(help="What to sort by.")] = "when",  # type: ignore[valid-type]
    reverse: Annotated[bool, typer.Option("--reverse", help="The other way round.")] = False,
    after: Annotated[str | None, typer.Option(help="Only what follows this run in the order.")] = None,
    limit: Limit = 20,
    json: Json = False,
) -> None:
    """List stored runs, by default the newest first."""
    wanted = runs.Filter(
        dataset=dataset,
        user=user,
        model=model,
        strategy=strategy,
        template=template,
        tag=tag,
        starred=starred,
        has_target=target,
        deleted=deleted,
        search=search,
    )
    with opened() as store:
        found = runs.page(store, wanted, sort, reverse, limit, after=after).runs
        narrowed = not found and runs.count(store) > 0
    _print(found, json=json, narrowed=narrowed)


@app.command(epilog="Example: dualens annotate 3f9a2c --star --tag good --note 'the one for Monday'")
def annotate(
    keys: Keys,
    note: Annotated[str | None, typer.Option(help="The note, in place of the one before.")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="Add this tag; may be repeated.")] = None,
    untag: Annotated[list[str] | None, typer.Option(help="Remove this tag; may be repeated.")] = None,
    star: Annotated[bool | None, typer.Option(help="Give a star, or take it away.")] = None,
    delete: Annotated[bool, typer.Option("--delete", help="Delete the runs; --restore undoes it.")] = False,
    restore: Annotated[bool, typer.Option("--restore", help="Bring deleted runs back; by full key.")] = False,
    json: Json = False,
) -> None:
    """Give stored runs a note, tags or a star; delete them, or bring them back."""
    if delete and restore:
        raise BadInput("--delete and --restore are given one at a time.")
    with opened() as store:
        if restore:
            runs.restore(store, *keys)
        chosen = [runs.get(store, key) for key in keys]
        for run in chosen:
            _change(store, run, note, tag or [], untag or [], star)
        summaries = [runs.summary(runs.get(store, run.key)) for run in chosen]
        if delete:
            runs.delete(store, *(run.key for run in chosen))
    _print(summaries, json=json)
    if delete and not json:
        undo = f"dualens annotate {' '.join(run.key for run in chosen)} --restore"
        output.line(f"Deleted: {len(chosen)}. To bring them back: {undo}")


def _print(found: Sequence[runs.RunSummary], *, json: bool, narrowed: bool = False) -> None:
    """The runs in JSON, or what of them fits into a table."""
    rows = [results.run_row(summary) for summary in found]
    if not json:
        rows = [{**row, "tags": ", ".join(row["tags"])} for row in rows]
        rows = [{name: row[name] for name in SHOWN} for row in rows]
    listing(rows, "runs", json=json, width={"run": 12}, narrowed=narrowed)


@app.command(epilog="Example: dualens compare 3f9a2c 81bd04 --why")
def compare(
    keys: Annotated[list[str], typer.Argument(help="2 to 4 runs: keys, or their first 6 digits or more.")],
    why: Annotated[
        bool,
        typer.Option(
            "--why",
            help="Of two runs: swap one differing input at a time, up to 4 in all combinations, and say how "
            "much of the change each is answerable for. Makes up to 14 runs, which are stored.",
        ),
    ] = False,
    json: Json = False,
) -> None:
    """Compare stored runs: numbers beside those of the first, the inputs that differ, and which did it."""
    if not 2 <= len(keys) <= MOST_COMPARED or (why and len(keys) > 2):
        raise BadInput(f"Compare 2 to {MOST_COMPARED} runs; --why takes exactly 2.")
    with opened() as store, service_engine(store) as engine:
        chosen = [runs.get(store, key) for key in keys]
        view = comparison(chosen)
        if why:
            view["why"] = attribution(engine, chosen[0].key, chosen[1].key)
    output.as_json(view) if json else output.comparison(view)


def _change(
    store: Store, run: runs.Run, note: str | None, tag: list[str], untag: list[str], star: bool | None
) -> None:
    tags = [*run.tags, *tag] if tag else run.tags
    kept = [each for each in tags if each not in untag]
    runs.annotate(store, run.key, note, kept if kept != run.tags else None, star)
