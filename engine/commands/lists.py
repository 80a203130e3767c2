"""The commands `lists ...`: frozen candidate lists out, and any system's scores of them in."""

import shlex
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from db import datasets, outside
from db.choices import CANDIDATE_KINDS, TARGETS
from db.errors import BadInput
from db.outside import Lists, System
from engine.commands import output
from engine.commands.options import Dataset, Json, at_least, opened, seeded
from engine.studies.table_cells import interval
from engine.tasks import frozen_lists, outside_systems
from engine.tasks.outside_systems import MEASURES

group = typer.Typer(
    help="Bring your own recommender: write the frozen candidate lists, take in any system's scores of them.",
    epilog="Example: dualens lists export -d simulated --users 300 --out lists.jsonl",
    no_args_is_help=True,
)
app = typer.Typer()
app.add_typer(group, name="lists")

KIND = typer.Option("--kind", help="How negatives are drawn.")
TARGET = typer.Option("--target", help="The purchase to be predicted.")
Size = Annotated[int, typer.Option("--candidates", "-c", min=2, max=100_000, help="Length of the lists.")]
Seed = Annotated[int, seeded("Seed of users and lists.")]
USUAL = Lists()


@group.command(epilog="Example: dualens lists export -d simulated --users 300 --out lists.parquet")
def export(
    out: Annotated[Path, typer.Option("--out", "-o", help="File to write: .jsonl or .parquet.")],
    dataset: Dataset = "simulated",
    users: Annotated[int, at_least(1, "How many users to draw; fewer are the first of more.")] = 300,
    seed: Seed = USUAL.seed,
    candidates: Size = USUAL.size,
    kind: Annotated[Literal[tuple(CANDIDATE_KINDS)], KIND] = USUAL.kind,  # type: ignore[valid-type]
    target: Annotated[Literal[tuple(TARGETS)], TARGET] = USUAL.target,  # type: ignore[valid-type]
    json: Json = False,
) -> None:
    """Write users, their histories and their candidates, without saying which one is the target."""
    lists = Lists(kind, candidates, seed, target)
    with opened() as store:
        info = datasets.get(store, dataset)
        count = frozen_lists.export(store, info, lists, users, out)
    if json:
        output.as_json({"out": str(out), "users": count, **vars(lists)})
        return
    output.line(f"{count} lists ({lists.words}) in {out}.")
    if count < users:
        output.aside(f"{dataset} has no more users with a {target} target.")
    output.line(f"When they are scored: {_again('score SCORES', dataset, lists)} --name NAME")


@group.command(epilog="Example: dualens lists score scores.jsonl -d simulated --name my-system")
def score(
    file: Annotated[
        Path,
        typer.Argument(help="Scores or rankings: .jsonl, .parquet, .csv, .tsv, or a TREC run (.run, .trec)."),
    ],
    name: Annotated[str, typer.Option("--name", help="The system's name; what it had before is replaced.")],
    dataset: Dataset = "simulated",
    users: Annotated[
        int | None, at_least(1, "Insist on scores of the first so many users of the draw.")
    ] = None,
    seed: Seed = USUAL.seed,
    candidates: Size = USUAL.size,
    kind: Annotated[Literal[tuple(CANDIDATE_KINDS)], KIND] = USUAL.kind,  # type: ignore[valid-type]
    target: Annotated[Literal[tuple(TARGETS)], TARGET] = USUAL.target,  # type: ignore[valid-type]
    json: Json = False,
) -> None:
    """Check a system's scores of exported lists, store them, and print how well it ranks the targets."""
    lists = Lists(kind, candidates, seed, target)
    with opened() as store:
        info = datasets.get(store, dataset)
        system = outside_systems.take(store, info, lists, name, file, users)
        found = outside_systems.measured(store, info, lists, name)
    _print(dataset, [(system, found)], json)


@group.command(epilog="Example: dualens lists scored -d simulated")
def scored(
    name: Annotated[
        str | None, typer.Argument(help="Measure this system again, on the lists as they are now.")
    ] = None,
    dataset: Dataset = "simulated",
    json: Json = False,
) -> None:
    """List the outside systems whose scores are stored, or how well one of them ranks."""
    with opened() as store:
        info = datasets.get(store, dataset)
        systems = [system for system in outside.listing(store, info) if name in (None, system.name)]
        if name is not None and not systems:
            raise BadInput(f"{dataset!r} has no outside system {name!r}. `dualens lists scored` lists them.")
        found = [
            (system, outside_systems.measured(store, info, system.lists, system.name) if name else None)
            for system in systems
        ]
    if not found and not json:
        output.line(f"No outside systems yet. {_again('export --out lists.jsonl', dataset, USUAL)} begins.")
        return
    _print(dataset, found, json)


@group.command(epilog="Example: dualens lists forget my-system -d simulated")
def forget(
    name: Annotated[str, typer.Argument(help="Name of an outside system (see `lists scored`).")],
    dataset: Dataset = "simulated",
    json: Json = False,
) -> None:
    """Remove an outside system's scores, of all lists of the data set."""
    with opened() as store:
        count = outside.delete(store, datasets.get(store, dataset), name)
    if json:
        output.as_json({"system": name, "removed": count})
    else:
        output.line(f"Removed {name}: scores of {count} kind{'s' if count > 1 else ''} of lists.")


def _again(what: str, dataset: str, lists: Lists) -> str:
    """A command about these lists; options that are the usual ones are left out."""
    flags = {"kind": "--kind", "size": "--candidates", "seed": "--seed", "target": "--target"}
    given = [f"{flags[k]} {value}" for k, value in vars(lists).items() if value != getattr(USUAL, k)]
    return " ".join(["dualens lists", what, "-d", shlex.quote(dataset), *given])


def _row(system: System, found: dict[str, Any] | None) -> dict[str, Any]:
    return {
        "system": system.name,
        **vars(system.lists),
        "users": system.users,
        "source": system.source,
        "stored": datetime.fromtimestamp(system.created_at, UTC).strftime("%Y-%m-%d %H:%M"),
        **({} if found is None else {"measured": found}),
    }


def _print(dataset: str, found: list[tuple[System, dict[str, Any] | None]], json: bool) -> None:
    if json:
        output.as_json({"systems": [_row(*one) for one in found]})
        return
    told = [(system, values) for system, values in found if values is not None]
    if not told:
        rows = [_row(system, None) for system, _ in found]
        output.table([list(row.values()) for row in rows], *rows[0])
        return
    output.table(
        [
            [system.name, system.lists.words, values["users"], *(interval(values[name]) for name in MEASURES)]
            for system, values in told
        ],
        *("system", "lists", "users", *MEASURES.values()),
    )
    for system, values in told:
        if values["outdated"]:
            output.aside(
                f"{system.name}: {values['outdated']} lists are others since, because something of {dataset} "
                "was forgotten; they are left out."
            )
