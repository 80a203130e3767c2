"""The commands `sets ...`: named sets of demonstrations, shared with all users or made for one."""

import json as json_
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from dataclasses import replace as changed
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from db import datasets, demonstrations, runs, sets
from db.datasets import DatasetInfo
from db.errors import BadInput, NotFound
from db.names import quoted
from db.paths import typed, write
from db.requests.run import read_chosen
from db.sets import Member, NamedSet, files
from db.store import Store
from engine.commands import output
from engine.commands.options import Json, listing, opened

group = typer.Typer(
    help="Keep sets of demonstrations under a name, for one user or shared by all, and see how they did. "
    "`--demos set:NAME` uses one.",
    epilog="Example: dualens sets save good-ones --run 3f9a2c --shared",
    no_args_is_help=True,
)
app = typer.Typer()
app.add_typer(group, name="sets")

Name = Annotated[str, typer.Argument(help="Name of a set, or NAME@DIGEST for one version of it.")]
Other = Annotated[str, typer.Argument(help="The new name.")]
Shop = Annotated[str, typer.Option("--dataset", "-d", help="Data set of the set (see `datasets`).")]
DSPY = "dspy"


@group.command("list", epilog="Example: dualens sets list -d simulated -u s0412")
def list_(
    dataset: Shop = "simulated",
    user: Annotated[str | None, typer.Option("--user", "-u", help="First those made for this user.")] = None,
    deleted: Annotated[bool, typer.Option("--deleted", help="The deleted sets instead.")] = False,
    json: Json = False,
) -> None:
    """List the sets of a data set."""
    with opened() as store:
        info = datasets.get(store, dataset)
        found = sets.deleted(store, info.id) if deleted else sets.listing(store, info.id, user)
    rows = [_row(kept) for kept in found]
    if not json:
        rows = [{**row, "user": row["user"] or "shared by all"} for row in rows]
    if not rows and not json:
        output.line(f"{dataset} has no sets yet. `dualens sets save NAME --run RUN` keeps those of a run.")
        return
    listing(rows, "sets", json=json)


@group.command(epilog="Example: dualens sets show good-ones -d simulated --json")
def show(name: Name, dataset: Shop = "simulated", json: Json = False) -> None:
    """Show a set, its versions, and how the stored runs with it did."""
    with opened() as store:
        info = datasets.get(store, dataset)
        view = _view(store, info, sets.get(store, info.id, name))
    output.as_json(view) if json else _print(view)


@group.command(epilog="Example: dualens sets save good-ones --run 3f9a2c --shared --note 'hand-picked'")
def save(
    name: Annotated[str, typer.Argument(help="The name; a set of this name gets a new version.")],
    run: Annotated[
        str | None, typer.Option("--run", help="Take the demonstrations of this run, with their weights.")
    ] = None,
    ids: Annotated[
        str | None,
        typer.Option("--demonstrations", help="Take these by id, in prompt order: ID*WEIGHT,ID,..."),
    ] = None,
    lock: Annotated[
        str | None, typer.Option(help="Lock these: numbers in prompt order from 1, such as 1,3.")
    ] = None,
    dataset: Shop = "simulated",
    user: Annotated[
        str | None, typer.Option("--user", "-u", help="For this user; by default the run's user.")
    ] = None,
    shared: Annotated[bool, typer.Option("--shared", help="For all users of the data set.")] = False,
    note: Annotated[str, typer.Option(help="Why these; shown with the set.")] = "",
    json: Json = False,
) -> None:
    """Save the demonstrations of a run, or some by id, under a name."""
    if (run is None) == (ids is None):
        raise BadInput("Say what to save: --run RUN, or --demonstrations ID*WEIGHT,...")
    if shared and user is not None:
        raise BadInput("--shared and --user are given one at a time.")
    with opened() as store:
        if run is not None:
            source = runs.get(store, run)
            dataset, shown = source.request.dataset, source.result["demonstrations"]
            user = user or source.user_id
        else:
            shown = [vars(chosen) for chosen in read_chosen(ids or "")]
        info = datasets.get(store, dataset)
        if user is not None:
            datasets.user(store, info.id, user)
        elif not shared:
            raise BadInput("Say whom the set is for: --user USER, or --shared.")
        members = _locked(sets.members(shown), lock)
        kept = sets.save(store, info, name, members, None if shared else user, note)
    _said(kept, f"Saved as {kept.reference}.", json)


@group.command(epilog="Example: dualens sets rename good-ones best-ones")
def rename(name: Name, new: Other, dataset: Shop = "simulated", json: Json = False) -> None:
    """Give a set another name; what names a version of it still finds it."""
    with opened() as store:
        info = datasets.get(store, dataset)
        kept = sets.rename(store, sets.get(store, info.id, name), new)
    _said(kept, f"{name} is {kept.name} now.", json)


