"""RecBole's files (arXiv 2011.01731): atomic `.inter` / `.item` and the sequential form with a list per row.

Boundary: typed, tab-separated headers such as `user_id:token`; quotes are plain characters. In the
sequential form a row is a user with the history, oldest first, and the target; the order is given, there are
no timestamps.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np

from db.errors import DataError
from engine.data.columns import Builder
from engine.data.files import Broken, Folder, Member
from engine.data.mapping import SEQUENCE_FIELD, by_names, correct, guess_items
from engine.data.plan import CorrectedMapping, Mismatch, Plan, read_interactions, read_items
from engine.data.report import Report
from engine.data.tables.text_table import TextTable
from engine.data.text import Tick, text_head

PARTS = ("train", "valid", "test")
TYPED = re.compile(r"^[^\s:]+:(token|token_seq|float|float_seq)$")


@dataclass(frozen=True)
class Files:
    """One data set's interaction files, in the order train, valid, test, and its item file."""

    stem: str
    parts: tuple[TextTable, ...]
    items: Member | None


def _table(member: Member) -> TextTable:
    """The member as a table; raises Mismatch unless line 1 is a typed header."""
    try:
        header = text_head(member)[0]
    except Broken as error:
        raise Mismatch(f"{member.name}, line 1: {error}") from None
    columns = tuple(header.split("\t"))
    if not all(TYPED.match(column) for column in columns):
        raise Mismatch(
            f"{member.name}, line 1: expected a header like 'user_id:token', found {header[:60]!r}"
        )
    return TextTable(member, "\t", columns, 1, False)


def _stem(member: Member) -> tuple[str, str]:
    """(data set, part): `Games.test.inter` -> ("games", "test"), `Games.inter` -> ("games", "")."""
    name = PurePosixPath(member.stem)
    part = name.suffix.lstrip(".")
    return (name.stem, part) if part in PARTS else (str(name), "")


def _look(folder: Folder, sequential: bool) -> Files:
    """The one data set of this form in the folder; raises Mismatch."""
    chosen = [m for m in folder.candidates() if m.base.endswith(".inter")]
    if not chosen:
        raise Mismatch("RecBole keeps interactions in a .inter file, which is not there")
    stems = sorted({_stem(m)[0] for m in chosen})
    if len(stems) > 1:
        raise DataError(f"{folder.name}: holds several data sets ({', '.join(stems)}). Give one .inter file.")
    stem = stems[0]
    by_part = {_stem(m)[1]: m for m in chosen}
    members = [by_part[""]] if "" in by_part else [by_part[part] for part in PARTS if part in by_part]
    tables = tuple(_table(member) for member in members)
    if any(_is_sequential(table) != sequential for table in tables):
        form = "one interaction per row" if sequential else "an item list per row"
        raise Mismatch(f"{members[0].name}, line 1: the header says {form}")
    items = [m for m in folder.members if m.base.endswith(".item")]
    same = [m for m in items if m.stem == stem]
    return Files(stem, tables, same[0] if same else items[0] if len(items) == 1 else None)


def _is_sequential(table: TextTable) -> bool:
    return any(column.endswith(":token_seq") for column in table.columns)


def _items(files: Files, item_column: str) -> tuple[Callable | None, tuple[str, ...]]:
    """Reader of the item file and notes."""
    if files.items is None:
        return None, ("No .item file lies beside the interactions, so items are shown by their id.",)
    table = _table(files.items)
    guess = guess_items(table.columns, item_column)
    if guess is None:
        return None, (f"{files.items.name} has no item and title column, so items are shown by their id.",)
    mapping = {field.removeprefix("items_"): column for field, column in guess.items()}
    return lambda items, _, tick: read_items(table, mapping, items, tick, extras=True), ()


