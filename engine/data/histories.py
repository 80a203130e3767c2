"""Cells that hold a list: a user's history, oldest first, spelled in any of the usual ways.

Boundary: lists -> single interactions for the builder; which column holds a history is decided elsewhere.
Several rows of one user are windows of one history: what they share counts once.
"""

from __future__ import annotations

import ast
import json
import re
from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from engine.data.columns import Builder, ItemTable
from engine.data.report import Report
from engine.data.tables.table import Table
from engine.data.text import Tick
from engine.data.values import id_text

PADDING = ("0", "-1", "pad", "[pad]", "<pad>", "none", "nan", "null")
"""What lists are filled up with; only where it stands in a row at an end of lists and nowhere else."""

BATCH = 1 << 16
MAX_SEARCHED = 2000  # items of a user in which a repeated row is looked for; windows are found in any case
_NUMPY = re.compile(r"^\[[^\[\],'\"]+\]$")
_SPLIT = re.compile(r"[\s,;|]+")


def listed(cell: Any) -> list[Any] | None:
    """The elements of a cell that is a list or spells one (JSON, Python, NumPy), else None."""
    if isinstance(cell, list | tuple):
        return list(cell)
    if type(cell) is not str or len(cell) < 2 or cell[0] + cell[-1] not in ("[]", "()"):
        return None
    if _NUMPY.match(cell):
        return cell[1:-1].split()
    for read in (json.loads, ast.literal_eval):
        with suppress(ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            value = read(cell)
            return list(value) if isinstance(value, list | tuple) else None
    return None


def elements(cell: Any) -> list[str]:
    """The ids in a cell: the elements of a list, or what white space, commas or bars keep apart."""
    items = listed(cell)
    if items is not None:
        return [id_text(item) for item in items if not isinstance(item, dict | list | tuple)]
    return [part for part in _SPLIT.split("" if cell is None else str(cell)) if part]


def padding_of(lists: Iterable[Sequence[str]], targets: Iterable[str]) -> str | None:
    """The id that lists are filled up with, or None: it stands in a row at an end and never elsewhere."""
    runs: Counter[str] = Counter()
    inside: set[str] = set(targets)
    for items in lists:
        left, right = _run(items), _run(items[::-1])
        for value, length in (left, right):
            if value is not None:
                runs[value] = max(runs[value], length)
        inside.update(items[left[1] : len(items) - right[1]])
    for value, length in runs.most_common():
        if length >= 2 and value not in inside:
            return value
    return None


def _run(items: Sequence[str]) -> tuple[str | None, int]:
    """The padding that `items` begin with, and how often."""
    if not items or items[0].lower() not in PADDING:
        return None, 0
    length = next((k for k, item in enumerate(items) if item != items[0]), len(items))
    return items[0], length


@dataclass
class History:
    """What is known of a user, oldest first, and the place (file, line) of each item."""

    items: list[str] = field(default_factory=list)
    files: array = field(default_factory=lambda: array("i"))
    lines: array = field(default_factory=lambda: array("q"))

    def merge(self, items: list[str], file: int, line: int) -> int:
        """Join another window of the same history; returns how many of its items were known already."""
        known = self.items
        if len(items) > len(known) and _find(known, items)[0] is not None:  # it holds all that is known
            shared, self.items = len(known), items
            self.files, self.lines = array("i", [file]) * len(items), array("q", [line]) * len(items)
            return shared
        at, shared = _find(items, known[-len(items) :])
        if at is None and not shared and len(known) < MAX_SEARCHED:
            at, _ = _find(items, known)
        if at is not None:
            return len(items)
        self.items += items[shared:]
        self.files.extend([file] * (len(items) - shared))
        self.lines.extend([line] * (len(items) - shared))
        return shared


def _find(wanted: list[str], text: list[str]) -> tuple[int | None, int]:
    """Where `wanted` stands in `text` in one piece (else None), and how much of its start ends `text`.

    Linear time (Knuth, Morris, Pratt).
    """
    if not wanted:
        return 0, 0
    borders, length = [0], 0
    for item in wanted[1:]:
        while length and item != wanted[length]:
            length = borders[length - 1]
        length += item == wanted[length]
        borders.append(length)
    length = 0
    for at, item in enumerate(text):
        while length and item != wanted[length]:
            length = borders[length - 1]
        length += item == wanted[length]
        if length == len(wanted):
            return at + 1 - length, length
    return None, length


def read_histories(
    tables: Sequence[Table], mapping: Mapping[str, str | None], builder: Builder, tick: Tick
) -> None:
    """Feed user, history and target of all tables into the builder, each interaction of a user once.

    Padding and what another row of the user holds too are counted as dropped. The order is given; there are
    no times.
    """
    report = builder.report
    wanted = [str(mapping[f]) for f in ("user", "history", "item") if mapping.get(f)]
    padding = _padding(tables, wanted)
    users: dict[str, History] = {}
    same: dict[str, str] = {}  # one string per id, however often it is named
    for number, table in enumerate(tables):
        for lines, columns in table.read(wanted, report, tick, report.unreadable):
            targets = columns[2] if len(columns) > 2 else [""] * len(lines)
            for line, name, cell, target in zip(lines, columns[0], columns[1], targets, strict=True):
                row = elements(cell)
                last = id_text(target)
                items = [same.setdefault(i, i) for i in row if i != padding]
                if len(items) < len(row):
                    said = f"{padding} in the list of user {name}"
                    _drop(builder, "padding in a list", table, int(line), said, len(row) - len(items))
                if last:
                    items.append(same.setdefault(last, last))
                user = id_text(name)
                if not user or not items:
                    reason = "user id missing" if not user else "list without items"
                    _drop(builder, reason, table, int(line), f"{name!r:.40}", max(1, len(items)))
                    continue
                history = users.setdefault(user, History())
                if known := history.merge(items, number, int(line)):
                    said = f"user {user}"
                    _drop(builder, "known from another row of the user", table, int(line), said, known)
    _add(builder, users, [table.member.name for table in tables])


def _drop(builder: Builder, reason: str, table: Table, line: int, detail: str, count: int) -> None:
    builder.report.rows_read += count
    builder.report.drop(reason, table.member.name, line, detail, count)


def _padding(tables: Sequence[Table], wanted: list[str]) -> str | None:
    """The padding of the first rows of the first table."""
    positions = [tables[0].columns.index(name) for name in wanted]
    rows = [row for row in tables[0].sample() if len(row) > max(positions)]
    targets = [id_text(row[positions[2]]) for row in rows] if len(positions) > 2 else []
    return padding_of((elements(row[positions[1]]) for row in rows), targets)


def _add(builder: Builder, users: dict[str, History], files: list[str]) -> None:
    """Give the histories to the builder, a batch of rows of one file at a time."""
    names: list[str] = []
    items: list[str] = []
    lines = array("q")
    current = 0

    def flush() -> None:
        builder.add(files[current], np.array(lines, np.int64), names, items)
        names.clear()
        items.clear()
        del lines[:]

    for user, history in users.items():
        for item, file, line in zip(history.items, history.files, history.lines, strict=True):
            if file != current or len(items) >= BATCH:
                if items:
                    flush()
                current = file
            names.append(user)
            items.append(item)
            lines.append(line)
    if items:
        flush()


@dataclass(frozen=True)
class HistoryTitles:
    """Titles that stand in a list beside the list of ids, in the same order, and beside the target."""

    mapping: Mapping[str, str | None]

    def read(self, tables: Sequence[Table], rows: ItemTable, tick: Tick) -> None:
        """Give each item the first title it is called by."""
        fields = [f for f in ("history", "history_title", "item", "title") if self.mapping.get(f)]
        wanted = [str(self.mapping[f]) for f in fields]
        ignore = Report(label="table")  # these rows are counted as interactions
        for table in tables:
            for lines, columns in table.read(wanted, ignore, tick, lambda *_: None):
                of = dict(zip(fields, columns, strict=True))
                for k, line in enumerate(lines):
                    pairs = self._pairs({field: values[k] for field, values in of.items()})
                    for item, title in pairs:
                        known = rows.rows.get(item)
                        if item and title and (known is None or not known.title):
                            rows.add(table.member.name, int(line), item, title)

    @staticmethod
    def _pairs(row: Mapping[str, Any]) -> list[tuple[str, Any]]:
        ids, titles = elements(row["history"]), listed(row["history_title"]) or []
        pairs = list(zip(ids, titles, strict=True)) if len(ids) == len(titles) else []
        if "item" in row and "title" in row:
            pairs.append((id_text(row["item"]), row["title"]))
        return pairs
