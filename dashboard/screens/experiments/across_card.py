"""Demonstrations over users: which help many, which hurt many, and those that help kept as a shared set."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from dashboard.screens.experiments.experiment_text import Experiment
from dashboard.state import session
from dashboard.text.estimates import between, p_cell, sure
from dashboard.text.formats import ARROW, plural, signed
from dashboard.text.literal import md, plain
from dashboard.ui import rights
from dashboard.ui.notices import heading, problem
from db import datasets, demonstrations, sets
from db.errors import DualensError
from db.requests.strategy_spec import MOST

SHOWN = 10  # of each end
Rows = Sequence[Mapping[str, Any]]


def draw(experiment: Experiment) -> None:
    """The card, where effects were measured."""
    found = experiment.found["across_users"]
    heading(
        "Demonstrations over users",
        "The effect of the same demonstration, in nats of margin, on all users who were shown it.",
    )
    st.markdown(md(found.get("said") or ""))
    every = found.get("demonstrations") or []
    if not every:
        return
    some = every if len(every) <= 2 * SHOWN else [*every[:SHOWN], *every[-SHOWN:]]
    st.caption("Blue and orange: beyond chance after Holm's correction. Most helpful first.")
    st.table(table(some, titles([row["id"] for row in some])), border="horizontal", hide_index=True)
    if found.get("helps") and not rights.reads_only():
        _save(experiment, found["helps"])


def titles(ids: Sequence[str]) -> dict[str, str]:
    """What each demonstration shows, in a line; an id that the store knows no longer is missing."""
    stored = demonstrations.get_many(session.store(), ids)
    lines = {}
    for name, shown in demonstrations.titles(session.store(), stored.values()).items():
        words = [title for _, title in shown]
        past = f"{plain(words[-2], 40)} {ARROW} " if len(words) > 1 else ""
        lines[name] = f"{past}{plain(words[-1], 40)}" if words else ""
    return lines


def table(rows: Rows, lines: Mapping[str, str]) -> pd.DataFrame:
    """Demonstrations with their effects. Markdown."""
    return pd.DataFrame(
        {
            "demonstration": [md(lines.get(row["id"]) or f"{row['id']} (not in the store)") for row in rows],
            "effect (nats)": [_effect(row) for row in rows],
            "95 % interval": [between(row) for row in rows],
            "users": [str(row.get("n", "–")) for row in rows],
            "helped / hurt": [f"{row.get('helped', '–')} / {row.get('hurt', '–')}" for row in rows],
            "p, Holm": [p_cell(row.get("p_holm")) for row in rows],
        }
    )


def _effect(row: Mapping[str, Any]) -> str:
    text = signed(row["mean"], 3)
    return f":{'blue' if row['mean'] > 0 else 'orange'}[**{text}**]" if sure(row) else text


def _save(experiment: Experiment, helps: Sequence[str]) -> None:
    """The form that keeps the most helpful ones for all users."""
    job, most = experiment.job.id, min(len(helps), MOST)
    with st.popover("Save as shared set", key=f"experiment-share-{job}"):
        st.caption("Keeps the most helpful demonstrations under a name, for all users of the data set.")
        name = st.text_input("Name", key=f"experiment-set-name-{job}", max_chars=200)
        many = st.number_input("How many", 1, most, value=min(4, most), key=f"experiment-set-many-{job}")
        if st.button("Save the set", type="primary", key=f"experiment-set-save-{job}", disabled=not name):
            try:
                kept = save(experiment, name, helps[:many])
            except DualensError as error:
                problem(str(error))
                return
            st.success(f"Saved as {md(kept.name)}: {plural(len(kept.members), 'demonstration')}.")


def save(experiment: Experiment, name: str, ids: Sequence[str]) -> sets.NamedSet:
    """A shared set of these. Raises BadInput and NotFound."""
    info = datasets.get(session.store(), str(experiment.asked["dataset"]))
    members = [sets.Member(each) for each in ids]
    note = f"Helpful to many users in experiment {experiment.job.id}"
    return sets.save(session.store(), info, name, members, None, note)
