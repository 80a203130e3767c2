"""What a study of contamination found, as a table: what is real beside its control. No Streamlit."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from dashboard.text.estimates import NO_BREAK, cell_text, is_estimate, p_cell
from dashboard.text.formats import count, signed
from dashboard.text.literal import md

STATES = {"yes": ":blue[**a sign**]", "no": "no sign", "unsure": "too few to say"}


def evidence_table(found: Mapping[str, Any]) -> pd.DataFrame:
    """A line per piece of evidence in Markdown; empty where the result has none."""
    rows = [row for row in found.get("evidence") or [] if is_estimate(row.get("difference"))]
    return pd.DataFrame(
        {
            "": [f"{md(row['label'])} :gray[{md(row['unit'])}]" for row in rows],
            "real": [f"{cell_text(row['real'])} {md(row['real_label'])}" for row in rows],
            "control": [f"{cell_text(row['control'])} {md(row['control_label'])}" for row in rows],
            "difference": [_difference(row["difference"]) for row in rows],
            "p, Holm": [p_cell(row["difference"].get("p_holm")) for row in rows],
            "n": [count(row["difference"]["n"]) for row in rows],
            "says": [STATES.get(row["state"], md(row["state"])) for row in rows],
        }
    )


def _difference(value: Mapping[str, Any]) -> str:
    mean = signed(value["mean"], 3)
    if value.get("low") is None:
        return mean
    between = f"{signed(value['low'], 3)} to {signed(value['high'], 3)}".replace(" ", NO_BREAK)
    return f"{mean}{NO_BREAK}:gray[{between}]"
