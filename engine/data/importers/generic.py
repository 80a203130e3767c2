"""Any table of interactions (CSV, TSV, Parquet, JSON lines); its column mapping is guessed and correctable.

Boundary: picks the interaction table and the item table of a folder; values are read by `tables`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from db.errors import BadInput
from engine.data.column_names import words
from engine.data.columns import Builder, ItemTable
from engine.data.files import Broken, Folder, Member
from engine.data.mapping import (
    ITEM_FIELDS,
    Guess,
    correct,
    guess_interactions,
    guess_items,
)
from engine.data.plan import CorrectedMapping, Mismatch, Plan, read_interactions, read_items
from engine.data.tables.open_table import open_table
from engine.data.tables.table import Table
from engine.data.text import Tick

ENDINGS = (".csv", ".tsv", ".txt", ".parquet", ".pq", ".jsonl", ".ndjson", ".json", ".dat", ".data", ".inter")
INTERACTION_NAMES = words(
    "interactions ratings reviews events transactions purchases orders clicks history train"
)
ITEM_NAMES = words(
    "items item movies products meta metadata books catalog catalogue articles titles games songs"
)


def _find(folder: Folder, mapping: CorrectedMapping | None) -> Plan:
    table, guess, notes = _interaction_table(folder, mapping)
    columns = table.columns
    guess = correct(guess, mapping, columns, table.member.name)
    unsure = tuple(field for field in ("user", "item") if not guess[field])
    notes += [f"No column is chosen for the {field}; pick one." for field in unsure]
    items, item_guess, more = _item_table(folder, table, guess, mapping)
    readers: list[Callable] = []
    if items and item_guess:
        item_mapping = {field.removeprefix("items_"): column for field, column in item_guess.items()}
        readers.append(lambda rows, _, tick: read_items(items, item_mapping, rows, tick, extras=True))
    if guess["title"] and guess["item"]:
        readers.append(lambda rows, _, tick: _titles_of_interactions(table, guess, rows, tick))

    def read_all(rows: ItemTable, wanted: Callable[[str], bool], tick: Tick) -> None:
        for reader in readers:
            reader(rows, wanted, tick)

    def read(builder: Builder, tick: Tick) -> None:
        read_interactions(table, guess, builder, tick)

    shown = guess | {"items_file": items.member.name if items else None} | (item_guess or {})
    return Plan(
        (table.member,),
        items.member if items else None,
        shown,
        columns,
        table.sample,
        read,
        read_all if readers else None,
        notes=tuple(notes + more),
        unsure=unsure,
        item_columns=items.columns if items else (),
    )


Candidate = tuple[Table, Guess, list[str]]


def _interaction_table(folder: Folder, mapping: CorrectedMapping | None) -> Candidate:
    """The best interaction table of the folder; raises Mismatch with the reason when there is none."""
    reasons: list[str] = []
    tables: list[tuple[float, Candidate]] = []
    for member in folder.candidates():
        if not folder.only and not member.base.endswith(ENDINGS):
            continue
        try:
            table = open_table(member)
            rows = table.sample()
        except Broken as error:
            reasons.append(f"{member.name}, line 1: {error}")
            continue
        guess, notes = guess_interactions(table.columns, rows, mapping)
        if not mapping and _is_hopeless(table, guess):
            reasons.append(_not_interactions(table))
            continue
        tables.append((_score(member, guess), (table, guess, notes)))
    if not tables:
        raise Mismatch("; ".join(reasons[:3]) or "no CSV, TSV, Parquet or JSON-lines file is there")
    tables.sort(key=lambda entry: (-entry[0], -entry[1][0].member.size))
    score, best = tables[0]
    others = [table.member.name for _, (table, *_) in tables[1:] if not _is_item_name(table.member)]
    if others:
        best[2].append(
            f"{best[0].member.name} was read; other tables beside it were not: {', '.join(others[:5])}."
        )
    if score < 0 and not folder.only:
        raise Mismatch(f"{best[0].member.name}, line 1: its columns name no users and items")
    return best


def _is_hopeless(table: Table, guess: Guess) -> bool:
    """True when too few columns are free for a user and an item that no name tells."""
    free = len(table.columns) - sum(column is not None for column in guess.values())
    return free < sum(guess[field] is None for field in ("user", "item"))


def _not_interactions(table: Table) -> str:
    """Why a table is not taken, with the way out when it is the item file."""
    seen = ", ".join(table.columns)[:200]
    is_items = guess_items(table.columns, None) is not None
    hint = "; it looks like an item file: give the interactions or the folder" if is_items else ""
    return f"{table.member.name}, line 1: no user and item column among {seen}{hint}"


def _score(member: Member, guess: Guess) -> float:
    """How much a table looks like the interactions: by file name, and by columns known by name."""
    named = 2.0 * (member.stem in INTERACTION_NAMES) - 3.0 * _is_item_name(member)
    unsure = (guess["user"] is None) + (guess["item"] is None)
    return named + 1.0 - unsure + (guess["timestamp"] is not None) + 0.5 * (guess["rating"] is not None)


def _is_item_name(member: Member) -> bool:
    return member.stem in ITEM_NAMES or member.stem.startswith(("meta_", "items_", "item_"))


def _item_table(
    folder: Folder, table: Table, guess: Guess, mapping: CorrectedMapping | None
) -> tuple[Table | None, Guess | None, list[str]]:
    """The item file beside the interactions, its columns, and notes."""
    wanted = (mapping or {}).get("items_file")
    if wanted == "" or (mapping and "items_file" in mapping and wanted is None):
        return None, None, []
    if wanted:
        members: Sequence[Member] = [m for m in folder.members if wanted in (m.name, m.base)]
        if not members:
            raise BadInput(f"items_file: {wanted!r} does not lie beside {table.member.name}.")
    else:
        members = [m for m in folder.members if m is not table.member and _is_item_name(m)]
    for member in members:
        try:
            items = open_table(member)
        except Broken as error:
            if wanted:
                raise BadInput(f"items_file: {member.name}, line 1: {error}.") from None
            continue
        named = {f: c for f, c in (mapping or {}).items() if f in ITEM_FIELDS}
        start = guess_items(items.columns, guess["item"]) or dict.fromkeys(ITEM_FIELDS)
        columns = correct(start, named, items.columns, member.name)
        if columns["items_item"] and columns["items_title"]:
            return items, columns, []
        if wanted or named:
            raise BadInput(
                f"{member.name} needs items_item and items_title; its columns are {', '.join(items.columns)}."
            )
    if guess["title"]:
        return None, None, []
    return (
        None,
        None,
        ["No item file with titles was found beside the interactions; items are shown by their id."],
    )


def _titles_of_interactions(table: Table, guess: Guess, items: ItemTable, tick: Tick) -> None:
    """Titles that stand in the interaction rows themselves; the first row of an item is enough."""
    fields = [f for f in ("item", "title", "category", "brand") if guess.get(f)]
    quiet = type(items.report)()  # these rows were counted as interactions already
    for lines, columns in table.read([str(guess[f]) for f in fields], quiet, tick, lambda *_: None):
        for k, row in enumerate(zip(*columns, strict=True)):
            known = items.rows.get(row[0])
            if known is None or not known.title:
                values = dict(zip(fields, row, strict=True))
                items.add(
                    table.member.name,
                    int(lines[k]),
                    values["item"],
                    values["title"],
                    values.get("category"),
                    values.get("brand"),
                )


FORMATS = {"generic": _find}
