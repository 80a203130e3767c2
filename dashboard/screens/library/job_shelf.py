"""The Library's jobs: what the engine does and did."""

import time
from pathlib import Path

import pandas as pd
import streamlit as st

from dashboard.state import live as looking
from dashboard.state import session
from dashboard.state.work import ENDED, Work
from dashboard.text.claims import claim_of
from dashboard.text.domain import WORK
from dashboard.text.formats import seconds
from dashboard.text.literal import plain
from dashboard.ui import live, progress, rights
from dashboard.ui.notices import empty
from db import jobs
from db.jobs import Job

JOBS_SHOWN = 100
FEW = 12  # rows; more of them scroll
OPEN_SHOWN = 4
OUTCOMES = ("model", "dataset")  # of a result, the part that says what came out


def job_shelf() -> None:
    """The newest jobs, looked up every second while one is open; an open one can be stopped."""
    live.part(_jobs, look=looking.of_jobs)


def _jobs() -> None:
    known = jobs.listing(session.store(), limit=JOBS_SHOWN)
    if not known:
        empty("No jobs yet", "Everything the engine works on is listed here.", 100)
        return
    for job in [job for job in known if job.state not in ENDED][:OPEN_SHOWN]:
        with st.container(horizontal=True, vertical_alignment="center", key=f"open-job-{job.id}"):
            progress.line(job, what(job))
            rights.change_button("Stop", key=f"stop-job-{job.id}", on_click=progress.stop, args=(job.id,))
    st.dataframe(
        jobs_table(known, time.time()),
        key="jobs",
        hide_index=True,
        height="content" if len(known) < FEW else 420,
        column_config={
            "job": st.column_config.NumberColumn(width=45),
            "work": st.column_config.TextColumn(width=230),
            "state": st.column_config.TextColumn(width=70),
            "progress": st.column_config.ProgressColumn(min_value=0, max_value=1, format="percent", width=95),
            "filed": st.column_config.TextColumn(width=95),
            "took": st.column_config.TextColumn(width=75),
            "message": st.column_config.TextColumn(width="large"),
        },
        alt="Jobs, newest first",
    )


def jobs_table(known: list[Job], now: float) -> pd.DataFrame:
    """One row per job, newest first."""
    work = [Work(job) for job in known]
    return pd.DataFrame(
        {
            "job": [job.id for job in known],
            "work": [f"{what(job)}: {_of(job)}" for job in known],
            "state": [row.state for row in work],
            "progress": [1.0 if job.state == "COMPLETED" else job.progress for job in known],
            "filed": [row.filed(now) for row in work],
            "took": [seconds(row.took(now)) for row in work],
            "message": [plain(_message(job)) for job in known],
        }
    )


def what(job: Job) -> str:
    """The work in words. Plain text."""
    return plain(WORK.get(job.kind, job.kind))


def _of(job: Job) -> str:
    """For whom or on what, in a few words. Plain text."""
    asked = job.payload.get("request") or job.payload
    asked = asked if isinstance(asked, dict) else {}
    parts = [asked.get("user") or asked.get("study"), asked.get("dataset") or asked.get("name")]
    if not any(parts):
        parts = [Path(str(asked.get("path", ""))).name]
    return plain(" · ".join(str(part) for part in parts if part) or "–")


def _message(job: Job) -> str:
    """What it does now; of a finished one, what came out."""
    if job.state != "COMPLETED":
        return job.error or job.message or "–"
    result = job.result or {}
    if isinstance(result.get("question"), dict):
        return "not imported: most rows would be left out, and that was not accepted"
    if isinstance(result.get("guard"), dict) and result["guard"].get("reason"):
        return str(result["guard"]["reason"])
    if isinstance(result.get("run"), str):
        return f"run {result['run'][:10]}"
    if claim := claim_of(result):
        return claim
    return next((result[name] for name in OUTCOMES if isinstance(result.get(name), str)), "–")
