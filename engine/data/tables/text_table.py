"""Delimited text (CSV, TSV, `::`), with or without quoting and a header. Streams.

Boundary: gives columns of raw text with their line numbers; what the columns mean is the formats' business.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.data.columns import Lines
from engine.data.files import Member
from engine.data.report import Report
from engine.data.tables.table import SAMPLE_ROWS, Batch, cut_off
from engine.data.text import Bad, Block, Tick, blocks, text_head

MAX_JOIN = 100  # lines that one quoted field may span


@dataclass(frozen=True)
class TextTable:
    """Delimited text. `skip` header lines; `quoting`: CSV quotes are quotes (else plain characters)."""

    member: Member
    delimiter: str
    columns: tuple[str, ...]
    skip: int = 1
    quoting: bool = True
    encoding: str | None = None

    def sample(self) -> list[list[str]]:
        lines = text_head(self.member, self.encoding)[self.skip : self.skip + SAMPLE_ROWS]
        if self.quoting:
            rows = _csv_rows(lines, self.delimiter) or [line.split(self.delimiter) for line in lines]
        else:
            rows = [line.split(self.delimiter) for line in lines]
        return [row for row in rows if any(row)]

    def read(self, wanted: Sequence[str], report: Report, tick: Tick, bad: Bad) -> Iterator[Batch]:
        positions = [self.columns.index(name) for name in wanted]
        held: Block | None = None
        for block in blocks(self.member, report, tick, bad, self.encoding, skip=self.skip):
            if held:
                block = Block(held.first, f"{held.text}\n{block.text}", block.ended)
            lines, columns, held = self._block(block, bad, final=not block.ended)
            if len(lines):
                yield lines, [columns[p] for p in positions]
        if held:
            lines, columns, _ = self._block(held, bad, final=True)
            if len(lines):
                yield lines, [columns[p] for p in positions]

    def _block(self, block: Block, bad: Bad, *, final: bool) -> tuple[Lines, Sequence[Any], Block | None]:
        """Line numbers, columns, and what is left for the next block (a quoted field still open)."""
        texts = block.lines()
        quoted = self.quoting and '"' in block.text
        rows = _csv_rows(texts, self.delimiter) if quoted else [t.split(self.delimiter) for t in texts]
        if rows is not None and len(rows) == len(texts):
            try:
                columns = list(zip(*rows, strict=True))
            except ValueError:
                columns = []
            if len(columns) == len(self.columns):
                return range(block.first, block.first + len(rows)), columns, None
        return self._row_by_row(block, texts, quoted, bad, final)

    def _row_by_row(
        self, block: Block, texts: list[str], quoted: bool, bad: Bad, final: bool
    ) -> tuple[Lines, Sequence[Any], Block | None]:
        width, name = len(self.columns), self.member.name
        numbers: list[int] = []
        rows: list[list[str]] = []
        at = 0
        while at < len(texts):
            text, line = texts[at], block.first + at
            row, used = (
                _csv_record(texts, at, self.delimiter, width) if quoted else (text.split(self.delimiter), 1)
            )
            if row is None and not final and len(texts) - at < MAX_JOIN:
                return (
                    np.array(numbers, np.int64),
                    list(zip(*rows, strict=True)),
                    Block(line, "\n".join(texts[at:]), block.ended),
                )
            row = _lenient(text, self.delimiter, width) if row is None else row
            while len(row) > width and not row[-1].strip():
                row.pop()
            at += used
            if not text.strip() and used == 1:
                continue
            if len(row) == width:
                numbers.append(line)
                rows.append(row)
                continue
            detail = f"expected {width} columns, found {len(row)}: {text[:60]!r}"
            if at == len(texts) and not block.ended:
                raise cut_off(self.member, line, detail)
            bad("row not readable", name, line, detail)
        return np.array(numbers, np.int64), list(zip(*rows, strict=True)), None


def _csv_rows(texts: list[str], delimiter: str) -> list[list[str]] | None:
    """All lines as CSV records, None when quoting goes wrong somewhere."""
    try:
        return list(csv.reader(texts, delimiter=delimiter, strict=True))
    except csv.Error:
        return None


def _csv_record(texts: list[str], at: int, delimiter: str, width: int) -> tuple[list[str] | None, int]:
    """The record that starts on line `at` and how many lines it takes; (None, 1) when a quote stays open."""
    for used in range(1, min(MAX_JOIN, len(texts) - at) + 1):
        part = [f"{text}\n" for text in texts[at : at + used]]
        try:
            rows = list(csv.reader(part, delimiter=delimiter, strict=True))
        except csv.Error as error:
            if "unexpected end" in str(error):
                continue
            return _lenient(texts[at], delimiter, width), 1
        if len(rows) == 1 and (len(rows[0]) == width or used == 1):
            return rows[0], used
        return _lenient(texts[at], delimiter, width), 1
    return None, 1


def _lenient(text: str, delimiter: str, width: int) -> list[str]:
    """One line with stray quotes: they are plain characters where that gives `width` columns."""
    try:
        row = next(csv.reader([text], delimiter=delimiter), [])
    except csv.Error:
        row = []
    return row if len(row) == width else text.split(delimiter)
