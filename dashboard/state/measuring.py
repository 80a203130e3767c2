"""Measurements of one stored run that a page asks for: effects, their spread, forward tuning.

The engine measures what a request means now. Where that is no longer the run that is shown, nothing is asked
for, so that no run is given another one's numbers.
"""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from dashboard.state import session
from dashboard.state.outcome import DIRECT, ESTIMATE
from dashboard.state.waiting import ask, let_go
from db import jobs
from db.errors import DualensError
from db.jobs import Job
from db.requests import request_digest
from db.runs import Run

_FILED = "measurements"  # job -> the run it is about


def obstacle(run: Run) -> str | None:
    """Why this run's demonstrations cannot be measured; None where they can. Plain text."""
    if not run.result["demonstrations"]:
        return "The run has no demonstrations."
    if run.request.prompts > 1:
        return "The run averages several prompts. Effects belong to the demonstrations of one prompt."
    if run.request.scoring == "free":
        return "The run was ranked by free text. Effects are on likelihoods, which it has none of."
    try:
        same = request_digest(session.store(), run.request) == run.request_digest
    except DualensError as error:  # the data set or the model was deleted
        return str(error)
    if not same:
        return "The data set, the model or the engine has changed since this run. Run it again first."
    return None


def newest(kind: str, run: Run, mode: str = DIRECT) -> Job | None:
    """The newest job of this kind about this run; None where it was dropped, as if it had not been filed."""
    for job in jobs.about(session.store(), kind, {"request": run.request.to_json()}):
        # A job that does not name its run may be older than the run: of a model that was replaced since.
        same_run = job.payload["run"] == run.key if "run" in job.payload else job.created_at >= run.created_at
        if same_run and job.payload.get("mode", DIRECT) == mode:
            return None if job.dropped else job
    return None


def file_effects(run: Run, mode: str = DIRECT, proxy: str | None = None) -> None:
    """Ask for the effects of a run; what leaving one out means is `mode`. `proxy`: a local model whose
    effects are to stand beside those of an endpoint's."""
    _file("effects", run, {**ESTIMATE, "mode": mode, **({"proxy": proxy} if proxy else {})})


def file(kind: str, run: Run, options: Mapping[str, Any]) -> None:
    """Ask for another measurement of a run."""
    _file(kind, run, {"run": run.key, **options})


def let_go_of_others(*shown: Run) -> None:
    """Drop what this session asked about runs that its page no longer shows."""
    filed = _filed()
    for job_id, key in list(filed.items()):
        if key not in [run.key for run in shown]:
            let_go(session.store(), job_id)
            del filed[job_id]


def _file(kind: str, run: Run, options: Mapping[str, Any]) -> None:
    answer = ask(session.store(), kind, {"request": run.request.to_json(), **options})
    _filed()[answer.job.id] = run.key


def _filed() -> dict[int, str]:
    return st.session_state.setdefault(_FILED, {})
