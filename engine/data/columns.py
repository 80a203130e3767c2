"""Rows of any format -> compact columns: codes for ids, numbers for times and ratings, one place per row.

Boundary: takes batches of raw values from the readers, holds 8 to 20 bytes per interaction and one
dictionary per kind of id. Values that do not parse are counted with their file and line. `engine.data.tidy`
does the rest.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Container, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from engine.data.clock import Clock
from engine.data.ratings import Marks
from engine.data.report import Report
from engine.data.text import MAX_TITLE, clean_title
from engine.data.values import id_text, is_empty, is_fraction, usable_id, whole_id

Lines = range | np.ndarray

_ERRORS = (ValueError, TypeError, OverflowError)


class Codes(dict[str, int]):
    """Ids -> consecutive codes by first appearance; look-up adds a new id, a bad one raises ValueError.

    One id may be spelled in several ways (with space around it, as 5 and 5.0); all have its code.
    """

    def __init__(self) -> None:
        super().__init__()
        self.whole: bool | None = None  # 5.0 is 5; unknown before the first values
        self._spellings: dict[Any, int] = {}

    def look(self, values: Sequence[Any]) -> None:
        """Learn from the first values whether numbers with a point are whole numbers."""
        if self.whole is None:
            self.whole = not any(map(is_fraction, values))

    def __missing__(self, key: Any) -> int:
        if (code := self._spellings.get(key)) is not None:
            return code
        text = id_text(key)
        if self.whole:
            text = whole_id(text)
        if not usable_id(text):
            raise ValueError("id not usable")
        code = self.get(text)
        if code is None:
            code = self[text] = len(self)
        if text != key:
            self._spellings[key] = code
        return code


@dataclass
class Builder:
    """Collects interactions; `add` takes equally long sequences of values as they were read."""

    report: Report
    users: Codes = field(default_factory=Codes)
    items: Codes = field(default_factory=Codes)
    size: int = 0
    clock: Clock = field(default_factory=Clock)
    marks: Marks = field(default_factory=Marks)
    _user: list[np.ndarray] = field(default_factory=list)
    _item: list[np.ndarray] = field(default_factory=list)
    _time: list[np.ndarray] = field(default_factory=list)
    _rating: list[np.ndarray] = field(default_factory=list)
    _starts: list[int] = field(default_factory=list)
    _places: list[tuple[str, Lines]] = field(default_factory=list)

    def add(
        self,
        file: str,
        lines: Lines,
        users: Sequence[Any],
        items: Sequence[Any],
        times: Sequence[Any] | None = None,
        ratings: Sequence[Any] | None = None,
    ) -> None:
        """Append a batch; rows with unusable values are counted in the report and left out."""
        count = len(users)
        if not count:
            return
        self.report.rows_read += count
        self.users.look(users)
        self.items.look(items)
        try:
            columns = self._convert(users, items, times, ratings)
        except _ERRORS:
            keep, columns = self._one_by_one(file, lines, users, items, times, ratings)
            lines = np.fromiter((lines[k] for k in keep), np.int64, len(keep))
        self._append(file, lines, *columns)
        self.report.check_format(final=False)

    def _append(
        self, file: str, lines: Lines, user: np.ndarray, item: np.ndarray, time: Any, rating: Any
    ) -> None:
        if not len(user):
            return
        self._starts.append(self.size)
        self._places.append((file, lines))
        self._user.append(user)
        self._item.append(item)
        if time is not None:
            self._time.append(time)
        if rating is not None:
            self._rating.append(rating)
        self.size += len(user)

    def _convert(self, users: Any, items: Any, times: Any, ratings: Any) -> tuple[Any, ...]:
        """The four columns of a batch at once; raises one of _ERRORS when any value does not parse."""
        count = len(users)
        time = None if times is None else self.clock.read(times)
        rating = None if ratings is None else self._ratings(ratings)
        user = np.fromiter(map(self.users.__getitem__, users), np.int32, count)
        item = np.fromiter(map(self.items.__getitem__, items), np.int32, count)
        return user, item, time, rating

    def _ratings(self, values: Sequence[Any]) -> np.ndarray:
        """float32[n], NaN where there is none; raises one of _ERRORS."""
        count = len(values)
        if self.marks.words:
            return np.fromiter(map(self.marks, values), np.float32, count)
        try:
            ratings = np.fromiter(map(float, values), np.float32, count)
        except _ERRORS:
            return np.fromiter(map(self.marks, values), np.float32, count)
        if np.isinf(ratings).any():
            raise ValueError("rating out of range")
        if self.marks.words is None:
            self.marks.words = False
        return ratings

    def _one_by_one(
        self, file: str, lines: Lines, users: Any, items: Any, times: Any, ratings: Any
    ) -> tuple[list[int], tuple[Any, ...]]:
        """Like `_convert`, dropping and counting each row that does not parse; also the rows kept."""
        keep: list[int] = []
        rows: list[tuple[Any, Any, float, float]] = []
        for k in range(len(users)):
            time = None if times is None else times[k]
            rating = None if ratings is None else ratings[k]
            parsed = self._row(users[k], items[k], times is not None, time, rating)
            if isinstance(parsed, tuple):
                keep.append(k)
                rows.append(parsed)
            else:
                seen = f"{users[k]!r:.40}, {items[k]!r:.40}"
                if times is not None:
                    seen += f", time {times[k]!r:.40}"
                if ratings is not None:
                    seen += f", rating {ratings[k]!r:.20}"
                self.report.drop(parsed, file, int(lines[k]), seen)
        count = len(rows)
        user = np.fromiter((self.users[row[0]] for row in rows), np.int32, count)
        item = np.fromiter((self.items[row[1]] for row in rows), np.int32, count)
        time = None if times is None else np.fromiter((row[2] for row in rows), np.float64, count)
        rating = None if ratings is None else np.fromiter((row[3] for row in rows), np.float32, count)
        return keep, (user, item, time, rating)

    def _row(
        self, user: Any, item: Any, timed: bool, time: Any, rating: Any
    ) -> tuple[Any, Any, float, float] | str:
        """Ids, raw time and rating of one row, or the reason why it is left out."""
        for value, reason in ((user, "user id missing"), (item, "item id missing")):
            text = id_text(value)
            if not text:
                return "id not usable" if isinstance(value, list | tuple | dict | bytes) else reason
            if not usable_id(text):
                return "id not usable"
        moment = 0.0
        if timed:
            if is_empty(time):
                return "timestamp missing"
            try:
                moment = float(self.clock.read([time])[0])
            except _ERRORS:
                return "timestamp not understood"
        try:
            stars = self.marks(rating)
        except _ERRORS:
            return "rating not a number"
        return user, item, moment, stars

    def place(self, row: int) -> tuple[str, int]:
        """File and line of the row that was added as number `row` (0-based, rows kept only)."""
        block = bisect_right(self._starts, row) - 1
        file, lines = self._places[block]
        return file, int(lines[row - self._starts[block]])

    def columns(self) -> tuple[np.ndarray, np.ndarray, np.ndarray | None, np.ndarray | None]:
        """user int32[n], item int32[n], raw time (int64 or float64)[n] | None, rating float32[n] | None."""
        user = _join(self._user, np.int32)
        item = _join(self._item, np.int32)
        time = _join(self._time, None) if self._time else None
        rating = _join(self._rating, np.float32) if self._rating else None
        return user, item, time, rating


def _join(parts: list[np.ndarray], dtype: Any) -> np.ndarray:
    """All parts in one array; empties the list so that both never live long together."""
    joined = np.concatenate(parts) if parts else np.zeros(0, dtype)
    parts.clear()
    return joined


@dataclass
class ItemRow:
    """What an item file says of an item; `title` is clean and may be empty."""

    title: str
    category: str | None = None
    brand: str | None = None
    attributes: dict[str, Any] | None = None
    raw: int = 0  # hash of the title as it was given


@dataclass
class ItemTable:
    """Items by id, titles cleaned; an id's first row wins, but an empty title is filled by a later one."""

    report: Report
    rows: dict[str, ItemRow] = field(default_factory=dict)
    bought: Container[str] | None = None
    spare: int = 0  # unbought items that may still come in, where `bought` is known
    skipped: int = 0  # rows of unbought items left out

    def add(
        self,
        file: str,
        line: int,
        item_id: Any,
        title: Any,
        category: Any = None,
        brand: Any = None,
        attributes: dict[str, Any] | None = None,
    ) -> None:
        """Take one row of an item file; counts unusable ids, repeated rows and cleaned titles."""
        self.report.item_rows_read += 1
        key = id_text(item_id)
        if self.bought is not None and key not in self.bought:
            key = whole_id(key)
        if not key or not usable_id(key):
            self.report.drop_item("item id missing or not usable", file, line, repr(item_id)[:60])
            return
        if self.bought is not None and key not in self.bought and key not in self.rows:
            if self.spare <= 0:
                self.skipped += 1
                return
            self.spare -= 1
        raw = title if isinstance(title, str) else "" if title is None else str(title)
        clean = "" if is_empty(raw) else clean_title(raw)
        known = self.rows.get(key)
        if known and (known.title or not clean):
            self.report.drop_item("item listed again", file, line, key)
            return
        if clean != raw and clean:
            if clean.endswith("\u2026") and len(raw) > MAX_TITLE:
                self.report.repair(
                    "title shortened", file, line, f"{len(raw)} characters, now ends {clean[-60:]!r}"
                )
            else:
                self.report.repair("title cleaned", file, line, f"{raw[:90]!r} -> {clean[:90]!r}")
        self.rows[key] = ItemRow(clean, _label(category), _label(brand), attributes or None, hash(raw))


def _label(value: Any) -> str | None:
    """A short clean text of a category or brand, None when there is none."""
    if isinstance(value, str) and not is_empty(value):
        return clean_title(value)[:160] or None
    return None
