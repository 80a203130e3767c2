"""How the change between two runs divides over their inputs, as a table and a sentence.

No Streamlit, no store.
"""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from dashboard.text.formats import signed
from dashboard.text.literal import md, plain

READINGS = {"rank": ("rank", 2, False), "margin": ("margin", 2, True), "ndcg10": ("NDCG@10", 3, True)}
"""What is divided -> its label, digits, and whether more is better."""

Found = Mapping[str, Any]
"""The result of the job (`engine.tasks.attribution`)."""


def whole(found: Found) -> bool:
    """Whether the parts sum to the change: all combinations were run."""
    return all(row["shapley"] for row in found["inputs"])


def table(found: Found, name: str) -> pd.DataFrame:
    """One row per input: its part of each change, or what swapping it alone and last changes; Markdown.

    name: of the other run.
    """
    ways = {"shapley": "its part of"} if whole(found) else {}
    ways |= {"alone": f"{name}'s in A:", "last": f"A's in {name} taken back:"}
    readings = [reading for reading in READINGS if reading in found["readings"]]
    rows = {
        md(row["label"]): {
            f"{said} {READINGS[reading][0]}": _cell(row[way][reading], reading)
            for way, said in ways.items()
            for reading in readings
        }
        for row in found["inputs"]
    }
    if whole(found):
        total = {
            f"its part of {READINGS[reading][0]}": _cell(found["readings"][reading]["change"], reading)
            for reading in readings
        }
        rows["**whole change**"] = total
    return pd.DataFrame.from_dict(rows, orient="index").fillna("")


def _cell(value: float, reading: str) -> str:
    _, digits, more_is_better = READINGS[reading]
    text = signed(value, digits)
    if not float(f"{value:.{digits}f}"):
        return f":gray[{text}]"
    better = (value > 0) == more_is_better
    return f":{'blue' if better else 'orange'}[**{text}** {'better' if better else 'worse'}]"


def sentence(found: Found) -> str:
    """Which input is answerable for most of the change of the margin, or of the rank without one. Plain."""
    reading = "margin" if "margin" in found["readings"] else "rank"
    label, digits, _ = READINGS[reading]
    change = found["readings"][reading]["change"]
    way = "shapley" if whole(found) else "alone"
    top = max(found["inputs"], key=lambda row: abs(row[way][reading]))
    part = signed(top[way][reading], digits)
    if not float(f"{top[way][reading]:.{digits}f}"):
        return f"No input changes the {label} noticeably."
    named = plain(top["label"], 60)
    if whole(found):
        return f"Of the change of the {label}, {signed(change, digits)}, most is due to {named}: {part}."
    return f"Swapped alone, {named} changes the {label} most: {part}, of {signed(change, digits)} in all."
