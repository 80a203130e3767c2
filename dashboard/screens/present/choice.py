"""What can be presented: the newest studies and experiments, starred runs and runs."""

from collections.abc import Sequence

import streamlit as st

from dashboard.screens.experiments.experiment_text import Experiment
from dashboard.screens.experiments.experiment_text import headline as claimed
from dashboard.screens.studies.conclusion import headline
from dashboard.screens.studies.study_text import Study
from dashboard.state import session
from dashboard.text.formats import ARROW, moment, rank_number
from dashboard.text.literal import md, plain
from dashboard.ui import run_picker
from dashboard.ui.notices import RECOMMEND, card, empty, heading
from db import jobs, runs
from db.runs import RunSummary

SCRIPT = "screens/present/page.py"
SHOWN = 8  # of each
KEYS = "Arrow keys lead through the steps, Home and End to the first and the last, Esc back to this list."


def draw() -> None:
    """The lists, each entry a link to its first step."""
    studies = [
        Study(job)
        for job in jobs.listing(session.store(), states=[jobs.COMPLETED], kinds=["study"], limit=SHOWN)
    ]
    experiments = [
        Experiment(job)
        for job in jobs.listing(session.store(), states=[jobs.COMPLETED], kinds=["experiment"], limit=SHOWN)
    ]
    found = _runs()
    if not studies and not experiments and not found:
        empty(
            "Nothing to present yet",
            "A stored run, a finished study or a finished experiment is shown here step by step.",
            200,
            RECOMMEND,
        )
        return
    left, right = st.columns(2, gap="small")
    with left, card("present-studies"):
        heading("Studies", f"The newest first. {KEYS}")
        for study in studies:
            _link(study.title, str(study.job.id), headline(study))
        if not studies:
            st.caption("None has finished yet.")
        if experiments:
            heading("Experiments", "The newest first.")
            for experiment in experiments:
                _link(experiment.title, str(experiment.job.id), claimed(experiment))
    with right, card("present-runs"):
        heading("Runs", "Starred ones first. Tick several on Runs to present them side by side.")
        for run in found:
            who = f"{plain(run.user_id, 40)} · {run_picker.chosen_by(run)}"
            _link(f"★ {who}" if run.starred else who, run.key, _about(run))
        if not found:
            st.caption("None is stored yet.")


def _runs() -> Sequence[RunSummary]:
    starred = runs.listing(session.store(), runs.Filter(starred=True), SHOWN)
    newest = runs.listing(session.store(), limit=SHOWN)
    return list({run.key: run for run in [*starred, *newest]}.values())[:SHOWN]


def _about(run: RunSummary) -> str:
    ranks = (rank_number(metrics["rank"]) for metrics in (run.metrics["zero_shot"], run.metrics))
    parts = [f"rank {f' {ARROW} '.join(ranks)}", plain(run.title, 60), f"{run.model} on {run.dataset}"]
    return " · ".join([*parts, moment(run.created_at, run_picker.time_zone()), *filter(None, [run.note])])


def _link(label: str, of: str, more: str) -> None:
    st.page_link(SCRIPT, label=md(label, 90), query_params={"of": of}, width="stretch")
    st.caption(md(more, 240))
