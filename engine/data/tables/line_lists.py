"""Lines that name a user and then the user's items in order, as LightGCN, P5 and S3-Rec write them. Streams.

Boundary: gives the user and a list of items per line; `engine.data.histories` makes interactions of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.data.files import Member
from engine.data.report import Report
from engine.data.tables.table import SAMPLE_ROWS, Batch
from engine.data.text import Bad, Tick, blocks, text_head

USER, ITEMS = "user_id", "item_id_list"


@dataclass(frozen=True)
class LineListTable:
    """A user and a list of items per line; `skip`: lines before the first."""

    member: Member
    delimiter: str
    skip: int = 0

    @property
    def columns(self) -> tuple[str, ...]:
        """What the lines hold, in words, since the file names nothing."""
        return (USER, ITEMS)

    def sample(self) -> list[list[Any]]:
        """The first lines as user and list."""
        lines = [line for line in text_head(self.member)[self.skip :] if line.strip()]
        return [list(self._row(line)) for line in lines[:SAMPLE_ROWS]]

    def _row(self, line: str) -> tuple[str, list[str]]:
        user, *items = line.strip().split(self.delimiter)
        return user, [item for item in items if item]

    def read(self, wanted: Sequence[str], report: Report, tick: Tick, bad: Bad) -> Iterator[Batch]:
        """Batches of (line numbers, columns); lines without items go to `bad`."""
        for block in blocks(self.member, report, tick, bad, skip=self.skip):
            numbers: list[int] = []
            rows: list[tuple[str, list[str]]] = []
            for line, text in enumerate(block.lines(), block.first):
                if not text.strip():
                    continue
                row = self._row(text)
                if row[1]:
                    numbers.append(line)
                    rows.append(row)
                else:
                    bad("list without items", self.member.name, line, text[:60])
            if rows:
                columns = dict(zip(self.columns, zip(*rows, strict=True), strict=True))
                yield np.array(numbers, np.int64), [columns[name] for name in wanted]
