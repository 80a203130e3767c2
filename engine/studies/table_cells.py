"""How the command line shows a study's estimates and differences: text for the cells of its tables."""

from collections.abc import Mapping, Sequence
from typing import Any

Table = tuple[Sequence[str], list[list[Any]]]
"""Column names, and rows as long as they are."""


def interval(estimate: Mapping[str, Any]) -> str:
    """A mean with its interval, from `{mean, low, high}`."""
    return f"{estimate['mean']:.3f} ({estimate['low']:.3f} to {estimate['high']:.3f})"


def difference(test: Mapping[str, Any]) -> str:
    """A signed difference with its interval and p, from `{mean, low, high, p}`."""
    return f"{test['mean']:+.3f} ({test['low']:+.3f} to {test['high']:+.3f}), p {test['p']:.4f}"
