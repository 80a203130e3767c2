"""JSON that is not an object per line: one array, objects spread over lines, users with their lists.

Boundary: streams value by value in bounded memory; a value that is no JSON ends the import with its place,
for nothing after it can be told apart.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal

import numpy as np

from db.errors import DataError
from engine.data.files import Broken, Member
from engine.data.report import Report
from engine.data.tables.json_lines import at_path, flat_columns, plain_value
from engine.data.tables.table import SAMPLE_ROWS, Batch, cut_off
from engine.data.text import CHUNK, HEAD, MAX_LINE, Bad, Tick, guess_encoding

Shape = Literal["objects", "lists"]

BATCH = 2000
LISTS = ("user", "items")
"""Columns of a file that gives each user a list of items."""

_DECODER = json.JSONDecoder()
_SPACE = re.compile(r"[ \t\r\n]*")
_INSIDE = re.compile(r'\s*\{\s*"((?:[^"\\]|\\.)*)"\s*:\s*\[\s*(?=\{)')


class _Text:
    """The text of a member as it comes in, from `at` on; knows the line it is in."""

    def __init__(self, member: Member, tick: Tick) -> None:
        self.member, self.line, self.at, self.text, self.done = member, 1, 0, "", False
        self._tick = tick
        encoding = member.encoding or guess_encoding(member.head(HEAD)).name
        self._decoder = codecs.getincrementaldecoder(encoding)(errors="replace")
        self._stream = member.open()

    def more(self) -> bool:
        """Read on; False at the end. Raises DataError where the file breaks off."""
        if self.done:
            return False
        self.line += self.text.count("\n", 0, self.at)
        self.text, self.at = self.text[self.at :], 0
        try:
            data = self._stream.read(max(CHUNK, len(self.text)))
        except Broken as error:
            raise DataError(
                f"{self.member.name}, line {self.place()}: {error}. Nothing was imported; get the file again."
            ) from None
        self.done = not data
        self.text += self._decoder.decode(data, final=self.done)
        if self.line == 1 and self.text.startswith("\ufeff"):
            self.text = self.text[1:]
        self._tick(self._stream.fraction, f"{self.member.name}: {self.line:,} lines")
        return True

    def place(self) -> int:
        return self.line + self.text.count("\n", 0, self.at)

    def skip(self, more: str = "") -> str:
        """Go past white space and the characters of `more`; the character found, "" at the end."""
        while True:
            while self.at < len(self.text) and (self.text[self.at].isspace() or self.text[self.at] in more):
                self.at += 1
            if self.at < len(self.text):
                return self.text[self.at]
            if not self.more():
                return ""

    def value(self) -> Any:
        """The JSON value that starts here; raises DataError with its place when there is none."""
        while True:
            try:
                value, self.at = _DECODER.raw_decode(self.text, self.at)
                return value
            except (ValueError, RecursionError) as error:
                place = getattr(error, "pos", self.at)
                whole = len(self.text) - place > 64 and not str(error).startswith("Unterminated")
                if whole or len(self.text) - self.at > MAX_LINE or not self.more():
                    raise self._no_value(error) from None

    def _no_value(self, error: Exception) -> DataError:
        line, detail = self.place(), " ".join(str(error).split())[:80]
        if self.done:
            return cut_off(self.member, line, detail)
        return DataError(
            f"{self.member.name}, line {line}: this is no JSON value ({detail}). Nothing was imported."
        )

    def close(self) -> None:
        self._stream.close()


def json_values(member: Member, shape: Shape, tick: Tick) -> Iterator[tuple[int, Any]]:
    """(line, object) for each object, or (line, (user, list)) for each pair. Raises DataError."""
    text = _Text(member, tick)
    try:
        text.skip()
        inside = _INSIDE.match(text.text) if shape == "objects" else None
        if inside:
            text.at = inside.end()
        elif shape == "lists":
            text.at += 1
        while (char := text.skip("," if inside or shape == "lists" else ",[]")) and char not in "]":
            if shape == "lists" and char == "}":
                break
            line, value = text.place(), text.value()
            if shape == "lists":
                if text.skip() != ":":
                    raise text._no_value(ValueError("a colon was expected"))
                text.at += 1
                text.skip()
                value = (value, text.value())
            yield line, value
        if inside and text.at < len(text.text):
            text.at += 1
            if text.skip() == ",":
                raise DataError(
                    f"{member.name}, line {text.place()}: after the list {inside[1]!r} there is more in the "
                    "same object. Nothing was imported; write the list alone into a file."
                )
    finally:
        text.close()


def shape_of(head: str) -> Shape:
    """How a JSON file that is not an object per line is built; raises Broken naming what it is else."""
    start = head.lstrip("\ufeff \t\r\n")
    if start.startswith("["):
        inner = start[1:].lstrip()[:1]
        if inner not in ("{", ""):
            raise Broken("this is a JSON array whose elements are no objects; write one object per row")
        return "objects"
    if _INSIDE.match(start):
        return "objects"
    try:
        value, _ = _DECODER.raw_decode(start)
    except (ValueError, RecursionError):
        value = _first_pair(start)
    if not isinstance(value, dict) or not value:
        raise Broken("it is neither JSON lines nor another form of JSON that is read")
    values = list(value.values())
    if all(isinstance(v, list) for v in values) and not {"user", "item", "user_id", "item_id"} & set(value):
        return "lists"
    if all(isinstance(v, dict) for v in values) and len(start) > 2:
        raise Broken(
            "this is one JSON object of columns or records by key (as pandas' to_json() writes by default); "
            "write it with orient='records' and lines=True"
        )
    return "objects"


def _first_pair(start: str) -> dict[str, Any] | None:
    """The first complete pair of a large object, None where there is none."""
    try:
        key, at = _DECODER.raw_decode(start, _SPACE.match(start, 1).end())  # type: ignore[union-attr]
        at = _SPACE.match(start, at).end()  # type: ignore[union-attr]
        value, _ = _DECODER.raw_decode(start, _SPACE.match(start, at + 1).end())  # type: ignore[union-attr]
    except (ValueError, RecursionError, IndexError):
        return None
    return {str(key): value}


@dataclass(frozen=True)
class JsonValues:
    """A table of objects in one array or one after the other, or of users with their lists."""

    member: Member
    columns: tuple[str, ...]
    shape: Shape
    paths: tuple[tuple[str, ...], ...] = ()

    def sample(self) -> list[list[Any]]:
        first = islice(json_values(self.member, self.shape, lambda *_: None), SAMPLE_ROWS)
        return [self._row(value, self.columns) for _, value in first]

    def _row(self, value: Any, wanted: Sequence[str]) -> list[Any]:
        if self.shape == "lists":
            pair: dict[str, Any] = dict(zip(LISTS, value, strict=True))
            return [plain_value(pair[name]) for name in wanted]
        paths = dict(zip(self.columns, self.paths, strict=True))
        return [plain_value(at_path(value, paths[name])) for name in wanted]

    def read(self, wanted: Sequence[str], report: Report, tick: Tick, bad: Bad) -> Iterator[Batch]:
        values = json_values(self.member, self.shape, tick)
        last = 0
        while batch := list(islice(values, BATCH)):
            lines: list[int] = []
            rows: list[list[Any]] = []
            for line, value in batch:
                last = line
                if self.shape == "objects" and not isinstance(value, dict):
                    bad("row not readable", self.member.name, line, f"no object: {value!r:.60}")
                    continue
                lines.append(line)
                rows.append(self._row(value, wanted))
            if rows:
                yield np.array(lines, np.int64), list(zip(*rows, strict=True))
        report.files[self.member.name] = last


def _lists_objects(record: dict[str, Any], path: tuple[str, ...]) -> bool:
    value = at_path(record, path)
    return isinstance(value, list) and bool(value) and all(isinstance(v, dict) for v in value)


def open_values(member: Member, head: str) -> JsonValues:
    """The table in a JSON file that is not an object per line; raises Broken, DataError."""
    shape = shape_of(head)
    if shape == "lists":
        return JsonValues(member, LISTS, shape)
    first = islice(json_values(member, shape, lambda *_: None), SAMPLE_ROWS)
    records = [value for _, value in first if isinstance(value, dict)]
    paths = flat_columns(records)
    if not paths:
        raise Broken("its JSON holds no objects with values")
    if len(records) == 1 and (
        inner := next((p for p in paths.values() if _lists_objects(records[0], p)), None)
    ):
        raise Broken(
            f"its rows stand in the list {'.'.join(inner)!r} of one object; write each of them, and what "
            "lies in lists inside them, as a line of its own"
        )
    return JsonValues(member, tuple(paths), shape, tuple(paths.values()))
