"""The commands `judge ...`: let people pick the better of two stored lists, and see what came out."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from db import judging, runs
from db.errors import BadInput
from db.judging import Judging, Side, Two, words
from db.names import quoted
from db.paths import write
from db.store import Store
from engine.commands import output
from engine.commands.options import Dataset, Json, at_least, listing, opened, seeded

group = typer.Typer(
    help="Blind comparisons: people pick the better of two lists without knowing which is which.",
    epilog="Example: dualens judge create 'with or without' --b bm25:4 --users 30",
    no_args_is_help=True,
)
app = typer.Typer()
app.add_typer(group, name="judge")

Number = Annotated[int, typer.Argument(help="Number of a comparison (see `judge list`).", min=1)]


@group.command(epilog="Example: dualens judge create 'two strategies' -d simulated --a recent:4 --b bm25:4")
def create(
    name: Annotated[str, typer.Argument(help="Its name; judges do not see it.")],
    dataset: Dataset = "simulated",
    a: Annotated[
        str | None,
        typer.Option(
            help="A: demonstrations as runs name them (bm25:4, none), or a run of the setting. By "
            "default B's own lists without demonstrations."
        ),
    ] = None,
    b: Annotated[
        str | None, typer.Option(help="B: the same. Users who have stored runs of both are taken.")
    ] = None,
    model: Annotated[str | None, typer.Option("--model", "-m", help="Only runs of this model.")] = None,
    users: Annotated[int, at_least(1, "How many of these users, drawn by the seed.")] = 20,
    pair: Annotated[
        list[str] | None,
        typer.Option(help="In place of settings: exactly these two runs, A:B; may be repeated."),
    ] = None,
    run: Annotated[
        list[str] | None,
        typer.Option(help="This run against its own list without demonstrations; may be repeated."),
    ] = None,
    question: Annotated[str, typer.Option(help="What judges are asked.")] = judging.QUESTION,
    length: Annotated[
        int, typer.Option(min=1, max=judging.LONGEST, help="Titles of each list, from the top.")
    ] = judging.LENGTH,
    seed: Annotated[int, seeded("Of the users, the order of the pairs and the sides.")] = 0,
    json: Json = False,
) -> None:
    """Make pairs of stored lists that people judge through a link; nothing is computed."""
    if (b is None) == (not pair and not run) or (a is not None and b is None):
        raise BadInput(
            "Say what is judged: --b (with --a or alone), or --pair A:B and --run. Nothing was created."
        )
    with opened() as store:
        if b is not None:
            if users > judging.MOST:
                raise BadInput(
                    f"--users: a comparison has at most {judging.MOST} pairs. Nothing was created."
                )
            wanted = judging.over_users(*judging.named(store, dataset, a, b, model), users, seed)
        else:
            wanted = [_two(store, each) for each in pair or []]
            wanted += judging.with_and_without(runs.get(store, key).key for key in run or [])
        found = judging.create(store, name, judging.make(store, wanted, length), question, seed)
    if json:
        output.as_json(_row(found))
        return
    output.line(
        f"Comparison {found.id}: {found.pairs} pairs, A is {found.labels[0]}, B is {found.labels[1]}."
    )
    output.notes(f"{count} left out: {why}" for why, count in found.left_out.items())
    output.line(f"For judges: the dashboard's address, then {_link(found)}")


@group.command("list", epilog="Example: dualens judge list --json")
def list_(
    deleted: Annotated[bool, typer.Option("--deleted", help="The deleted comparisons instead.")] = False,
    json: Json = False,
) -> None:
    """List the blind comparisons, the newest first."""
    with opened() as store:
        found = judging.deleted(store) if deleted else judging.listing(store)
    rows = [_row(one) for one in found]
    if not json:
        if not rows:
            output.line(
                "No comparisons yet. `dualens judge create NAME --b STRATEGY` makes one of stored runs."
            )
            return
        rows = [{name: value for name, value in row.items() if name != "left_out"} for row in rows]
    listing(rows, "comparisons", json=json)


@group.command(epilog="Example: dualens judge show 1")
def show(number: Number, json: Json = False) -> None:
    """Show what people preferred, how far they agree, and how it goes with NDCG and effects."""
    with opened() as store:
        found = judging.get(store, number)
        pairs, who = judging.pairs(store, found), judging.judges(store, found)
        outcome = judging.outcome(found, pairs, who, judging.judgements(store, found))
    if json:
        output.as_json({**_row(found), **{k: v for k, v in outcome.items() if k not in ("by_pair", "name")}})
        return
    output.line(f"{found.name}: A is {found.labels[0]}, B is {found.labels[1]}; judges: {_link(found)}")
    _print(outcome)


@group.command(epilog="Example: dualens judge export 1 --as csv --out judgements.csv")
def export(
    number: Number,
    form: Annotated[
        Literal["json", "csv"],
        typer.Option("--as", help="json: results, answers and lists; csv: a row for each answer."),
    ] = "json",
    out: Annotated[Path | None, typer.Option(help="The file; by default it is printed.")] = None,
) -> None:
    """Write a comparison's judgements."""
    with opened() as store:
        found = judging.get(store, number)
        written = (
            judging.as_csv(store, found) if form == "csv" else output.written(judging.as_json(store, found))
        )
    if out is None:
        output.verbatim(written)
        return
    write(out, written)


