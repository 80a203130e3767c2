"""Rows under headings: `123:` on a line of its own, then the rows that belong to 123, as Netflix wrote them.

Boundary: gives the heading as the first column of each row. Streams.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.data.files import Broken, Member
from engine.data.report import Report
from engine.data.tables.table import SAMPLE_ROWS, Batch
from engine.data.text import Bad, Tick, blocks, text_head

NETFLIX = ("item_id", "user_id", "rating", "date")
"""What the columns of the Netflix Prize hold, which names nothing; an item is the heading there."""

SHARE = 0.9  # of the first rows must be such rows
_HEADING = re.compile(r"^\s*([^\s:,;|]{1,40}):\s*$")
_RATED = re.compile(r"^\s*\d+,[1-5],\d{4}-\d\d-\d\d\s*$")


@dataclass(frozen=True)
class SectionTable:
    """Rows of a delimited text under headings; the heading is the first column."""

    member: Member
    columns: tuple[str, ...] = NETFLIX
    delimiter: str = ","

    def sample(self) -> list[list[Any]]:
        """The first rows under their headings."""
        heading, rows = "", []
        for line in text_head(self.member):
            if found := _HEADING.match(line):
                heading = found[1]
            elif len(row := [heading, *line.split(self.delimiter)]) == len(self.columns):
                rows.append(row)
            if len(rows) == SAMPLE_ROWS:
                break
        return rows

    def read(self, wanted: Sequence[str], report: Report, tick: Tick, bad: Bad) -> Iterator[Batch]:
        """Batches of (line numbers, columns); lines that are neither heading nor row go to `bad`."""
        heading, places = "", [self.columns.index(name) for name in wanted]
        for block in blocks(self.member, report, tick, bad):
            numbers: list[int] = []
            rows: list[list[str]] = []
            for line, text in enumerate(block.lines(), block.first):
                if found := _HEADING.match(text):
                    heading = found[1]
                elif text.strip():
                    row = [heading, *text.split(self.delimiter)]
                    if len(row) == len(self.columns) and heading:
                        numbers.append(line)
                        rows.append(row)
                    else:
                        bad("row not readable", self.member.name, line, text[:60])
            if rows:
                columns = list(zip(*rows, strict=True))
                yield np.array(numbers, np.int64), [columns[place] for place in places]


def section_table(member: Member, lines: Sequence[str]) -> SectionTable | None:
    """The table in lines of which the first is a heading, None for other lines.

    Raises Broken for rows that are not those of Netflix: which of heading and row is the user nobody says.
    """
    if not lines or not _HEADING.match(lines[0]):
        return None
    rows = [line for line in lines if not _HEADING.match(line)]
    if len(rows) == len(lines) or sum(bool(_RATED.match(row)) for row in rows) < SHARE * len(rows):
        raise Broken(
            f"its rows stand under headings such as {lines[0].strip()[:40]!r}; write the heading into each "
            "row as a column of its own"
        )
    return SectionTable(member)
