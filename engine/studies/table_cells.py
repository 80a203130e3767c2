"""How the command line shows a study's estimates and differences: text for the cells of its tables."""

from collections.abc import Mapping, Sequence
from typing import Any

Table = tuple[Sequence[str], list[list[Any]]]
"""Column names, and rows as long as they are."""


def interval(estimate: Mapping[str, Any]) -> str:
    """A mean with its interval, from `{mean, low, high}`."""
    return f"{estimate['mean']:.3f} ({between(estimate, '.3f')})"


def difference(test: Mapping[str, Any]) -> str:
    """A signed difference with its interval and p, from `{mean, low, high, p, p_holm}`."""
    return f"{test['mean']:+.3f} ({between(test, '+.3f')}), {p_values(test['p'], test.get('p_holm'))}"


def between(estimate: Mapping[str, Any], form: str) -> str:
    """The ends of an interval; too few users have none."""
    if estimate["low"] is None:
        return "no interval"
    return f"{estimate['low']:{form}} to {estimate['high']:{form}}"


def p_values(p: float, corrected: float | None) -> str:
    """p 0.0123 (Holm 0.0492)."""
    return f"p {p:.4f}" + ("" if corrected is None else f" (Holm {corrected:.4f})")
