"""What of a stored run and of its effects never changes, and the digest that shows it."""

from collections.abc import Mapping
from typing import Any

from db.canonical import digest

_RUNS = (
    "key",
    "dataset",
    "user_id",
    "model",
    "request_digest",
    "request",
    "timings_ms",
    "summary",
    "result",
)
_EFFECTS = ("effects_key", "run_key", "options", "result", "timings_ms")
LASTING = {"runs": _RUNS, "effects": _EFFECTS}
"""By table: the columns that never change once a row is stored."""


def content(table: str, values: Mapping[str, Any]) -> str:
    """SHA-256 of a row's lasting columns, kept with it: it reads as it was written, or it is damaged."""
    return digest([values[name] for name in LASTING[table]])
