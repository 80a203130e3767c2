"""Unix seconds as moments of the calendar, from the year 1 to 9999; data may hold others."""

from datetime import UTC, datetime


def utc(seconds: float | None) -> datetime | None:
    """The moment in UTC; None for no seconds, and for those that the calendar does not have."""
    if seconds is None:
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, OSError, ValueError):
        return None


def day(seconds: int) -> str:
    """The day in UTC as 2015-01-31; the seconds themselves where the calendar does not have it."""
    when = utc(seconds)
    return f"{seconds} s" if when is None else when.strftime("%Y-%m-%d")
