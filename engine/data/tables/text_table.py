"""Delimited text (CSV, TSV, `::`), with or without quoting and a header. Streams.

Boundary: gives columns of raw text with their line numbers; what the columns mean is the formats' business.
Every line that is read is a row, a part of one, blank, or goes to `bad`; the reader checks that sum itself.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from db.errors import DataError
from engine.data.columns import Lines
from engine.data.files import Broken, Member
from engine.data.questions import Question
from engine.data.report import Report
from engine.data.tables.table import SAMPLE_ROWS, Batch, cut_off
from engine.data.text import Bad, Block, Tick, blocks, text_head
from engine.data.values import is_date, is_number

MAX_JOIN = 100  # lines that one quoted field may span
MAX_JOINED = 1 << 20  # characters of them
KIND_SHARE = 0.9  # of a column's cells are numbers or dates in a column of such

_ESCAPED = re.compile(r'\\(["\\])')

csv.field_size_limit(8 << 20)  # characters; lines are at most half as long


@dataclass(frozen=True)
class TextTable:
    """Delimited text. `skip` lines before the first row; `quoting`: CSV quotes are quotes (else characters).

    `questions`: what the first lines leave open.
    """

    member: Member
    delimiter: str
    columns: tuple[str, ...]
    skip: int = 1
    quoting: bool = True
    encoding: str | None = None
    questions: tuple[Question, ...] = field(default=(), compare=False)

    def sample(self) -> list[list[str]]:
        """The first rows, whole; raises Broken when it is not such a table."""
        lines = text_head(self.member, self.encoding)[self.skip : self.skip + SAMPLE_ROWS]
        ignored = Report()
        reader = _Rows(self.delimiter, self.quoting, len(self.columns), (), self.member)
        _, columns, _ = reader.block(Block(self.skip + 1, "\n".join(lines)), ignored, lambda *_: None, True)
        return [row for row in map(list, zip(*columns, strict=True)) if any(row)]

    @cached_property
    def _kinds(self) -> tuple[int, ...]:
        """Positions of the columns that hold numbers or dates, as far as the first rows show."""
        try:
            columns = list(zip(*self.sample(), strict=True))
        except Broken:  # damaged since or further on than the names: reading says so
            return ()
        return tuple(
            place
            for place, cells in enumerate(columns)
            if (some := [c for c in cells if c.strip()])
            and sum(map(_is_measure, some)) >= KIND_SHARE * len(some)
        )

    def read(self, wanted: Sequence[str], report: Report, tick: Tick, bad: Bad) -> Iterator[Batch]:
        """Batches of (line numbers, one sequence per wanted column); bad rows go to `bad`."""
        positions = [self.columns.index(name) for name in wanted]
        kinds = self._kinds if self.quoting else ()
        rows = _Rows(self.delimiter, self.quoting, len(self.columns), kinds, self.member)
        held: Block | None = None
        for block in blocks(self.member, report, tick, bad, self.encoding, skip=self.skip):
            whole = Block(held.first, f"{held.text}\n{block.text}", block.ended) if held else block
            lines, columns, held = rows.block(whole, report, bad, not block.ended)
            if len(lines):
                yield lines, [columns[p] for p in positions]
        if held:
            lines, columns, _ = rows.block(held, report, bad, True)
            if len(lines):
                yield lines, [columns[p] for p in positions]


@dataclass
class _Rows:
    """Rows of blocks of lines. `kinds`: positions of columns that hold numbers or dates."""

    delimiter: str
    quoting: bool
    width: int
    kinds: tuple[int, ...]
    member: Member

    def block(
        self, block: Block, report: Report, bad: Bad, final: bool
    ) -> tuple[Lines, Sequence[Any], Block | None]:
        """Line numbers, columns, and what is left for the next block (a quoted field still open)."""
        texts = block.lines()
        quoted = self.quoting and '"' in block.text
        rows = _csv_rows(texts, self.delimiter) if quoted else [t.split(self.delimiter) for t in texts]
        if rows is not None and len(rows) == len(texts):
            try:
                columns = list(zip(*rows, strict=True))
            except ValueError:
                columns = []
            if len(columns) == self.width:
                return range(block.first, block.first + len(rows)), columns, None
        return self._row_by_row(block, texts, quoted, report, bad, final)

    def _row_by_row(
        self, block: Block, texts: list[str], quoted: bool, report: Report, bad: Bad, final: bool
    ) -> tuple[Lines, Sequence[Any], Block | None]:
        numbers: list[int] = []
        rows: list[list[str]] = []
        at = spoilt = blank = joined = 0
        held: Block | None = None
        while at < len(texts):
            text, line = texts[at], block.first + at
            row, used = self._record(texts, at, final) if quoted else (text.split(self.delimiter), 1)
            if row is None:
                held = Block(line, "\n".join(texts[at:]), block.ended)
                break
            if used == 1 and quoted and len(row) == self.width and _left_open(text, self.delimiter):
                report.repair("quote that does not close", self.member.name, line, text[:60])
            while len(row) > self.width and not row[-1].strip():
                row.pop()
            if len(row) > self.width and used == 1 and (whole := self._last_joined(text)):
                row = whole
                report.repair("separator inside the last column", self.member.name, line, row[-1][:60])
            at, joined = at + used, joined + used - 1
            if not text.strip() and used == 1:
                blank += 1
            elif len(row) == self.width:
                numbers.append(line)
                rows.append(row)
            else:
                detail = f"expected {self.width} columns, found {len(row)}: {text[:60]!r}"
                if at == len(texts) and not block.ended:
                    raise cut_off(self.member, line, detail)
                spoilt += 1
                bad("row not readable", self.member.name, line, detail)
        if len(rows) + spoilt + blank + joined != at:
            raise DataError(
                f"{self.member.name}, line {block.first}: the lines from here on do not add up. Nothing was "
                "imported; this is a fault of the importer, please report it."
            )
        return np.array(numbers, np.int64), list(zip(*rows, strict=True)), held

    def _last_joined(self, text: str) -> list[str] | None:
        """The row whose last column holds the separator, where that one alone is text; None for others."""
        if '"' in text or self.kinds != tuple(range(self.width - 1)):
            return None
        row = text.split(self.delimiter, self.width - 1)
        return row if all(map(_is_measure, row[:-1])) else None

    def _record(self, texts: list[str], at: int, final: bool) -> tuple[list[str] | None, int]:
        """The record that starts on line `at` and how many lines it takes; (None, 1): more is to come.

        A field that opens a quote ends before a line that is a whole row: that quote never closes.
        """
        lines = _Lines(texts, at, self)
        try:
            row = next(csv.reader(lines, delimiter=self.delimiter, strict=True), [])
        except csv.Error:
            if lines.ran_out and not final:
                return None, 1
        else:
            if lines.used == 1 and len(row) == self.width:
                return row, 1
            escaped = escaped_fields(texts[at], self.delimiter)
            if escaped and len(escaped) == self.width:
                return escaped, 1
            if len(row) == self.width or lines.used == 1:
                return row, lines.used
        return _lenient(texts[at], self.delimiter, self.width), 1

    def is_row(self, text: str) -> bool:
        """Whether a line is a whole row by itself, with numbers and dates where the others have them."""
        row = _lenient(text, self.delimiter, self.width)
        if len(row) != self.width:
            return False
        if self.kinds:
            return all(not row[place].strip() or _is_measure(row[place]) for place in self.kinds)
        return 0 < len(row[0]) <= 40 and " " not in row[0]


class _Lines:
    """The lines of one record for the csv reader: stops before a line that is a row, and at the limits."""

    def __init__(self, texts: list[str], at: int, rows: _Rows) -> None:
        self._texts, self._at, self._rows = texts, at, rows
        self._size = 0
        self.used = 0
        self.ran_out = False  # the block ended before the record

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        place = self._at + self.used
        if self.used >= MAX_JOIN or self._size > MAX_JOINED:
            raise StopIteration
        if place >= len(self._texts):
            self.ran_out = True
            raise StopIteration
        text = self._texts[place]
        if self.used and self._rows.is_row(text):
            raise StopIteration
        self._size += len(text)
        self.used += 1
        return f"{text}\n"


def _is_measure(cell: str) -> bool:
    return is_number(cell) or is_date(cell)


def _csv_rows(texts: list[str], delimiter: str) -> list[list[str]] | None:
    """All lines as CSV records, None when quoting goes wrong somewhere."""
    try:
        return list(csv.reader(texts, delimiter=delimiter, strict=True))
    except csv.Error:
        return None


def _left_open(text: str, delimiter: str) -> bool:
    """Whether a field of the line opens a quote that the line does not close."""
    if '"' not in text or escaped_fields(text, delimiter):
        return False
    try:
        list(csv.reader([text], delimiter=delimiter, strict=True))
    except csv.Error as error:
        return "unexpected end" in str(error)
    return False


def escaped_fields(text: str, delimiter: str) -> list[str] | None:
    r"""The fields of a line that writes quotes inside quotes as `\"`, as MySQL does; None for others."""
    if '\\"' not in text:
        return None
    try:
        return next(csv.reader([_ESCAPED.sub(_doubled, text)], delimiter=delimiter, strict=True), None)
    except csv.Error:
        return None


def _doubled(found: re.Match[str]) -> str:
    return '""' if found[1] == '"' else found[1]


def _lenient(text: str, delimiter: str, width: int) -> list[str]:
    """One line with stray quotes: they are plain characters where that gives `width` columns."""
    row = escaped_fields(text, delimiter)
    if row and len(row) == width:
        return row
    try:
        row = next(csv.reader([text], delimiter=delimiter), [])
    except csv.Error:
        row = []
    return row if len(row) == width else text.split(delimiter)
