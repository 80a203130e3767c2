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
from engine.data.tables.table import SAMPLE_ROWS, Batch
from engine.data.text import Bad, Tick

_ERRORS = (pa.ArrowException, OSError, ValueError, KeyError, MemoryError, OverflowError, Broken)


@dataclass(frozen=True)
class ParquetTable:
    """Parquet, read by batches of rows; "lines" are row numbers."""

    member: Member
    columns: tuple[str, ...]

    def sample(self) -> list[list[Any]]:
        report, rows = Report(), []
        for _, columns in self.read(self.columns, report, lambda *_: None, report.unreadable):
            rows += [list(row) for row in islice(zip(*columns, strict=True), SAMPLE_ROWS - len(rows))]
            if len(rows) >= SAMPLE_ROWS:
                break
        return rows

    def read(self, wanted: Sequence[str], report: Report, tick: Tick, bad: Bad) -> Iterator[Batch]:
        del bad  # all rows of a Parquet file are readable, or none
        first = 1
        try:
            opened = open_parquet(self.member)
        except Broken as error:
            raise DataError(f"{self.member.name}: {error}. Nothing was imported.") from None
        with opened as file:
            total = max(file.metadata.num_rows, 1)
            batches = file.iter_batches(batch_size=1 << 16, columns=list(dict.fromkeys(wanted)))
            while True:
                try:
                    batch = next(batches, None)
                    if batch is None:
                        break
                    self.member.budget.spend(batch.nbytes, max(self.member.size, 1))
                    columns = [_arrow_values(batch.column(batch.schema.get_field_index(n))) for n in wanted]
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


def _arrow_values(column: Any) -> list[Any]:
    """Python values of a column: dates as unix seconds, ids as text, whole floats as whole numbers."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.dictionary_decode()
        kind = column.type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        micro = pc.cast(column.cast(pa.timestamp("us", getattr(kind, "tz", None)), safe=False), pa.int64())
        return [None if value is None else value / 1e6 for value in micro.to_pylist()]
    if pa.types.is_floating(kind) and not column.null_count:
        numbers = column.to_numpy(zero_copy_only=False)
        if (
            np.isfinite(numbers).all()
            and (numbers == np.floor(numbers)).all()
            and (abs(numbers) < 2**53).all()
        ):
            return [str(int(value)) for value in numbers]  # ids that pandas turned into floats
    return [plain_value(value) for value in column.to_pylist()]