@group.command(epilog="Example: dualens judge delete 1")
def delete(number: Number, json: Json = False) -> None:
    """Delete a comparison and stop its link; `judge restore` brings it back."""
    with opened() as store:
        found = judging.get(store, number)
        judging.delete(store, number)
    output.as_json(_row(found)) if json else output.line(
        f"Deleted. To bring it back: dualens judge restore {number}"
    )


@group.command(epilog="Example: dualens judge restore 1")
def restore(number: Number, json: Json = False) -> None:
    """Bring a deleted comparison back with all its answers."""
    with opened() as store:
        judging.restore(store, number)
        found = judging.get(store, number)
    output.as_json(_row(found)) if json else output.line(f"{found.name} is back.")


def _row(found: Judging) -> dict[str, Any]:
    return {
        "comparison": found.id,
        "name": found.name,
        "a": found.labels[0],
        "b": found.labels[1],
        "pairs": found.pairs,
        "judges": found.judges,
        "answers": found.judgements,
        "link": _link(found),
        "created": datetime.fromtimestamp(found.created_at, UTC).strftime("%Y-%m-%d %H:%M"),
        "left_out": found.left_out,
    }


def _link(found: Judging) -> str:
    """The judges' address, without that of the dashboard."""
    return f"/judge?judge={found.token}"


def _two(store: Store, written: str) -> Two:
    """The two runs of A:B. Raises BadInput or NotFound."""
    keys = written.split(":")
    if len(keys) != len("AB"):
        raise BadInput(f"--pair takes two runs as A:B, not {quoted(written)}. Nothing was created.")
    a, b = (runs.get(store, key).key for key in keys)
    return Side(a), Side(b)


def _print(outcome: dict[str, Any]) -> None:
    rows = [
        [row["judge"], row["pairs"], row["a"], row["tie"], row["b"], words.rate(row["rate"])]
        for row in (*outcome["judges"], {"judge": "all", **outcome["all"]})
    ]
    output.table(rows, "judge", "pairs", "A", "ties", "B", "B's share, ties half (95 %)")
    output.line(f"agreement: {words.kappa(outcome['agreement'])}")
    for name, what in (("ndcg", "higher NDCG@10"), ("effects", "larger total effect")):
        found = outcome[name]
        output.line(
            f"the list with the {what} is preferred: {words.rate(found['rate'])} "
            f"over {found['pairs']} pairs; rank correlation {words.correlation(found['correlation'])}"
        )
    if outcome["demonstrations"] is not None:
        output.line(f"the list with demonstrations is preferred: {words.rate(outcome['demonstrations'])}")
    output.line(words.sentence(outcome))