def _find_atomic(folder: Folder, mapping: CorrectedMapping | None) -> Plan:
    files = _look(folder, sequential=False)
    first = files.parts[0]
    if any(table.columns != first.columns for table in files.parts):
        raise Mismatch(
            f"{files.parts[-1].member.name}, line 1: its columns differ from those of {first.member.name}"
        )
    guess = correct(
        by_names(first.columns, ("user", "item", "timestamp", "rating")),
        mapping,
        first.columns,
        first.member.name,
    )
    if not guess["user"] or not guess["item"]:
        raise Mismatch(
            f"{first.member.name}, line 1: no user or item column among {', '.join(first.columns)}"
        )
    item_reader, notes = _items(files, guess["item"])
    if len(files.parts) > 1:
        names = ", ".join(table.member.name for table in files.parts)
        notes += (f"The parts {names} were joined in this order.",)

    def read(builder: Builder, tick: Tick) -> None:
        for table in files.parts:
            read_interactions(table, guess, builder, tick)

    return Plan(
        tuple(table.member for table in files.parts),
        files.items if item_reader else None,
        guess,
        first.columns,
        first.sample,
        read,
        item_reader,
        notes=notes,
    )


def _find_sequential(folder: Folder, mapping: CorrectedMapping | None) -> Plan:
    files = _look(folder, sequential=True)
    table, notes = _longest(files.parts)
    sequence = next(c for c in table.columns if c.endswith(":token_seq"))
    names = by_names([c for c in table.columns if c.endswith(":token")], ("user", "item"))
    if not names["user"]:
        raise Mismatch(f"{table.member.name}, line 1: no user column among {', '.join(table.columns)}")
    guess = correct(names | {SEQUENCE_FIELD: sequence}, mapping, table.columns, table.member.name)
    if not guess["user"] or not guess[SEQUENCE_FIELD]:
        raise Mismatch(f"{table.member.name}, line 1: the mapping leaves no user or no list of items")
    item_reader, more = _items(files, names["item"] or re.sub("_list:token_seq$", ":token", sequence))
    return Plan(
        (table.member,),
        files.items if item_reader else None,
        guess,
        table.columns,
        table.sample,
        lambda builder, tick: _read_sequences(table, guess, builder, tick),
        item_reader,
        notes=notes + more,
    )


def _longest(tables: tuple[TextTable, ...]) -> tuple[TextTable, tuple[str, ...]]:
    """Split files repeat the same users with one item more each; the longest sequences hold them all."""
    if len(tables) == 1:
        return tables[0], ()

    def mean_length(table: TextTable) -> float:
        rows = table.sample()
        return sum(cell.count(" ") for row in rows for cell in row) / max(len(rows), 1)

    best = max(reversed(tables), key=mean_length)  # the later part wins a draw
    others = ", ".join(table.member.name for table in tables if table is not best)
    return best, (
        f"{best.member.name} holds the longest sequences (history and target), so it alone was read; "
        f"{others} repeats shorter ones.",
    )


def _read_sequences(table: TextTable, mapping: dict[str, str | None], builder: Builder, tick: Tick) -> None:
    """History and target of each row, joined; a user listed again keeps the longest row."""
    report = builder.report
    wanted = [str(mapping[f]) for f in ("user", SEQUENCE_FIELD, "item") if mapping[f]]
    longest: dict[str, tuple[int, int]] = {}  # user -> (length, line) of the row to take
    for lines, columns in table.read(wanted[:2], Report(), lambda *_: None, lambda *_: None):
        for line, user, history in zip(lines, columns[0], columns[1], strict=True):
            length = history.count(" ")
            if user not in longest or length > longest[user][0]:
                longest[user] = (length, int(line))
    for lines, columns in table.read(wanted, report, tick, report.unreadable):
        users: list[str] = []
        items: list[str] = []
        places: list[int] = []
        targets = columns[2] if len(columns) > 2 else [""] * len(lines)
        for line, user, history, target in zip(lines, columns[0], columns[1], targets, strict=True):
            row = [*history.split(), *([target] if target else [])]
            if longest.get(user, (0, line))[1] != line:
                report.rows_read += len(row)
                report.drop(
                    "shorter sequence of a user", table.member.name, int(line), f"user {user}", len(row)
                )
                continue
            users += [user] * len(row)
            items += row
            places += [line] * len(row)
        builder.add(table.member.name, np.array(places, np.int32), users, items)


FORMATS = {"recbole-sequential": _find_sequential, "recbole": _find_atomic}
