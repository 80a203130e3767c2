"""Dates and times as people write them -> unix seconds.

Boundary: one value at a time, UTC unless it says otherwise; `engine.data.clock` reads whole columns.
ISO 8601, day and month by number in either order, English month names, RFC 822, `YYYYMMDD`.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Literal

from engine.data.column_names import words

Order = Literal["day", "month"]
MARK = 2.0**-10 + 2.0**-20
"""Added to the seconds of a date that reads both ways (03/04/2014, here 4 March); no clock shows it."""

_FULL = words("january february march april may june july august september october november december")
_MONTHS = {name[:size]: number for number, name in enumerate(_FULL, 1) for size in (3, 4, len(name))}
_WEEK = words("monday tuesday wednesday thursday friday saturday sunday")
_DAYS = {day[:size] for day in _WEEK for size in (3, 4, 5, 9)}
# The zones of RFC 822, in hours.
_ZONES = {"z": 0, "ut": 0, "utc": 0, "gmt": 0, "est": -5, "edt": -4, "cst": -6, "cdt": -5}
_ZONES |= {"mst": -7, "mdt": -6, "pst": -8, "pdt": -7}

_TIME = re.compile(
    r"(?:^|[\sT,])(\d{1,2}):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?\s*([ap]\.?m\.?)?(?=$|[\s+Z-])", re.I
)
_OFFSET = re.compile(r"(?:UTC|GMT)?([+-])(\d\d):?(\d\d)$")
_WORD = re.compile(r"[A-Za-z]+")
_YEAR_FIRST = re.compile(r"^(\d{4})[/.-](\d{1,2})[/.-](\d{1,2})$")
_NUMBERS = re.compile(r"^(\d{1,2})([/.-])(\d{1,2})\2(\d{4}|\d\d)$")
_AMAZON = re.compile(r"^(\d{1,2}) (\d{1,2}), (\d{4})$")
_COMPACT = re.compile(r"^(19|20)\d{6}$|^(19|20)\d{12}$")


def parse_date(text: str) -> float:
    """Unix seconds of a date or time, `MARK` more where day and month read both ways; raises ValueError."""
    return _read(text.strip())[0]


def order_of(text: str) -> Order | None:
    """Whether day or month stands first in a date of two small numbers; None where both are possible."""
    return _read(text.strip())[1]


def compact_date(text: str) -> float:
    """Unix seconds of YYYYMMDD or YYYYMMDDHHMMSS; raises ValueError."""
    if not _COMPACT.match(text):
        raise ValueError("not a compact date")
    padded = text.ljust(14, "0")
    moment = datetime.strptime(padded, "%Y%m%d%H%M%S")
    return moment.replace(tzinfo=UTC).timestamp()


def _read(text: str) -> tuple[float, Order | None]:
    """(unix seconds, what the numbers prove of the order)."""
    if text[:4].isdigit() and text[4:5] == "-":
        try:
            moment = datetime.fromisoformat(text.removesuffix(" UTC"))
        except ValueError:
            pass
        else:
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp(), None
    if len(text) > 60 or not any(c.isdigit() for c in text):
        raise ValueError(f"not a date: {text[:60]!r}")
    rest, clock = _time_of(text)
    if found := _AMAZON.match(rest.strip()):  # 03 9, 2014: the month first, always
        return datetime(int(found[3]), int(found[1]), int(found[2]), *clock, tzinfo=UTC).timestamp(), None
    rest, zone = _zone_of(rest)
    year, month, day, order, both = _date_of(rest)
    moment = datetime(year, month, day, *clock, tzinfo=zone)
    return moment.timestamp() + (MARK if both else 0.0), order


def _time_of(text: str) -> tuple[str, tuple[int, int, int, int]]:
    """The text without its time of day, and that."""
    found = _TIME.search(text)
    if not found:
        return text, (0, 0, 0, 0)
    hour, minute, second = (int(part or 0) for part in found.group(1, 2, 3))
    if half := (found[5] or "").lower().replace(".", ""):
        if not 1 <= hour <= 12:
            raise ValueError("no hour of a half day")
        hour = hour % 12 + 12 * (half == "pm")
    micro = int((found[4] or "0")[:6].ljust(6, "0"))
    return f"{text[: found.start()]} {text[found.end() :]}", (hour, minute, min(second, 59), micro)


def _zone_of(text: str) -> tuple[str, timezone]:
    """The text without weekday, zone and commas, and the zone (UTC where there is none)."""
    zone: timezone = UTC
    words = []
    for word in text.replace(",", " ").split():
        bare = word.rstrip(".").lower()
        offset = _OFFSET.match(word)
        if offset:
            size = timedelta(hours=int(offset[2]), minutes=int(offset[3]))
            zone = timezone(size if offset[1] == "+" else -size)
        elif bare in _ZONES:
            zone = timezone(timedelta(hours=_ZONES[bare]))
        elif bare not in _DAYS:
            words.append(word)
    return " ".join(words), zone


def _date_of(text: str) -> tuple[int, int, int, Order | None, bool]:
    """(year, month, day, what the numbers prove of the order, whether they read both ways)."""
    if found := _YEAR_FIRST.match(text):
        return int(found[1]), int(found[2]), int(found[3]), None, False
    if _WORD.search(text):
        return *_named(text), None, False
    found = _NUMBERS.match(text)
    if not found:
        raise ValueError(f"not a date: {text[:60]!r}")
    first, second, year = int(found[1]), int(found[3]), _year(found[4])
    if found[2] == ".":
        return year, second, first, None, False  # 20.12.2010: the day first, always
    if first > 12:
        return year, second, first, "day", False
    if second > 12:
        return year, first, second, "month", False
    return year, first, second, None, first != second


def _named(text: str) -> tuple[int, int, int]:
    """Year, month and day of a date with an English month name."""
    month, numbers = 0, []
    for part in re.split(r"[\s/.-]+", text):
        word = part.lower()
        if word in _MONTHS and not month:
            month = _MONTHS[word]
        elif number := re.fullmatch(r"(\d{1,4})(st|nd|rd|th)?", word):
            numbers.append(number[1])
        elif part:
            raise ValueError(f"not a date: {text[:60]!r}")
    if not month or len(numbers) != 2:
        raise ValueError(f"not a date: {text[:60]!r}")
    day, year = numbers if len(numbers[1]) > 2 or len(numbers[0]) < 3 else numbers[::-1]
    return _year(year), month, int(day)


def _year(text: str) -> int:
    """A year of two digits is one of 1970 to 2069."""
    year = int(text)
    return year if len(text) == 4 else year + (1900 if year >= 70 else 2000)
