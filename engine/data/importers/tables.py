"""Tables of records in three dress codes: delimited text, JSON lines, Parquet. All stream.

Boundary: gives columns of raw values with their line numbers; what the columns mean is the formats' business.
"""

from __future__ import annotations

import ast
import contextlib
import csv
import json
import re
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol

import numpy as np

from db.errors import DataError
from engine.data.columns import Lines
from engine.data.files import Broken, Member
from engine.data.report import Report
from engine.data.text import Bad, Block, Tick, blocks, text_head

MAX_JOIN = 100  # lines that one quoted field may span
SAMPLE_ROWS = 200

Batch = tuple[Lines, Sequence[Sequence[Any]]]
_PARSE_ERRORS = (ValueError, SyntaxError, TypeError, MemoryError, RecursionError)


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
        return self._each(block, texts, quoted, bad, final)

    def _each(
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


def parse_json(line: str) -> dict[str, Any]:
    """A JSON object; raises ValueError."""
    value = json.loads(line)
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")
    return value


def parse_object(line: str) -> dict[str, Any]:
    """A JSON object or, as in old Amazon files, a Python literal; raises one of _PARSE_ERRORS."""
    try:
        return parse_json(line)
    except ValueError:
        if not line.lstrip().startswith("{"):
            raise
        with warnings.catch_warnings():  # the compiler's remarks on other people's strings
            warnings.simplefilter("ignore")
            value = ast.literal_eval(line.strip())
    if not isinstance(value, dict):
        raise ValueError("neither a JSON object nor a Python dictionary")
    return value


Parser = Callable[[str], dict[str, Any]]


def json_records(
    member: Member,
    report: Report,
    tick: Tick,
    bad: Bad,
    parse: Parser,
    keep: Callable[[str], bool] | None = None,
) -> Iterator[tuple[Lines, list[dict[str, Any]]]]:
    """Batches of (line numbers, objects); `keep(line)` false skips a line unparsed."""
    for block in blocks(member, report, tick, bad):
        texts = block.lines()
        numbers: list[int] = []
        records: list[dict[str, Any]] = []
        for line, text in enumerate(texts, block.first):
            if not text or text.isspace() or (keep and not keep(text)):
                continue
            try:
                records.append(parse(text))
            except _PARSE_ERRORS as error:
                detail = f"{' '.join(str(error).split())[:80] or type(error).__name__}: {text[:60]!r}"
                if not block.ended and line == block.first + len(texts) - 1:
                    raise cut_off(member, line, detail) from None
                bad("row not readable", member.name, line, detail)
            else:
                numbers.append(line)
        if records:
            yield np.array(numbers, np.int64), records


def _refuse_array(line: str) -> None:
    if re.match(r"\s*\[\s*(\{|$)", line):
        raise Broken("this is one JSON array; write one object per line (JSON lines)")


def json_head(member: Member, parse: Parser, limit: int = SAMPLE_ROWS) -> list[dict[str, Any]]:
    """The objects among the first `limit` lines of a JSON-lines member; raises Broken when there is none."""
    lines = [line for line in text_head(member) if line.strip()]
    if not lines:
        raise Broken("the file has no text")
    _refuse_array(lines[0])
    records = []
    for line in islice(lines, limit):
        with contextlib.suppress(*_PARSE_ERRORS):
            records.append(parse(line))
    if not records:
        raise Broken(f"the first line is not a JSON object: {lines[0][:60]!r}")
    return records


@dataclass(frozen=True)
class JsonTable:
    """JSON lines; the columns are the keys of the first objects."""

    member: Member
    columns: tuple[str, ...]
    parse: Parser = parse_json

    def sample(self) -> list[list[Any]]:
        return [[record.get(c) for c in self.columns] for record in json_head(self.member, self.parse)]

    def read(self, wanted: Sequence[str], report: Report, tick: Tick, bad: Bad) -> Iterator[Batch]:
        for lines, records in json_records(self.member, report, tick, bad, self.parse):
            yield lines, [[_plain(record.get(name)) for record in records] for name in wanted]


def _plain(value: Any) -> Any:
    """Whole numbers as text, so that ids stay ids; lists joined."""
    if type(value) is str or isinstance(value, float | bool) or value is None:
        return value
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


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
                except _arrow_errors() as error:
                    reason = " ".join(str(error).split())[:200]
                    raise DataError(
                        f"{self.member.name}, row {first}: it cannot be read ({reason}). "
                        "Nothing was imported."
                    ) from None
                yield range(first, first + batch.num_rows), columns
                first += batch.num_rows
                tick(min(1.0, first / total), f"{self.member.name}: {first - 1:,} rows")
        report.files[self.member.name] = first - 1


def _arrow_errors() -> tuple[type[BaseException], ...]:
    import pyarrow as pa

    return (pa.ArrowException, OSError, ValueError, KeyError, MemoryError, OverflowError, Broken)


def open_parquet(member: Member) -> Any:
    """A pyarrow ParquetFile over a private, bounded copy of the bytes; Broken when it is not Parquet."""
    import pyarrow.parquet as pq

    copy = tempfile.TemporaryFile()  # noqa: SIM115  (ParquetFile closes it)
    try:
        with member.open() as stream:
            while data := stream.read(1 << 20):
                copy.write(data)
        copy.seek(0)
        return pq.ParquetFile(
            copy, memory_map=False, thrift_string_size_limit=64 << 20, thrift_container_size_limit=1 << 20
        )
    except _arrow_errors() as error:
        copy.close()
        raise Broken(f"it is not readable as Parquet ({' '.join(str(error).split())[:160]})") from None


def _arrow_values(column: Any) -> list[Any]:
    """Python values of a column: dates as unix seconds, ids as text, whole floats as whole numbers."""
    import pyarrow as pa
    import pyarrow.compute as pc

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
    return [_plain(value) for value in column.to_pylist()]


def open_table(member: Member) -> Table:
    """The table in a member, by content; raises Broken with the reason when there is none."""
    from engine.data.importers.delimited import guess_text_table

    head = member.head(4096)
    if head.startswith(b"PAR1"):
        with open_parquet(member) as file:
            return ParquetTable(member, tuple(map(str, file.schema_arrow.names)))
    lines = text_head(member)
    _refuse_array(lines[0])
    if re.match(r"\s*\{", lines[0]):
        records = json_head(member, parse_json)
        return JsonTable(member, tuple(dict.fromkeys(key for record in records for key in record)))
    return guess_text_table(member)
