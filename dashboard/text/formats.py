"""Numbers, dates and sizes as people read them: real minus signs, units, one way each."""

from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from typing import Any

from db.moments import utc
from db.ratings import FIVE_STARS, Scale

MINUS = "−"
ARROW = "→"


def signed(value: float | None, digits: int = 2) -> str:
    """+1.74, −0.26, 0.00; a value that rounds to zero carries no sign."""
    if value is None:
        return "–"
    text = f"{abs(value):.{digits}f}"
    if not float(text):
        return text
    return f"+{text}" if value > 0 else f"{MINUS}{text}"


def number(value: float | None, digits: int = 2) -> str:
    """A plain number with a real minus sign."""
    if value is None:
        return "–"
    return f"{value:.{digits}f}".replace("-", MINUS)


def count(value: int | None) -> str:
    """12,345."""
    return "–" if value is None else f"{value:,}"


def plural(value: int, singular: str, many: str | None = None) -> str:
    """1 item, 3 items."""
    return f"{count(value)} {singular if value == 1 else many or singular + 's'}"


def ordinal(value: int) -> str:
    """1st, 2nd, 3rd, 11th."""
    suffix = "th" if value % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(value % 10, "th")
    return f"{value}{suffix}"


def rank(metrics: Mapping[str, Any]) -> str:
    """3rd; 3rd–6th (tied with 3 others), where ties leave the order open.

    metrics: `{rank}`, the expected rank, with `tied` where others have the target's score.
    """
    tied = metrics.get("tied") or 0
    if not tied:
        return ordinal(round(metrics["rank"]))
    first, last = (round(metrics["rank"] + side * tied / 2) for side in (-1, 1))
    return f"{ordinal(first)}–{ordinal(last)} (tied with {plural(tied, 'other')})"


def rank_number(value: float | None) -> str:
    """An expected rank as a number: 3, or 4.5 where ties leave the order open."""
    return number(value, 0 if value is None or value == round(value) else 1)


def seconds(value: float | None) -> str:
    """A duration: 0 s, 84 ms, 0.21 s, 12.4 s, 3 min 05 s, 2 h 10 min."""
    if value is None:
        return "–"
    if value == 0:
        return "0 s"
    if value < 0.1:
        return f"{value * 1000:.0f} ms"
    if value < 10:
        return f"{value:.2f} s"
    if value < 60:
        return f"{value:.1f} s"
    if value < 3600:
        return f"{int(value // 60)} min {int(value % 60):02d} s"
    return f"{int(value // 3600)} h {int(value % 3600 // 60):02d} min"


def size(value: float | None) -> str:
    """A number of bytes: 812 B, 4.2 MB, 1.3 GB (powers of 1000)."""
    if value is None:
        return "–"
    for unit in ("B", "kB", "MB", "GB"):
        if abs(value) < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def parameters(value: int | None) -> str:
    """A model's size: 9.8 M, 1.2 B parameters."""
    if not value:
        return "–"
    for scale, unit in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if value >= scale:
            return f"{value / scale:.1f} {unit}"
    return str(value)


def day(timestamp: int | float | None, *, year: bool = True) -> str:
    """3 Mar 2021 (UTC), from unix seconds; a dash when unknown."""
    moment = _moment(timestamp)
    if moment is None:
        return "–"
    return f"{moment.day} {moment:%b %Y}" if year else f"{moment.day} {moment:%b}"


def moment(timestamp: datetime | int | float | None, zone: tzinfo = UTC) -> str:
    """3 Mar 2021, 14:05, in this time zone."""
    when = _moment(timestamp)
    if when is None:
        return "–"
    when = when.astimezone(zone)
    return f"{when.day} {when:%b %Y, %H:%M}"


def _moment(timestamp: datetime | int | float | None) -> datetime | None:
    return timestamp if isinstance(timestamp, datetime) else utc(timestamp)


def ago(timestamp: datetime | int | float | None, now: float) -> str:
    """just now, 5 min ago, 3 h ago, then the date. `now`: seconds since 1970, as `time.time()`."""
    when = _moment(timestamp)
    if when is None:
        return "–"
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    past = now - when.timestamp()
    if past < 60:
        return "just now"
    if past < 3600:
        return f"{int(past // 60)} min ago"
    if past < 86400:
        return f"{int(past // 3600)} h ago"
    return day(when.timestamp())


def stars(rating: float | None, scale: Scale = FIVE_STARS) -> str:
    """★★★★½ on a scale of five stars; a number on others; nothing when there is no rating."""
    if rating is None or rating != rating:
        return ""
    if not (scale.stars and 0 <= rating <= 5):
        return f"rated {rating:g}" + ("" if scale.counts or scale.stars else f" of {scale.high:g}")
    halves = round(rating * 2)
    return ("★" * (halves // 2) + ("½" if halves % 2 else "")) or "no stars"