@group.command(epilog="Example: dualens sets duplicate good-ones good-ones-2")
def duplicate(name: Name, new: Other, dataset: Shop = "simulated", json: Json = False) -> None:
    """Copy a set, or one version of it, under another name."""
    with opened() as store:
        info = datasets.get(store, dataset)
        kept = sets.duplicate(store, info, sets.get(store, info.id, name), new)
    _said(kept, f"Saved as {kept.reference}.", json)


@group.command(epilog="Example: dualens sets share good-ones")
def share(
    name: Name,
    dataset: Shop = "simulated",
    user: Annotated[
        str | None, typer.Option("--user", "-u", help="Make it this user's alone instead.")
    ] = None,
    json: Json = False,
) -> None:
    """Make a set one that all users of the data set share, or one user's."""
    with opened() as store:
        info = datasets.get(store, dataset)
        if user is not None:
            datasets.user(store, info.id, user)
        kept = sets.share(store, sets.get(store, info.id, name), user)
    _said(kept, f"{name} is {'shared by all users' if kept.shared else f'for {user}'} now.", json)


@group.command(epilog="Example: dualens sets diff good-ones best-ones")
def diff(
    one: Name,
    other: Annotated[str, typer.Argument(help="The set, or version, that it is compared with.")],
    dataset: Shop = "simulated",
    json: Json = False,
) -> None:
    """Say how two sets differ: which demonstrations, in which order, with which weights."""
    with opened() as store:
        info = datasets.get(store, dataset)
        pair = [sets.get(store, info.id, name) for name in (one, other)]
        names = _titles(store, info, [member.id for kept in pair for member in kept.members])
    found = sets.diff(pair[0].members, pair[1].members)
    if json:
        output.as_json({"one": pair[0].reference, "other": pair[1].reference, **vars(found)})
        return
    for line in _differences(found, names, one, other):
        output.line(line)


@group.command(epilog="Example: dualens sets delete good-ones")
def delete(name: Name, dataset: Shop = "simulated", json: Json = False) -> None:
    """Delete a set; `sets restore` brings it back, and its runs stay readable."""
    with opened() as store:
        info = datasets.get(store, dataset)
        kept = sets.get(store, info.id, name)
        sets.delete(store, kept)
    _said(kept, f"Deleted. To bring it back: dualens sets restore {kept.name!r} -d {dataset}", json)


@group.command(epilog="Example: dualens sets restore good-ones")
def restore(name: Name, dataset: Shop = "simulated", json: Json = False) -> None:
    """Bring a deleted set back."""
    with opened() as store:
        info = datasets.get(store, dataset)
        gone = [kept for kept in sets.deleted(store, info.id) if name in (kept.name, kept.reference)]
        if not gone:
            raise NotFound(f"{dataset!r} has no deleted set {quoted(name)}. Nothing was changed.")
        kept = sets.restore(store, gone[0])
    _said(kept, f"{kept.name} is back.", json)


@group.command("import", epilog="Example: dualens sets import good-ones.json -d simulated")
def import_(
    file: Annotated[Path, typer.Argument(help="A file of `sets export`, or DSPy's demos as JSON.")],
    name: Annotated[str | None, typer.Option(help="The set's name; by default the file's.")] = None,
    dataset: Shop = "simulated",
    as_text: Annotated[
        bool, typer.Option("--as-text", help="Take only the titles, of a set of other data.")
    ] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="A set of this name gets a new version.")
    ] = False,
    input: Annotated[str, typer.Option(help="DSPy's field of the history.")] = files.INPUT,
    output_: Annotated[str, typer.Option("--output", help="DSPy's field of the answer.")] = files.OUTPUT,
    json: Json = False,
) -> None:
    """Read a set from a file: the own JSON, or DSPy's (a list of examples, or a saved program)."""
    path = typed(file)
    text = _text(path)
    with opened() as store:
        info = datasets.get(store, dataset)
        try:
            brought = files.bring(
                store,
                info,
                text,
                name=name,
                otherwise=path.stem,
                as_text=as_text,
                replace_existing=replace,
                fields=(input, output_),
            )
        except BadInput as error:
            raise BadInput(f"{path}: {error} Nothing was changed.") from None
    _said(brought.kept, f"Saved as {brought.kept.reference}.", json, brought.notes)


@group.command(epilog="Example: dualens sets export good-ones --as dspy --out demos.json")
def export(
    name: Name,
    dataset: Shop = "simulated",
    form: Annotated[
        Literal["dualens", "dspy"],
        typer.Option("--as", help="dualens: all of it; dspy: titles as DSPy's list of examples."),
    ] = "dualens",
    out: Annotated[Path | None, typer.Option(help="The file; by default it is printed.")] = None,
) -> None:
    """Write a set as JSON, to keep, to send or to load elsewhere."""
    with opened() as store:
        info = datasets.get(store, dataset)
        kept = sets.get(store, info.id, name)
        if form == DSPY:
            written, notes = files.write_dspy(store, info, kept)
        else:
            written, notes = files.write(store, info, kept), []
    if out is None:
        output.as_json(written)
    else:
        write(out, json_.dumps(written, ensure_ascii=False, indent=2, allow_nan=False) + "\n")
    for note in notes:
        output.aside(note)


