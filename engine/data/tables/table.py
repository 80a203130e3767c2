"""What a table is to its readers: named columns and batches of raw values with their line numbers.

Boundary: the interface of delimited text, JSON lines and Parquet; opens nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from db.errors import DataError
from engine.data.columns import Lines
from engine.data.files import Member
from engine.data.report import Report
from engine.data.text import Bad, Tick

SAMPLE_ROWS = 200

Batch = tuple[Lines, Sequence[Sequence[Any]]]


class Table(Protocol):
    """A member read as records. `columns` are its column names in file order."""

    @property
    def member(self) -> Member: ...

    @property
    def columns(self) -> tuple[str, ...]: ...

    def sample(self) -> list[list[Any]]:
        """The first rows, whole, for guessing and preview; raises Broken when it is not such a table."""
        ...

    def read(self, wanted: Sequence[str], report: Report, tick: Tick, bad: Bad) -> Iterator[Batch]:
        """Batches of (line numbers, one sequence per wanted column); bad rows go to `bad`."""
        ...


def cut_off(member: Member, line: int, detail: str) -> DataError:
    """The error for a file whose last line, without line end, is not a whole row."""
    return DataError(
        f"{member.name}, line {line}: the file ends in the middle of a row ({detail}): it is cut off. "
        "Nothing was imported; get the file again and retry."
    )
