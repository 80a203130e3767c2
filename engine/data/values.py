"""What a single value is: an id, a number, a date, nothing.

Boundary: one value at a time; no columns, no files.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

MAX_ID = 200  # characters
_SLASHED = re.compile(r"^(\d{4})/(\d{1,2})/(\d{1,2})")


def usable_id(text: str) -> bool:
    """True for a printable id of 1 to MAX_ID characters without space around it."""
    return 0 < len(text) <= MAX_ID and text.isprintable() and text == text.strip()


def id_text(value: Any) -> str:
    """The id as text without unprintable characters; "" where the value can be no id."""
    if isinstance(value, str):
        return "".join(c for c in value.strip() if c.isprintable())
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return "" if value is None or isinstance(value, float | bool | dict | list) else str(value)


def is_empty(value: Any) -> bool:
    """True for no value and for what exports write in its place."""
    return value is None or (
        isinstance(value, str) and value.strip().lower() in ("", "nan", "null", "none", "na")
    )


def parse_date(text: str) -> float:
    """Unix seconds of an ISO 8601 date or time (UTC unless it says otherwise); raises ValueError."""
    text = _SLASHED.sub(lambda m: f"{m[1]}-{int(m[2]):02}-{int(m[3]):02}", text.strip())
    moment = datetime.fromisoformat(text.removesuffix(" UTC"))
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def is_number(text: object) -> bool:
    """True for what float() reads as a finite number."""
    try:
        return abs(float(text)) < float("inf")  # type: ignore[arg-type]
    except (ValueError, TypeError):
        return False


def is_date(text: object) -> bool:
    """True for an ISO date or time that is not a bare number."""
    if not isinstance(text, str) or len(text.strip()) < 8 or is_number(text):
        return False
    try:
        parse_date(text)
    except (ValueError, OverflowError, OSError):
        return False
    return True