def _row(kept: NamedSet) -> dict[str, Any]:
    return {
        "set": kept.name,
        "user": kept.user_id,
        "demonstrations": len(kept.members),
        "locked": sum(member.locked for member in kept.members),
        "digest": kept.digest,
        "changed": _date(kept.changed_at),
        "note": kept.note,
    }


def _view(store: Store, info: DatasetInfo, kept: NamedSet) -> dict[str, Any]:
    """All that is known of a set; of its runs those of this version, and sums over all versions."""
    titles = _titles(store, info, [member.id for member in kept.members])
    used = sets.uses(store, kept)
    return {
        **_row(kept),
        "dataset": info.name,
        "members": [{**asdict(member), "titles": titles[member.id]} for member in kept.members],
        "versions": [
            {"digest": one.digest, "saved": _date(one.saved_at), "demonstrations": one.size}
            for one in sets.versions(store, kept)
        ],
        "gains": [asdict(gain) for gain in sets.gains([use for use in used if use.digest == kept.digest])],
        "gains_all_versions": [asdict(gain) for gain in sets.gains(used)],
        "runs": [use.run for use in used if use.digest == kept.digest],
    }


def _print(view: dict[str, Any]) -> None:
    whose = "shared by all users" if view["user"] is None else f"for user {view['user']}"
    output.line(f"{view['set']}@{view['digest']}: {whose} of {view['dataset']}, {view['changed']}")
    if view["note"]:
        output.line(view["note"])
    rows = [
        [number, _line(one["titles"]), one["weight"], "locked" if one["locked"] else "", one["id"]]
        for number, one in enumerate(view["members"], 1)
    ]
    output.table(rows, "", "demonstration", "weight", "", "id")
    if len(view["versions"]) > 1:
        output.table([list(one.values()) for one in view["versions"]], "version", "saved", "demonstrations")
    if not view["gains"]:
        output.line("No stored run used this version. `rank --demos set:NAME` makes one.")
        return
    output.line("Mean gain over the list without demonstrations, of the stored runs with this version:")
    rows = [list(gain.values()) for gain in view["gains"]]
    output.table(rows, "model", "runs", "users", "margin (nats)", "NDCG@10")


def _differences(found: sets.Difference, names: dict[str, list[str]], one: str, other: str) -> Iterable[str]:
    """What differs, a line each."""
    yield from (f"only in {one}: {_line(names[name])}" for name in found.only_one)
    yield from (f"only in {other}: {_line(names[name])}" for name in found.only_other)
    yield from (f"place {before} -> {now}: {_line(names[name])}" for name, before, now in found.moved)
    yield from (f"weight {before:g} -> {now:g}: {_line(names[name])}" for name, before, now in found.weighted)
    yield from (f"locked in one of them alone: {_line(names[name])}" for name in found.locked)
    if found.same_numbers:
        yield "A model is shown the same."


def _titles(store: Store, info: DatasetInfo, ids: Sequence[str]) -> dict[str, list[str]]:
    stored = demonstrations.get_many(store, ids, info.id)
    known = demonstrations.titles(store, stored.values())
    return {name: [title for _, title in known[name]] if name in known else [name] for name in ids}


def _line(titles: Sequence[str]) -> str:
    return " / ".join(titles[:-1][-2:]) + f" -> {titles[-1]}" if len(titles) > 1 else titles[0]


def _locked(members: Sequence[Member], numbers: str | None) -> list[Member]:
    """The members, those of these numbers locked. Raises BadInput."""
    if numbers is None:
        return list(members)
    known = {str(number) for number in range(1, len(members) + 1)}
    wanted = {part.strip() for part in numbers.split(",")}
    if not wanted <= known:
        raise BadInput(f"--lock takes numbers from 1 to {len(members)}, such as 1,3, not {numbers!r}.")
    return [changed(member, locked=str(number) in wanted) for number, member in enumerate(members, 1)]


def _said(kept: NamedSet, sentence: str, json: bool, notes: Sequence[str] = ()) -> None:
    if json:
        output.as_json({**_row(kept), "reference": kept.reference, "notes": list(notes)})
        return
    output.line(sentence)
    output.notes(notes)


def _date(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadInput(f"{path} is not UTF-8 text. Nothing was changed.") from error
    except (OSError, ValueError) as error:  # a NUL in the path
        why = getattr(error, "strerror", None) or error
        raise BadInput(f"{quoted(str(path))} cannot be read: {why}. Nothing was changed.") from error
