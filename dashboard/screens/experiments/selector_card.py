"""Demonstrations only where they help: the rule that an experiment gives, and what it reaches."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from dashboard.screens.experiments.experiment_text import Experiment
from dashboard.state import session
from dashboard.state.waiting import Answer
from dashboard.text.estimates import cell_text, is_estimate
from dashboard.text.literal import md
from dashboard.ui import forms, progress, rights
from dashboard.ui.notices import heading, problem
from db import jobs
from db.requests import ExperimentRequest

KIND = "experiment_selector"
ARMS = {
    "selector": "where the rule says so",
    "always": "always",
    "never": "never",
    "oracle": "where they help (needs the target)",
}


def choices(experiment: Experiment) -> tuple[list[str], list[str]]:
    """Keys of the models' rows without demonstrations, and of those with some."""
    rows = [row for row in experiment.rows if row.get("kind") == "model"]
    demos = {row["key"]: str((row.get("values") or {}).get("demos", "none")) for row in rows}
    return [key for key, of in demos.items() if of == "none"], [
        key for key, of in demos.items() if of != "none"
    ]


def best_with(experiment: Experiment, without: str, with_: Sequence[str]) -> str:
    """The highest of these rows, of the same model as the one without demonstrations where there is any."""
    rows = {row["key"]: row for row in experiment.rows}

    def standing(key: str) -> tuple[bool, float]:
        models = [(rows[each].get("values") or {}).get("model") for each in (key, without)]
        reached = ((rows[key].get("measures") or {}).get("ndcg10") or {}).get("mean")
        return models[0] == models[1], -1.0 if reached is None else reached

    return max(with_, key=standing)


def draw(experiment: Experiment) -> None:
    """The card of a finished experiment that can have a rule, or has one."""
    heading(
        "For whom demonstrations pay off",
        "A rule of at most two questions says who gets demonstrations. It is learned from each user's "
        "earlier interaction and judged on the target.",
    )
    if (found := experiment.found.get("selector")) and found.get("arms"):
        _drawn(found)
        return
    without, with_ = choices(experiment)
    request, labels, job = experiment.request, experiment.labels, experiment.job.id
    if request is None or not (without and with_):
        return
    left, right = st.columns(2, gap="small")
    named = {"format_func": lambda key: labels.get(key, key)}
    reference = str(experiment.found.get("reference"))
    usual = reference if reference in without else without[0]
    with left:
        first = forms.choose("Without", f"experiment-rule-without-{job}", without, usual, **named)
    with right:
        start = best_with(experiment, first, with_)
        second = forms.choose("With", f"experiment-rule-with-{job}", with_, start, **named)
    payload = {"request": request.to_json(), "rows": [first, second]}
    newest = next(iter(jobs.about(session.store(), KIND, payload, limit=1)), None)
    if newest is not None and newest.state not in (jobs.COMPLETED, jobs.STOPPED, jobs.ERROR):
        progress.watch(newest, "Learning the rule")
        return
    if newest is not None and newest.result:
        _drawn(newest.result)
        return
    if newest is not None and (error := Answer(newest).error):
        problem(error)
    rights.work_button(
        "Learn the rule",
        key=f"experiment-rule-{job}",
        on_click=partial(_learn, request, first, second),
        help="Ranks each user's earlier interaction under both rows, so it takes about as long as they did.",
    )


def _learn(request: ExperimentRequest, first: str, second: str) -> None:
    jobs.submit(session.store(), KIND, {"request": request.to_json(), "rows": [first, second]})


def _drawn(found: Mapping[str, Any]) -> None:
    st.markdown(f"**{md(found.get('said') or found.get('words') or '')}**")
    st.table(table(found), border="horizontal", hide_index=True)
    if found.get("validation"):
        st.caption(f"Judged by {md(found['validation'])}.")


def table(found: Mapping[str, Any]) -> pd.DataFrame:
    """What each way to decide reaches. Markdown."""
    arms: Sequence[tuple[str, Mapping[str, Any]]] = [
        (words, found["arms"][name]) for name, words in ARMS.items() if is_estimate(found["arms"].get(name))
    ]
    return pd.DataFrame(
        {
            "demonstrations shown": [words for words, _ in arms],
            "NDCG@10": [cell_text(value) for _, value in arms],
        }
    )
