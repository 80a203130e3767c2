"""What a single value is: an id, a number, a date, nothing.

Boundary: one value at a time; no columns, no files.
"""

from __future__ import annotations

import re
from typing import Any

from engine.data.dates import parse_date

MAX_ID = 200  # characters
MISSING = frozenset(
    (
        "",
        "na",
        "n/a",
        "#n/a",
        "<na>",
        "nan",
        "null",
        "none",
        "nil",
        "undefined",
        "missing",
        "\\n",
        "(null)",
        "nat",
    )
)
"""What exports write where there is no value, in lower case."""
NO_ID = MISSING | {"-1", "-1.0", "?", "-", "#ref!", "#value!"}
"""The same for ids: pandas writes -1 for a category that is missing."""

_WHOLE = re.compile(r"-?\d{1,18}\.0+$")
_FRACTION = re.compile(r"-?\d*\.\d*[1-9]\d*$")
_SHORTENED = re.compile(r"\d(?:[.,](\d+)E\+?|E\+)(\d\d)$", re.I)
_DECIMAL_COMMA = re.compile(r"-?(\d+|\d{1,3}(\.\d{3})+),\d+$")
_THOUSANDS = re.compile(r"-?[1-9]\d{0,2}(,\d{3})+(\.\d+)?$")


def usable_id(text: str) -> bool:
    """True for a printable id of 1 to MAX_ID characters without space around it."""
    return 0 < len(text) <= MAX_ID and text.isprintable() and text == text.strip()


def id_text(value: Any) -> str:
    """The id as text without unprintable characters; "" where the value can be no id."""
    if isinstance(value, str):
        text = value.strip() if value.isprintable() else "".join(c for c in value.strip() if c.isprintable())
        return "" if text.lower() in NO_ID else text
    if isinstance(value, float) and value.is_integer():
        return id_text(str(int(value)))
    if value is None or isinstance(value, float | bool | bytes | dict | list | tuple):
        return ""
    return id_text(str(value))


def whole_id(text: str) -> str:
    """An id that a program wrote as a number with a point, 5.0, as the whole number it is."""
    return text.partition(".")[0] if text.endswith("0") and _WHOLE.match(text) else text


def is_fraction(text: Any) -> bool:
    """True for a number such as 1.5, where 1.0 beside it is no whole number."""
    return isinstance(text, str) and bool(_FRACTION.match(text))


def is_shortened(text: str) -> bool:
    """True for a number that a spreadsheet has shortened, such as 1.23457E+12; 1.5E+01 has all its digits."""
    found = _SHORTENED.match(text)
    return bool(found) and len(found[1] or "") < int(found[2])


def is_empty(value: Any) -> bool:
    """True for no value and for what exports write in its place."""
    return value is None or (isinstance(value, str) and value.strip().lower() in MISSING)


def number(value: Any) -> float:
    """A number as people write it: `1.5`, `1,5`, `1.234,5` or `1,234`; raises ValueError or TypeError."""
    try:
        return float(value)
    except ValueError:
        text = value.strip()
    if _THOUSANDS.match(text):
        return float(text.replace(",", ""))
    if _DECIMAL_COMMA.match(text):
        return float(text.replace(".", "").replace(",", "."))
    raise ValueError(f"not a number: {text[:40]!r}")


def is_number(text: object) -> bool:
    """True for what float() reads as a finite number."""
    try:
        return abs(float(text)) < float("inf")  # type: ignore[arg-type]
    except (ValueError, TypeError):
        return False


def is_date(text: object) -> bool:
    """True for a date or time that is not a bare number."""
    if not isinstance(text, str) or len(text.strip()) < 6 or is_number(text):
        return False
    try:
        parse_date(text)
    except (ValueError, OverflowError, OSError):
        return False
    return True
