"""What the columns of a table hold: counts and shapes from one bounded look at its first rows.

Boundary: measures; decides nothing. A table is looked at once, up to `LOOK_ROWS` rows or `LOOK_CHARACTERS`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice, pairwise
from typing import Any

from db.errors import DataError
from engine.data.column_names import known_name
from engine.data.dates import compact_date
from engine.data.histories import elements, listed
from engine.data.report import Report
from engine.data.tables.table import Table
from engine.data.values import id_text, is_date, is_empty, is_fraction, number, whole_id

LOOK_ROWS = 200_000
LOOK_COLUMNS = 100
LOOK_CHARACTERS = 24 << 20  # of cells; review texts are long
TESTED = 1000  # distinct values whose shape is tested
COMPACT = 0.95  # of the rows are whole dates written as numbers
MOST = 0.7  # of the rows hold a number where a column is one of numbers
RELATED = 20_000  # rows that are compared between columns
EPOCHS = tuple((7e8 * unit, 2.1e9 * unit) for unit in (1, 1e3, 1e6, 1e9))  # 1992 to 2036, s to ns

_BETWEEN = re.compile(r"[\s,;|]+")
_URL = re.compile(r"(https?://|www\.|/[\w-]+/|data:)", re.I)


@dataclass(frozen=True)
class Column:
    """One column of the rows looked at, as it was read."""

    name: str
    values: Sequence[Any]
    whole: bool = True  # all rows of the table were looked at

    @cached_property
    def texts(self) -> list[str]:
        """Each row's value as an id is written; "" for nothing, lists and objects."""
        texts = [value if type(value) is str else id_text(value) for value in self.values]
        first = texts[:TESTED]
        if any(whole_id(text) != text for text in first) and not any(map(is_fraction, first)):
            return [whole_id(text) for text in texts]  # numbers that a program wrote with a point
        return texts

    @cached_property
    def counts(self) -> Counter[str]:
        """How often each value occurs; values that are there alone."""
        counts = Counter(self.texts)
        for value in [value for value in islice(counts, TESTED) if is_empty(value)]:
            del counts[value]
        del counts[""]
        return counts

    @cached_property
    def some(self) -> list[str]:
        """The first distinct values, whose shape speaks for the others."""
        return list(islice(self.counts, TESTED))

    @cached_property
    def rows(self) -> int:
        """Rows with a value."""
        return self.counts.total()

    @cached_property
    def distinct(self) -> int:
        return len(self.counts)

    @cached_property
    def numbers(self) -> list[float]:
        """`some` as numbers, those that are."""
        return [number(value) for value in self.some if is_figure(value)]

    def share(self, test: Any) -> float:
        """Share of the rows of the values tested that pass `test`."""
        passing = sum(self.counts[value] for value in self.some if test(value))
        return passing / max(1, sum(self.counts[value] for value in self.some))

    @cached_property
    def numeric(self) -> bool:
        return bool(self.numbers) and self.share(is_figure) >= MOST

    @cached_property
    def whole_numbers(self) -> bool:
        return self.numeric and all(number.is_integer() for number in self.numbers)

    @cached_property
    def dates(self) -> bool:
        return not self.numeric and self.share(is_date) >= MOST

    @cached_property
    def epochs(self) -> bool:
        """Numbers of a clock's size, in seconds to nanoseconds, or YYYYMMDD."""
        if not self.numeric or self.distinct < 2:
            return False
        clock = sum(any(low < n < high for low, high in EPOCHS) for n in self.numbers)
        return clock >= MOST * len(self.numbers) or self.share(_is_compact) >= COMPACT

    @cached_property
    def lists(self) -> bool:
        """Nearly all of the cells that are there hold lists."""
        cells = [value for value in islice(self.values, TESTED) if value not in (None, "")]
        return bool(cells) and sum(listed(cell) is not None for cell in cells) >= 0.9 * len(cells)

    @cached_property
    def joined(self) -> bool:
        """Nearly all cells are several ids in one text: `1 2 3`, `i1|i2`."""
        if self.lists or self.numeric or self.dates or self.urls:
            return False
        cells = [[part for part in _BETWEEN.split(text) if part] for text in self.some]
        several = sum(len(cell) > 1 for cell in cells)
        parts = [part for cell in cells for part in cell]
        ids = sum(len(part) <= 40 and any(map(str.isdigit, part)) for part in parts)
        return several >= MOST * len(cells) > 0 and ids >= 0.95 * len(parts)

    @cached_property
    def words(self) -> float:
        """Mean number of words of a value that have a letter."""
        texts = [value for value in self.some if any(map(str.isalpha, value))]
        return sum(len(value.split()) for value in texts) / max(1, len(self.some))

    @cached_property
    def length(self) -> float:
        """Mean number of characters of a value."""
        return sum(map(len, self.some)) / max(1, len(self.some))

    @cached_property
    def urls(self) -> bool:
        return self.share(_URL.match) > 0.5

    @cached_property
    def repeats(self) -> float:
        """Rows per distinct value."""
        return self.rows / max(1, self.distinct)

    @cached_property
    def together(self) -> bool:
        """The rows of each value stand together, as in a file that is ordered by it."""
        texts = self.texts[:RELATED]
        runs = 1 + sum(a != b for a, b in pairwise(texts))
        return self.repeats >= 2 and runs <= 1.02 * len(set(texts))

    @cached_property
    def steps(self) -> bool:
        """Few values, evenly spread like marks: 2 to 21 of them, in whole, half or tenth steps."""
        numbers = sorted(set(self.numbers))
        if not self.numeric or not 2 <= len(numbers) <= 21 or self.distinct > 101:
            return False
        return all(abs(number * 10 - round(number * 10)) < 1e-6 for number in numbers) and numbers[-1] <= 100

    def examples(self, count: int = 3) -> list[str]:
        """The first values that differ, shortened for a line."""
        if self.some:
            return [value[:60] for value in self.some[:count]]
        shown = dict.fromkeys(str(value)[:60] for value in self.values[:TESTED] if value not in (None, ""))
        return list(shown)[:count]

    def elements(self) -> Iterable[str]:
        """What the first lists hold; words where the cells are plain text."""
        for cell in islice(self.values, TESTED):
            yield from elements(cell)


