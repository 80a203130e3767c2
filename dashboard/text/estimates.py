"""Means, paired differences and their p values, as every page writes them, in Markdown.

Boundary: no Streamlit, no store.
"""

from collections.abc import Mapping
from typing import Any, TypeGuard

from dashboard.text.formats import number, signed

SURE = 0.05
NO_BREAK = "\u00a0"


def is_estimate(value: object) -> TypeGuard[Mapping[str, Any]]:
    """Whether this is a mean over users."""
    return isinstance(value, Mapping) and "mean" in value


def cell_text(value: Mapping[str, Any], *, best: bool = False) -> str:
    """A mean and its interval, where it has one, as Markdown."""
    mean = f"**{number(value['mean'], 3)}**" if best else number(value["mean"], 3)
    if value.get("low") is None:
        return mean
    interval = f"{number(value['low'], 3)} to {number(value['high'], 3)}".replace(" ", NO_BREAK)
    return f"{mean}{NO_BREAK}:gray[{interval}]"


def verdict(value: Mapping[str, Any]) -> str:
    """Whether a paired difference is one: by p corrected for the other tests beside it.

    Results of earlier versions hold no corrected p, so they are never called sure.
    """
    if sure(value):
        return "better" if value["mean"] > 0 else "worse"
    return "not sure: one of several tests" if value["p"] < SURE else "no clear difference"


def sure(value: Mapping[str, Any]) -> bool:
    """Whether a paired difference is beyond chance after Holm's correction."""
    return value.get("p_holm") is not None and value["p_holm"] < SURE


def between(value: Mapping[str, Any]) -> str:
    """The interval of a difference."""
    if value.get("low") is None:
        return "too few users"
    return f"{signed(value['low'], 3)} to {signed(value['high'], 3)}"


def difference(value: Mapping[str, Any]) -> str:
    """A difference with its sign; coloured and bold where it is beyond chance."""
    text = signed(value["mean"], 3)
    if not sure(value):
        return text
    return f":{'blue' if value['mean'] > 0 else 'orange'}[**{text}**]"


def p_text(p: float) -> str:
    """p of a test, as papers write it."""
    return f"p <{NO_BREAK}0.001" if p < 0.001 else f"p = {p:.3f}"


def p_cell(p: float | None) -> str:
    """p in a table; small ones bold."""
    if p is None:
        return "–"
    text = p_text(p).removeprefix("p").removeprefix(" = ").lstrip()
    return f"**{text}**" if p < SURE else text
