"""The sentence that a stored study's result says of itself, where this version stands by it."""

from collections.abc import Mapping
from typing import Any

OUTDATED = (
    "An earlier version measured this: it counted ties against the target and corrected no p for the number "
    "of tests. Run the study again for a verdict."
)


def claim_of(found: Mapping[str, Any]) -> str:
    """Plain text; empty where the result says nothing of itself."""
    return OUTDATED if outdated(found) else str(found.get("claim") or "")


def outdated(found: Mapping[str, Any]) -> bool:
    """Whether an earlier version made the result's tests: it corrected no p."""
    tested = [
        value for test in found.get("tests") or [] for value in test.values() if isinstance(value, Mapping)
    ]
    return bool(tested) and all(value.get("p_holm") is None for value in tested)
