"""What a table is to its readers: named columns and batches of raw values with their line numbers.

Boundary: the interface of delimited text, JSON lines and Parquet; opens nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from db.errors import DataError
from engine.data.column_names import NAMELESS
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


def unique(names: Sequence[str]) -> tuple[str, ...]:
    """The names, one for what has none, and a number behind a name that is there before (`item_id.1`)."""
    given: dict[str, None] = {}
    for place, name in enumerate(names, 1):
        start = name.strip() or NAMELESS.format(place)
        again = (f"{start}.{n}" for n in range(1, len(names) + 1))
        given[
            start if start not in given else next(n for n in again if n not in given and n not in names)
        ] = None
    return tuple(given)


def cut_off(member: Member, line: int, detail: str) -> DataError:
    """The error for a file whose last line, without line end, is not a whole row."""
    return DataError(
        f"{member.name}, line {line}: the file ends in the middle of a row ({detail}): it is cut off. "
        "Nothing was imported; get the file again and retry."
    )
