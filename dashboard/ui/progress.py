"""A job that takes longer than a page may wait: what it does, how far it is, and a way to stop it."""

import time
from collections.abc import Callable

import streamlit as st

from dashboard.state import session
from dashboard.state.waiting import ENDED, STATES, Answer, seen
from dashboard.text.formats import seconds
from dashboard.text.literal import md
from dashboard.ui import dialogs
from dashboard.ui.notices import told
from db import jobs, workers
from db.jobs import Job

LOOK_S = 0.5
STARTING_S = 45.0  # an engine that is being started loads its libraries first
NO_ENGINE = (
    "No engine is running, so this waits in the queue. Start it with `dualens` "
    "(or `dualens worker`) and it goes on by itself."
)


def watch(job: Job, what: str) -> None:
    """Show a pending job and run the page again when it has ended. Keeps its height while it waits."""
    st.fragment(told()(_look), run_every=LOOK_S)(job.id, what)


def _look(job_id: int, what: str) -> None:
    job = seen(session.store(), job_id)
    if job.state in ENDED and not dialogs.any_open():  # closing a dialog draws the page again
        st.rerun()
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key=f"watch-{job_id}"):
        line(job, what)
        st.button(
            "Stop",
            key=f"stop-{job_id}",
            on_click=stop,
            args=(job_id,),
            help="Ends this job; what is stored stays.",
        )


def line(job: Job, what: str) -> None:
    """How far an open job is: its line, with a bar as soon as the engine says."""
    text = describe(
        job, "Stopping" if job.stop_asked else what, time.time(), bool(workers.alive(session.store()))
    )
    if job.progress is None:
        st.markdown(f":shimmer[{text}]" if job.state == "RUNNING" else text, width="stretch")
    else:
        st.progress(min(1.0, max(0.0, job.progress)), text=text)


def later(answer: Answer, what: str, height: int, draw: Callable[[Answer], None]) -> None:
    """Draw an answer as soon as it is there, and until then how far it is, in its room of `height` pixels."""
    if answer.pending:
        st.fragment(told()(_later), run_every=LOOK_S)(answer.job.id, what, height, draw)
    else:
        draw(answer)


def _later(job_id: int, what: str, height: int, draw: Callable[[Answer], None]) -> None:
    answer = Answer(seen(session.store(), job_id))
    if answer.pending:
        line(answer.job, what)
        st.skeleton(height=height)
    else:
        draw(answer)


def stop(job_id: int) -> None:
    """Ask for the end of a job; what is stored stays."""
    jobs.stop(session.store(), job_id)


def describe(job: Job, what: str, now: float, engine_alive: bool) -> str:
    """One line of Markdown: what is being done, the engine's own words, time so far and time left."""
    if job.state == "QUEUED":
        if not engine_alive:
            return (
                f"{md(what)}: waiting for the engine to start."
                if now - job.created_at < STARTING_S
                else NO_ENGINE
            )
        return f"{md(what)}: waiting for the engine to finish what it is doing."
    if job.state in ENDED:
        return f"{md(what)}: {STATES[job.state]}."
    parts = [md(what)]
    if job.message:
        parts.append(md(job.message, 120))
    if job.started_at:
        spent = max(0.0, now - job.started_at)
        said = job.message.endswith(" left")  # a job that knows better says so itself
        parts.append(f"{seconds(spent)} so far" if said else seconds(spent))
        if not said and job.progress and 0.02 < job.progress < 1 and spent > 2:
            parts.append(f"about {seconds(spent * (1 - job.progress) / job.progress)} left")
    if job.attempts > 1:
        parts.append(f"attempt {job.attempts}")
    return " · ".join(parts)
