"""The rows of the table, and what a person edited in it. No Streamlit, no store."""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, tzinfo
from statistics import median
from typing import Any

import pandas as pd

from dashboard.text import values
from dashboard.text.formats import moment, plural, rank_number
from dashboard.text.literal import plain
from db.choices import TEMPLATES
from db.runs import CUSTOM_SET, RunSummary

PICK, STAR, TAGS, NOTE = "pick", "star", "tags", "note"
EDITED = (PICK, STAR, TAGS, NOTE)
LETTERS = 60  # of a name in a cell
HIT = 10

Edits = Mapping[int, Mapping[str, Any]]
"""What a person changed: by row, by column."""


def frame(runs: Sequence[RunSummary], picked: Collection[str], zone: tzinfo = UTC) -> pd.DataFrame:
    """One row per run; cells are shown as they are, so they hold plain text."""
    rows = [
        {
            PICK: run.key in picked,
            STAR: run.starred,
            "when": moment(run.created_at, zone),
            "user": plain(run.user_id, LETTERS),
            "strategy": strategy(run),
            "k": run.demonstrations,
            "rank": run.metrics.get("rank"),
            "without": (run.metrics.get("zero_shot") or {}).get("rank"),
            "margin": run.margin,
            "NDCG@10": run.metrics.get("ndcg10"),
            TAGS: list(run.tags),
            NOTE: run.note,
            "data set": plain(run.dataset, LETTERS),
            "model": plain(run.model, LETTERS),
            "scoring": plain(run.request.scoring, LETTERS),
            "template": values.label(TEMPLATES, run.request.template),
            "seconds": None if (total := run.timings_ms.get("total")) is None else total / 1000,
        }
        for run in runs
    ]
    return pd.DataFrame(rows)


def strategy(run: RunSummary) -> str:
    """How its demonstrations were chosen, without their number."""
    if run.request.demonstrations is not None:
        return CUSTOM_SET if run.request.demonstrations else values.strategy_name("none")
    return values.strategy_name(run.request.demos)


def fresh(edits: Edits, before: Edits) -> dict[int, dict[str, Any]]:
    """What was edited since `before`: a table tells all edits again with each new one, and writing old ones
    again would undo what others wrote meanwhile."""
    changed = {
        row: {name: value for name, value in cells.items() if before.get(row, {}).get(name, ...) != value}
        for row, cells in edits.items()
    }
    return {row: cells for row, cells in changed.items() if cells}


def marks(cells: Mapping[str, Any]) -> dict[str, Any]:
    """What edited cells of a row change about its run, as `db.runs.annotate` takes it."""
    found: dict[str, Any] = {}
    if STAR in cells:
        found["starred"] = bool(cells[STAR])
    if TAGS in cells:
        found["tags"] = [str(tag) for tag in cells[TAGS] or []]
    if NOTE in cells:
        found["note"] = cells[NOTE] or ""
    return found


def sentence(runs: Sequence[RunSummary]) -> str:
    """What the runs of this page say together. Plain text."""
    ranks = [run.metrics["rank"] for run in runs if run.metrics.get("rank") is not None]
    if not ranks:
        return "None of the runs shown ranks a target."
    middle = rank_number(float(median(ranks)))
    if len(ranks) == 1:
        return f"The only run shown that ranks a target has it at rank {middle}."
    hits = sum(rank <= HIT for rank in ranks)
    have = "has" if hits == 1 else "have"
    return (
        f"Of the {plural(len(ranks), 'run')} shown that rank a target, {hits} {have} it among the first "
        f"{HIT}; its median rank is {middle}."
    )