@dataclass(frozen=True)
class Profile:
    """The rows of a table that were looked at, by column; `whole`: there are no others."""

    table: Table
    columns: dict[str, Column]
    rows: int
    whole: bool
    _spread: dict[tuple[str, str], tuple[float, int]] = field(default_factory=dict)

    def within(self, column: str, key: str) -> tuple[float, int]:
        """How far `column` is one value per value of `key`: share of rows with the commonest, keys compared.

        Only values of `key` that come back are compared.
        """
        if (column, key) not in self._spread:
            self._spread[column, key] = self._one_value(column, key)
        return self._spread[column, key]

    def _one_value(self, column: str, key: str) -> tuple[float, int]:
        keys = self.columns[key].texts[:RELATED]
        values = [_shown(value) for value in self.columns[column].values[:RELATED]]
        pairs = Counter((k, v) for k, v in zip(keys, values, strict=True) if k and v)
        most: dict[str, int] = {}
        total: Counter[str] = Counter()
        for (k, _), count in pairs.items():
            most[k] = max(most.get(k, 0), count)
            total[k] += count
        back = [k for k, count in total.items() if count > 1]
        rows = sum(total[k] for k in back)
        return (sum(most[k] for k in back) / rows if rows else 1.0), len(back)

    def grows(self, time: str, key: str) -> bool:
        """Times of rows that follow each other for the same `key` hardly ever fall, or hardly ever rise."""
        keys, times = self.columns[key].texts[:RELATED], self.columns[time].texts[:RELATED]
        column = self.columns[time]
        as_number = {t: number(t) for t in set(times) if is_figure(t)} if column.numeric else None
        last: dict[str, Any] = {}
        up = down = 0
        for k, text in zip(keys, times, strict=True):
            value = text if as_number is None else as_number.get(text, 0.0)
            if k in last:
                up += value > last[k]
                down += value < last[k]
            last[k] = value
        return max(up, down) >= 5 and min(up, down) <= 0.05 * max(up, down)

    def counts_up(self, column: str, key: str) -> bool:
        """The values of nearly every `key` that comes back are 1, 2, 3 and so on, the rows in any order."""
        of: dict[str, list[float]] = {}
        for k, text in zip(self.columns[key].texts, self.columns[column].texts, strict=True):
            if is_figure(text):
                of.setdefault(k, []).append(number(text))
        back = [sorted(values) for values in of.values() if len(values) > 1]
        whole = sum(v[0] in (0, 1) and v[-1] - v[0] == len(set(v)) - 1 == len(v) - 1 for v in back)
        return len(back) >= 3 and whole >= 0.9 * len(back)


def is_figure(text: str) -> bool:
    """True for a number as people write it, `0,99` too."""
    try:
        return abs(number(text)) < float("inf")
    except (ValueError, TypeError):
        return False


def _is_compact(text: str) -> bool:
    try:
        return compact_date(text) > 0
    except ValueError:
        return False


def _shown(value: Any) -> str:
    return value.strip() if type(value) is str else "" if value is None else str(value)


def look(table: Table, rows: int = LOOK_ROWS, also: Iterable[str | None] = ()) -> Profile:
    """The profile of a table's first rows; a table that breaks off later is known as far as it goes.

    Of a table of very many columns the first are looked at, those with telling names, and those named in
    `also`. Raises Broken or DataError where not one row can be read.
    """
    report = Report(label="table")
    names = [
        name
        for place, name in enumerate(table.columns)
        if place < LOOK_COLUMNS or known_name(name) or name in also
    ]
    columns: list[list[Any]] = [[] for _ in names]
    whole, seen = True, 0
    try:
        for _, batch in table.read(names, report, lambda *_: None, lambda *_: None):
            for column, values in zip(columns, batch, strict=True):
                column.extend(values)
            seen += sum(len(value) for values in batch for value in values if type(value) is str)
            if len(columns[0]) >= rows or seen >= LOOK_CHARACTERS:
                whole = False
                break
    except DataError:
        if not columns or not columns[0]:
            raise
        whole = False  # the import itself names the place
    named = {name: Column(name, values, whole) for name, values in zip(names, columns, strict=True)}
    return Profile(table, named, len(columns[0]) if columns else 0, whole)
