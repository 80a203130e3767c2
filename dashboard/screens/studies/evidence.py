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
            "": [_head(row) for row in rows],
            "says": [
                f"{STATES.get(row['state'], md(row['state']))} :gray[n {count(row['difference']['n'])}]"
                for row in rows
            ],
            "real": [f"{cell_text(row['real'])} {md(row['real_label'])}" for row in rows],
            "control": [f"{cell_text(row['control'])} {md(row['control_label'])}" for row in rows],
            "difference, p by Holm": [_difference(row["difference"]) for row in rows],
        }
    )


def _head(row: Mapping[str, Any]) -> str:
    label, unit = str(row["label"]), str(row["unit"])
    return md(label) if unit in label else f"{md(label)} :gray[{md(unit)}]"


def _difference(value: Mapping[str, Any]) -> str:
    p = "" if value.get("p_holm") is None else f" p {p_cell(value['p_holm'])}".replace(" ", NO_BREAK)
    mean = signed(value["mean"], 3)
    if value.get("low") is None:
        return mean + p
    between = f"{signed(value['low'], 3)} to {signed(value['high'], 3)}".replace(" ", NO_BREAK)
    return f"{mean}{NO_BREAK}:gray[{between}]{p}"
