"""A column of times -> unix seconds: numbers of any unit, dates of any spelling, or both.

Boundary: learns how the column is written while its values come in, and settles at the end what single values
leave open: the unit of numbers, and whether day or month stands first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from db.errors import DataError
from engine.data.dates import MARK, compact_date, order_of, parse_date
from engine.data.questions import Candidate, Question
from engine.data.report import MAX_EXAMPLES, Report
from engine.data.values import is_empty, is_number, number

# Largest plausible clock of each unit (year 5138 in seconds = 1e11), and its divisor.
UNITS = ((1e11, 1, "seconds"), (1e14, 1_000, "milliseconds"), (1e17, 1_000_000, "microseconds"))
NANOSECONDS = (1_000_000_000, "nanoseconds")
ORDER_ONLY = 1e8  # seconds; smaller medians (before 1973) are taken as an order, not as dates
PLAUSIBLE = (6.3e8, 4.1e9)  # unix seconds, 1990 to 2100: what a time in another unit than the others must be
MONTH_FIRST, DAY_FIRST = "month-first", "day-first"
_ORDERS = (Candidate(MONTH_FIRST), Candidate(DAY_FIRST))
COMPACT_SHARE = 0.5  # of the first values are dates written as one number where such a column is meant
STRAY = 0.01  # of the dates that tell their order may contradict the others


@dataclass
class Clock:
    """What the values of one column have shown so far."""

    dates: int = 0
    numbers: int = 0
    compact: bool | None = None  # whole numbers such as 20140309 are dates; set by the first that are seen
    orders: dict[str, int] = field(default_factory=lambda: {"day": 0, "month": 0})
    both: list[str] = field(default_factory=list)  # the first dates that read both ways

    def read(self, values: Sequence[Any]) -> np.ndarray:
        """Raw times, int64 where all are whole; ValueError, TypeError or OverflowError for any bad one."""
        count = len(values)
        if self.compact is None:
            self.compact = _all_compact(values)
        if not self.dates and not self.compact and not isinstance(values[0], float):
            try:
                times = np.fromiter(map(int, values), np.int64, count)
            except ValueError:
                pass
            else:
                self.numbers += count
                return _whole(times)
        before = (self.dates, self.numbers)
        try:
            return _whole(np.fromiter(map(self._one, values), np.float64, count))
        except BaseException:
            self.dates, self.numbers = before
            raise

    def _one(self, value: Any) -> float:
        if type(value) is not str:
            moment = float(value)
        elif self.compact and _is_compact(value):
            self.dates += 1
            return compact_date(value.strip().removesuffix(".0"))
        else:
            try:
                moment = float(value)
            except ValueError:
                return self._date(value)
        self.numbers += 1
        return moment

    def _date(self, text: str) -> float:
        try:
            moment = parse_date(text)
        except ValueError:
            moment = number(text)  # 1400777600,5
            self.numbers += 1
            return moment
        if moment % 1 == MARK:
            if len(self.both) < MAX_EXAMPLES:
                self.both.append(text)
        elif order := order_of(text) if "/" in text or "-" in text else None:
            self.orders[order] += 1
        self.dates += 1
        return moment

    def settle(self, times: np.ndarray, report: Report, order: str | None = None) -> tuple[np.ndarray, int]:
        """Times [n] in one unit, and how many of it are a second; notes and questions go to the report.

        `order`: what a person said of dates that read both ways, MONTH_FIRST or DAY_FIRST.
        """
        if self.dates:
            report.note("Timestamps are dates; they were read as UTC where no time zone is given.")
        if self.both:
            times = self._ordered(times, report, order)
        return _in_one_unit(times, report) if self.numbers else (times, 1)

    def _ordered(self, times: np.ndarray, report: Report, order: str | None) -> np.ndarray:
        """The times with day and month of the dates that read both ways as the other dates have them."""
        day, month = self.orders["day"], self.orders["month"]
        said = order or (DAY_FIRST if day > month else MONTH_FIRST)
        against = month if said == DAY_FIRST else day
        if order and against > STRAY * (day + month):
            raise DataError(
                f"Dates are not written {order}: {against:,} of them can only be read the other way. Nothing "
                "was imported."
            )
        shown = ", ".join(self.both[:3])
        if (not order and min(day, month) > STRAY * (day + month)) or not (order or day or month):
            reason = f"dates such as {shown} can be read both ways, and the others do not tell"
            best = sorted(_ORDERS, key=lambda answer: answer.name != said)
            report.ask(Question("dates", reason, tuple(best), option="dates"))
        else:
            report.note(f"Dates such as {shown} were read {said}, as the others are written.")
        marked = times % 1 == MARK
        times = np.where(marked, np.floor(times), times)
        if said == DAY_FIRST:
            times[marked] = _swapped(times[marked])
        return times


def _swapped(seconds: np.ndarray) -> np.ndarray:
    """Unix seconds with day and month changed places; both are 12 at most."""
    moments = seconds.astype("datetime64[s]")
    days = moments.astype("datetime64[D]")
    months = days.astype("datetime64[M]")
    years = days.astype("datetime64[Y]")
    month = (months - years.astype("datetime64[M]")).astype(np.int64)
    day = (days - months.astype("datetime64[D]")).astype(np.int64)
    swapped = (years.astype("datetime64[M]") + day).astype("datetime64[D]") + month
    return (swapped.astype("datetime64[s]") + (moments - days)).astype(np.int64).astype(np.float64)


def seconds(times: np.ndarray, unit: int) -> np.ndarray:
    """Whole seconds int64[n] of times of which `unit` are a second."""
    if np.issubdtype(times.dtype, np.integer):
        return times.astype(np.int64, copy=False) if unit == 1 else times // unit
    return np.floor(times / unit).astype(np.int64)


def _in_one_unit(times: np.ndarray, report: Report) -> tuple[np.ndarray, int]:
    """Numbers of a clock: the median's size decides the unit, other values may have another."""
    size = np.abs(times)
    middle = float(np.median(size[:: max(1, len(times) // 100_001)]))
    unit, name = next(((d, name) for limit, d, name in UNITS if middle < limit), NANOSECONDS)
    if middle < ORDER_ONLY:
        report.note("Timestamps are small numbers: they give the order, but not a date.")
        return times, 1
    low, high = PLAUSIBLE
    odd = np.flatnonzero((size < low * unit) | (size > high * unit))
    named, moved = [name], times
    for limit, other, name in (*UNITS, (np.inf, *NANOSECONDS)):
        fits = odd[(size[odd] < limit) & (size[odd] >= low * other) & (size[odd] <= high * other)]
        if other != unit and len(fits):
            moved = times / unit if moved is times else moved
            moved[fits] = times[fits] / other
            named.append(f"{name} ({len(fits):,} of them)")
    report.note(f"Timestamps were read as {' and '.join(named)} since 1970.")
    return (times, unit) if moved is times else (moved, 1)


def _all_compact(values: Sequence[Any]) -> bool | None:
    """Whether most values are dates written as one number; None where there is none to tell."""
    seen = [value for value in values if not is_empty(value)]
    return sum(map(_is_compact, seen)) > COMPACT_SHARE * len(seen) if seen else None


def _is_compact(value: Any) -> bool:
    try:
        compact_date(value.strip().removesuffix(".0"))
    except (ValueError, AttributeError):
        return False
    return True


def _whole(times: np.ndarray) -> np.ndarray:
    """int64 where nothing is lost by it; raises ValueError for values no clock shows."""
    if not (np.abs(times) < 2**63).all():
        raise ValueError("timestamp out of range")
    whole = times.astype(np.int64)
    return whole if (whole == times).all() else times


def is_time(value: Any) -> bool:
    """True for a number or a date."""
    if is_number(value):
        return True
    try:
        parse_date(value)
    except (ValueError, TypeError, AttributeError, OverflowError):
        return False
    return True
