"""JSON lines, and the Python dictionaries of old Amazon files in their place. Stream.

Boundary: gives objects, or columns of raw values, with their line numbers. A Python dictionary is read as a
literal and never evaluated.
"""

from __future__ import annotations

import ast
import contextlib
import json
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from engine.data.columns import Lines
from engine.data.files import Broken, Member
from engine.data.report import Report
from engine.data.tables.table import SAMPLE_ROWS, Batch, cut_off
from engine.data.text import Bad, Tick, blocks, text_head

_PARSE_ERRORS = (ValueError, SyntaxError, TypeError, MemoryError, RecursionError)


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


def json_head(member: Member, parse: Parser, limit: int = SAMPLE_ROWS) -> list[dict[str, Any]]:
    """The objects among the first `limit` lines of a JSON-lines member; raises Broken when there is none."""
    lines = [line for line in text_head(member) if line.strip()]
    if not lines:
        raise Broken("the file has no text")
    records = []
    for line in islice(lines, limit):
        with contextlib.suppress(*_PARSE_ERRORS):
            records.append(parse(line))
    if not records:
        raise Broken("the first line is not a JSON object")
    return records


@dataclass(frozen=True)
class JsonTable:
    """JSON lines; the columns are the keys of the first objects, those of inner objects as `user.id`."""

    member: Member
    columns: tuple[str, ...]
    parse: Parser = parse_json
    paths: tuple[tuple[str, ...], ...] = ()

    def sample(self) -> list[list[Any]]:
        return [
            [plain_value(at_path(record, self._path(c))) for c in self.columns]
            for record in json_head(self.member, self.parse)
        ]

    def _path(self, column: str) -> tuple[str, ...]:
        return self.paths[self.columns.index(column)] if self.paths else (column,)

    def read(self, wanted: Sequence[str], report: Report, tick: Tick, bad: Bad) -> Iterator[Batch]:
        paths = [self._path(name) for name in wanted]
        for lines, records in json_records(self.member, report, tick, bad, self.parse):
            yield lines, [_column(records, path) for path in paths]


def _column(records: list[dict[str, Any]], path: tuple[str, ...]) -> list[Any]:
    if len(path) == 1:
        name = path[0]
        return [plain_value(record.get(name)) for record in records]
    return [plain_value(at_path(record, path)) for record in records]


def json_table(member: Member) -> JsonTable:
    """The table in JSON lines, or in lines of Python dictionaries; raises Broken."""
    paths = flat_columns(json_head(member, parse_object))
    if not paths:
        raise Broken("its objects have no values")
    return JsonTable(member, tuple(paths), parse_object, tuple(paths.values()))


def flat_columns(records: Sequence[dict[str, Any]], depth: int = 3) -> dict[str, tuple[str, ...]]:
    """Column -> path of keys of all values in the records; what is inside an object gets `outer.inner`."""
    paths: dict[str, tuple[str, ...]] = {}

    def walk(value: dict[str, Any], before: tuple[str, ...]) -> None:
        for key, inner in value.items():
            path = (*before, str(key))
            if isinstance(inner, dict) and len(path) <= depth:
                walk(inner, path)
            elif not isinstance(inner, dict):
                paths.setdefault(".".join(path), path)

    for record in records:
        walk(record, ())
    return paths


def at_path(record: Any, path: tuple[str, ...]) -> Any:
    """The value under a path of keys, None where there is none."""
    for key in path:
        record = record.get(key) if isinstance(record, dict) else None
    return record


def plain_value(value: Any) -> Any:
    """Whole numbers as text, so that ids stay ids; lists stay lists, objects and bytes are no values."""
    if type(value) is str or isinstance(value, float | bool | list) or value is None:
        return value
    return None if isinstance(value, dict | bytes | tuple | set) else str(value)
