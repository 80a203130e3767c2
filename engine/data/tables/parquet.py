"""Parquet, read by batches of rows from a private, bounded copy.

Boundary: gives columns of raw values; "lines" are row numbers. Dates become unix seconds, ids text.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from db.errors import DataError
from engine.data.files import Broken, Member
from engine.data.report import Report
from engine.data.tables.json_lines import plain_value
from engine.data.tables.table import SAMPLE_ROWS, Batch, unique
from engine.data.text import Bad, Tick

ROWS = 1 << 14  # in a batch
MAX_NESTED = 3  # levels of columns inside columns

_ERRORS = (pa.ArrowException, OSError, ValueError, KeyError, MemoryError, OverflowError, Broken)

Place = tuple[int, tuple[int, ...]]
"""A column: the number of the stored one, and the numbers of the fields inside."""


@dataclass(frozen=True)
class ParquetTable:
    """Parquet, read by batches of rows; columns inside a column are `outer.inner`."""

    member: Member
    columns: tuple[str, ...]

    def sample(self) -> list[list[Any]]:
        """The first rows; raises DataError when they cannot be read."""
        report, rows = Report(), []
        for _, columns in self.read(self.columns, report, lambda *_: None, report.unreadable):
            rows += [list(row) for row in islice(zip(*columns, strict=True), SAMPLE_ROWS - len(rows))]
            if len(rows) >= SAMPLE_ROWS:
                break
        return rows

    def read(self, wanted: Sequence[str], report: Report, tick: Tick, bad: Bad) -> Iterator[Batch]:
        """Batches of (row numbers, one sequence per wanted column)."""
        del bad  # all rows of a Parquet file are readable, or none
        first = 1
        try:
            opened = open_parquet(self.member)
        except Broken as error:
            raise DataError(f"{self.member.name}: {error}. Nothing was imported.") from None
        with opened as file:
            total = max(file.metadata.num_rows, 1)
            places = _places(file.schema_arrow)
            names = file.schema_arrow.names
            asked = {names[places[name][0]] for name in wanted}
            batches = file.iter_batches(batch_size=ROWS, columns=sorted(asked))
            while True:
                try:
                    batch = next(batches, None)
                    if batch is None:
                        break
                    self.member.budget.spend(batch.nbytes, max(self.member.size, 1))
                    columns = [
                        arrow_values(_inside(_stored(batch, names, number), path))
                        for number, path in map(places.__getitem__, wanted)
                    ]
                except _ERRORS as error:
                    reason = " ".join(str(error).split())[:200]
                    raise DataError(
                        f"{self.member.name}, row {first}: it cannot be read ({reason}). "
                        "Nothing was imported."
                    ) from None
                yield range(first, first + batch.num_rows), columns
                first += batch.num_rows
                tick(min(1.0, first / total), f"{self.member.name}: {first - 1:,} rows")
        report.files[self.member.name] = first - 1


def parquet_table(member: Member) -> ParquetTable:
    """The table in a Parquet file; raises Broken."""
    with open_parquet(member) as file:
        return ParquetTable(member, tuple(_places(file.schema_arrow)))


def open_parquet(member: Member) -> Any:
    """A pyarrow ParquetFile over a private, bounded copy of the bytes; Broken when it is not Parquet."""
    copy = tempfile.TemporaryFile()  # noqa: SIM115  (ParquetFile closes it)
    try:
        with member.open() as stream:
            while data := stream.read(1 << 20):
                copy.write(data)
        copy.seek(0)
        return pq.ParquetFile(
            copy, memory_map=False, thrift_string_size_limit=64 << 20, thrift_container_size_limit=1 << 20
        )
    except _ERRORS as error:
        copy.close()
        raise Broken(f"it is not readable as Parquet ({' '.join(str(error).split())[:160]})") from None


def _places(schema: Any) -> dict[str, Place]:
    """Column name -> its place; a name that comes again gets a number (`item_id.1`)."""
    found: list[tuple[str, Place]] = []

    def walk(name: str, kind: Any, number: int, path: tuple[int, ...]) -> None:
        if pa.types.is_struct(kind) and len(path) < MAX_NESTED:
            for place in range(kind.num_fields):
                field = kind.field(place)
                walk(f"{name}.{field.name}", field.type, number, (*path, place))
        else:
            found.append((name, (number, path)))

    for number, field in enumerate(schema):
        walk(str(field.name), field.type, number, ())
    return dict(zip(unique([name for name, _ in found]), (place for _, place in found), strict=True))


def _stored(batch: Any, names: Sequence[str], number: int) -> Any:
    """The stored column of this number in a batch of some columns; names may come again."""
    name = names[number]
    places = [place for place, other in enumerate(batch.schema.names) if other == name]
    return batch.column(places[names[:number].count(name)])


def _inside(column: Any, path: tuple[int, ...]) -> Any:
    """The field of a struct column under a path; nothing where the struct is missing."""
    for place in path:
        column = pc.struct_field(column, [place])  # pyright: ignore[reportAttributeAccessIssue]
    return column


def arrow_values(column: Any) -> list[Any]:
    """Python values of a column: dates as unix seconds, ids as text, whole floats as whole numbers."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.dictionary_decode()
        kind = column.type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        micro = pc.cast(column.cast(pa.timestamp("us", getattr(kind, "tz", None)), safe=False), pa.int64())
        return [None if value is None else value / 1e6 for value in micro.to_pylist()]
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
        return [_text(value) for value in column.to_pylist()]
    if pa.types.is_floating(kind):
        numbers = column.drop_null().to_numpy(zero_copy_only=False)
        finite = numbers[~np.isnan(numbers)]
        if (finite == np.floor(finite)).all() and (abs(finite) < 2**53).all():
            return [_whole(value) for value in column.to_pylist()]  # ids that pandas turned into floats
    return [plain_value(value) for value in column.to_pylist()]


def _whole(value: float | None) -> str | None:
    return None if value is None or value != value else str(int(value))


def _text(value: bytes | None) -> str | bytes | None:
    """Text that was stored as bytes; other bytes stay what they are, which is no id and no title."""
    try:
        return None if value is None else value.decode("utf-8")
    except UnicodeDecodeError:
        return value
