"""The leaderboard of an experiment as dots and tables: every row by a measure, and its difference from a
reference row.

Boundary: an experiment in, dots and tables out; any part of it may be missing. No Streamlit, no store.
"""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from dashboard.charts.dots import Dot
from dashboard.screens.experiments.experiment_text import (
    CHEAPER,
    DECIDING,
    KINDS,
    Experiment,
    Row,
    kind,
    label,
)
from dashboard.text.estimates import between, difference, p_cell, p_text, sure, verdict
from dashboard.text.formats import number, plural, signed
from dashboard.text.literal import md, plain
from db.experiments import MEASURES

TESTED_ON = "p by sign flips of the paired differences"


def ranked(experiment: Experiment, measure: str) -> list[Row]:
    """The rows that have a measure, the best first; what costs less is better."""
    rows = [row for row in experiment.rows if experiment.value(row, measure)]
    way = 1 if measure in CHEAPER else -1
    return sorted(rows, key=lambda row: way * (experiment.value(row, measure) or {})["mean"])


def dots_of(experiment: Experiment, measure: str, reference: str) -> tuple[list[Dot], float | None]:
    """A dot per row, best first, coloured where it differs from the reference row beyond chance; and the
    reference row's mean."""
    rows, line = [], None
    for row in ranked(experiment, measure):
        value = experiment.value(row, measure) or {}
        colour, hover = "same", kind(row)
        test = experiment.test(measure, reference, row["key"])
        name = label(row)
        if row["key"] == reference:
            colour, hover, line, name = "text", "the reference row", value["mean"], f"{name} ◆"
        elif test is not None:
            hover = f"{signed(test['mean'], 3)} against the reference, {_p(test)}"
            colour = ("up" if test["mean"] > 0 else "down") if sure(test) else "same"
        rows.append(Dot(name, value["mean"], value.get("low"), value.get("high"), colour, hover))
    return rows, line


def so_far(partial: Mapping[str, Any] | None) -> list[Dot]:
    """A dot per row of a running experiment, the highest first."""
    rows = (((partial or {}).get("so_far") or {}).get(DECIDING) or {}).items()
    dots = [
        Dot(plain(key, 90), value["mean"], value.get("low"), value.get("high"), "same", _lists(value))
        for key, value in rows
        if isinstance(value, Mapping) and value.get("mean") is not None
    ]
    return sorted(dots, key=lambda dot: -dot.mean)


def _lists(value: Mapping[str, Any]) -> str:
    return plural(value["n"], "list") if value.get("n") else ""


def table(experiment: Experiment) -> pd.DataFrame:
    """All measures of all rows as numbers, to sort: best first by the deciding one. Plain text."""
    rows = ranked(experiment, DECIDING) or list(experiment.rows)
    columns: dict[str, list[Any]] = {
        "row": [label(row) for row in rows],
        "kind": [kind(row) or "setting" for row in rows],
    }
    for measure, words in experiment.measures().items():
        columns[words] = [(experiment.value(row, measure) or {}).get("mean") for row in rows]
    deciding = [experiment.value(row, DECIDING) or {} for row in rows]
    if any(value.get("sd_draws") is not None for value in deciding):
        columns["draws"] = [row.get("draws") for row in rows]
        columns[f"sd of {MEASURES[DECIDING]} over draws"] = [value.get("sd_draws") for value in deciding]
    return pd.DataFrame(columns)


def numbers(experiment: Experiment) -> pd.DataFrame:
    """Every estimate and every comparison as a long table to take away: plain text and numbers."""
    labels, lines = experiment.labels, []
    for measure in experiment.measures():
        for each in experiment.rows:
            if value := experiment.value(each, measure):
                lines.append(_line(labels[each["key"]], "", measure, value))
    for measure, by_reference in (experiment.found.get("comparisons") or {}).items():
        for reference, tests in by_reference.items():
            for key, test in tests.items():
                row, against = (labels.get(str(name), str(name)) for name in (key, reference))
                lines.append(_line(row, against, measure, test))
    return pd.DataFrame(lines)


ENDS = ("mean", "low", "high", "n", "sd", "sd_draws", "p", "p_holm", "wins", "ties", "losses", "detectable")


def _line(row: str, against: str, measure: str, value: Mapping[str, Any]) -> dict[str, Any]:
    return {"row": row, "against": against, "measure": measure, **{name: value.get(name) for name in ENDS}}


def compared(experiment: Experiment, measure: str, reference: str) -> pd.DataFrame:
    """Every other row against the reference, best first. Markdown; empty where the measure is not tested."""
    rows = [
        (row, test)
        for row in ranked(experiment, measure)
        if row["key"] != reference and (test := experiment.test(measure, reference, row["key"]))
    ]
    if not rows:
        return pd.DataFrame()
    tests = [test for _, test in rows]
    return pd.DataFrame(
        {
            "": [marked(row) for row, _ in rows],
            "difference": [difference(test) for test in tests],
            "95 % interval": [between(test) for test in tests],
            "p": [_raw(test) for test in tests],
            "p, Holm": [p_cell(test.get("p_holm")) for test in tests],
            "win / tie / loss": [_counts(test) for test in tests],
            "smallest detectable": [number(test.get("detectable"), 3) for test in tests],
            "verdict": [verdict(test) if test.get("p") is not None else "too few users" for test in tests],
        }
    )


def marked(row: Row) -> str:
    """A row's label; controls and other systems grey. Markdown."""
    return f":gray[{md(label(row))}]" if kind(row) else md(label(row))


def _raw(test: Mapping[str, Any]) -> str:
    return p_cell(test.get("p")).strip("*")


def _counts(test: Mapping[str, Any]) -> str:
    counts = [test.get(name) for name in ("wins", "ties", "losses")]
    return "–" if None in counts else " / ".join(str(count) for count in counts)


def _p(test: Mapping[str, Any]) -> str:
    if test.get("p") is None:
        return "too few users to test"
    corrected = test.get("p_holm")
    holm = "" if corrected is None else f", Holm {p_cell(corrected).strip('*')}"
    return f"{p_text(test['p'])}{holm}"


def spread(experiment: Experiment) -> str:
    """How far rows move from draw to draw, in a sentence; empty where nothing was drawn twice. Plain text."""
    moved = [
        (value["sd_draws"], label(row))
        for row in experiment.rows
        if (value := experiment.value(row, DECIDING)) and value.get("sd_draws") is not None
    ]
    if not moved:
        return ""
    widest, name = max(moved)
    return (
        f"Draws: of the rows with random choices, the mean of {name} moves most from draw to draw, by a "
        f"standard deviation of {number(widest, 3)} {MEASURES[DECIDING]}."
    )


def controls(experiment: Experiment) -> str:
    """Which rows are no settings that are tried, in a sentence; empty without any. Plain text."""
    kinds = list(dict.fromkeys(found for row in experiment.rows if (found := kind(row))))
    if not kinds:
        return ""
    copies = " Copies rank by the demonstrations alone, without a model." if KINDS["copy"] in kinds else ""
    return f"Controls beside the settings: {', '.join(kinds)}.{copies}"
