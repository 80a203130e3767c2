"""RecBole's files (arXiv 2011.01731): atomic `.inter` / `.item` and the sequential form with a list per row.

Boundary: typed, tab-separated headers such as `user_id:token`; quotes are plain characters. A `token_seq`
column is a history where it holds item ids; others (tags, words) are attributes. In the sequential form a row
is a user with the history, oldest first, and the target; the order is given, there are no timestamps.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from db.errors import DataError
from engine.data.assemble import assemble
from engine.data.files import Broken, Folder, Member
from engine.data.histories import elements
from engine.data.item_tables import catalogues_of
from engine.data.mapping import FIELDS
from engine.data.parts import part_of
from engine.data.plan import CorrectedMapping, Mismatch, Plan
from engine.data.profile import Profile, look
from engine.data.recognition import Recognition, recognize
from engine.data.tables.text_table import TextTable
from engine.data.text import text_head
from engine.data.values import id_text

TYPED = re.compile(r"^[^\s:]+:(token|token_seq|float|float_seq)$")


@dataclass(frozen=True)
class Files:
    """One data set's interaction files, in the order train, valid, test, and the item files beside them."""

    parts: tuple[TextTable, ...]
    items: tuple[TextTable, ...]


def _table(member: Member) -> TextTable:
    """The member as a table; raises Mismatch unless line 1 is a typed header."""
    try:
        header = text_head(member)[0]
    except Broken as error:
        raise Mismatch(f"{member.name}, line 1: {error}") from None
    columns = tuple(header.split("\t"))
    if not all(TYPED.match(column) for column in columns):
        raise Mismatch(f"{member.name}, line 1: expected a header like 'user_id:token'")
    return TextTable(member, "\t", columns, 1, False)


def _look(folder: Folder) -> Files:
    """The one data set in the folder; raises Mismatch."""
    chosen = [m for m in folder.candidates() if m.base.endswith(".inter")]
    if not chosen:
        raise Mismatch("RecBole keeps interactions in a .inter file, which is not there")
    names = {m.name: part_of(m.stem) for m in chosen}
    stems = sorted({name for name, _ in names.values()})
    if len(stems) > 1:
        raise DataError(f"{folder.name}: holds several data sets ({', '.join(stems)}). Give one .inter file.")
    whole = [m for m in chosen if names[m.name][1] == (-1, *names[m.name][1][1:])]
    members = whole[:1] or sorted(chosen, key=lambda m: names[m.name][1])
    parts = tuple(_table(member) for member in members)
    if any(set(table.columns) != set(parts[0].columns) for table in parts):
        other = next(table for table in parts if set(table.columns) != set(parts[0].columns))
        raise Mismatch(
            f"{other.member.name}, line 1: its columns differ from those of {parts[0].member.name}"
        )
    items = [m for m in folder.members if m.base.endswith(".item")]
    same = [m for m in items if m.stem == stems[0]]
    return Files(parts, tuple(_table(member) for member in same or items))


def _find(sequential: bool, folder: Folder, mapping: CorrectedMapping | None) -> Plan:
    files = _look(folder)
    beside = [look(table) for table in files.items]
    profile = look(files.parts[-1])
    catalogues = catalogues_of(beside)
    given = {f: c for f, c in (mapping or {}).items() if not c or c in profile.columns}
    found = recognize(profile, FIELDS, given, catalogues)
    if bool(found.guess["history"]) != sequential:
        form = "one interaction per row" if sequential else "an item list per row"
        raise Mismatch(f"{files.parts[0].member.name}, line 1: its columns say {form}")
    if not found.guess["user"] or not (found.guess["item"] or found.guess["history"]):
        seen = ", ".join(profile.columns)
        raise Mismatch(f"{files.parts[0].member.name}, line 1: no user and item column among {seen}")
    tables: tuple[TextTable, ...] = files.parts
    notes: tuple[str, ...] = ()
    if len(tables) > 1:
        tables, notes = _longest(files.parts, found) if sequential else _joined(files.parts)
    first = next(iter(tables))
    if first is not profile.table:
        profile = Profile(first, profile.columns, profile.rows, profile.whole)
    return assemble(tables, profile, beside, catalogues, mapping, notes=notes)


def _joined(tables: Sequence[TextTable]) -> tuple[tuple[TextTable, ...], tuple[str, ...]]:
    names = ", ".join(table.member.name for table in tables)
    return tuple(tables), (f"The parts {names} were joined in this order.",)


def _longest(
    tables: Sequence[TextTable], found: Recognition
) -> tuple[tuple[TextTable, ...], tuple[str, ...]]:
    """One part alone where it repeats what the others hold (histories with an item more), else all."""
    first_rows = [_sequences(table, found) for table in tables]
    best = max(range(len(tables)), key=lambda k: (_mean_length(first_rows[k]), k))
    for k, rows in enumerate(first_rows):
        both = [user for user in rows if user in first_rows[best]]
        held = all(_within(rows[user], first_rows[best][user]) for user in both)
        if k != best and not (both and held):
            return _joined(tables)
    others = ", ".join(table.member.name for k, table in enumerate(tables) if k != best)
    return (tables[best],), (
        f"{tables[best].member.name} holds the longest sequences (history and target), so it alone was read; "
        f"{others} repeats shorter ones.",
    )


def _sequences(table: TextTable, found: Recognition) -> dict[str, list[str]]:
    """The first rows: user -> history and target, the longest of each user."""
    fields = [f for f in ("user", "history", "item") if found.guess[f]]
    places = [table.columns.index(str(found.guess[f])) for f in fields]
    longest: dict[str, list[str]] = {}
    for row in table.sample():
        if len(row) <= max(places):
            continue
        items = elements(row[places[1]]) + [id_text(row[p]) for p in places[2:] if row[p]]
        if len(items) > len(longest.get(row[places[0]], ())):
            longest[row[places[0]]] = items
    return longest


def _mean_length(rows: dict[str, list[str]]) -> float:
    return sum(map(len, rows.values())) / max(1, len(rows))


def _within(short: list[str], long: list[str]) -> bool:
    return any(long[k : k + len(short)] == short for k in range(len(long) - len(short) + 1))


FORMATS = {
    "recbole-sequential": lambda folder, mapping: _find(True, folder, mapping),
    "recbole": lambda folder, mapping: _find(False, folder, mapping),
}
