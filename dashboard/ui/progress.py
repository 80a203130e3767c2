"""A job that takes longer than a page may wait: what it does, how far it is, and a way to stop it."""

import time
from collections.abc import Callable

import streamlit as st

from dashboard.state import live as looking
from dashboard.state import session
from dashboard.state.waiting import Answer, seen
from dashboard.state.work import ENDED, STATES
from dashboard.text.formats import seconds
from dashboard.text.literal import md
from dashboard.ui import dialogs, live, rights
from db import jobs, queue, workers
from db.jobs import Job
from db.time_left import time_left

STARTING_S = 45.0  # an engine that is being started loads its libraries first
STARTING = "waiting for the engine to start"
NO_SIGN = "the engine's process is there but gives no sign"
BUSY = "another program holds the store; it continues by itself when that ends"
WAITS = {  # what a queued job waits for, by how the engine stands
    workers.RUNS: "next in line; the engine begins in a moment",
    workers.SILENT: f"waiting; {NO_SIGN}",
    workers.LOCKED: f"waiting; {BUSY}",
    workers.RESTARTS: "waiting for the engine, which stopped unexpectedly and is being restarted",
    workers.NONE: "waiting for an engine. None is running: start one with `dualens` or `dualens worker`",
}
LOST = {  # what becomes of a running job whose process has ended
    workers.RUNS: "the engine process stopped unexpectedly; another one takes over",
    workers.SILENT: NO_SIGN,
    workers.LOCKED: BUSY,
    workers.RESTARTS: "the engine stopped unexpectedly and is being restarted; it then resumes this",
    workers.NONE: (
        "the engine stopped unexpectedly. Start it with `dualens` or `dualens worker`; it then resumes this"
    ),
}


def watch(job: Job, what: str | Callable[[Job], str], fragment: str | None = None) -> None:
    """Show a pending job and run the page again when it has ended. Keeps its height while it waits.

    `what`: what it does; it may depend on how the job stands. `fragment`: the key of the one that alone shows
    what the job makes.
    """
    live.part(_look, job.id, what, fragment, look=looking.of_job, of=(job.id,), job=job.id)


def _look(job_id: int, what: str | Callable[[Job], str], fragment: str | None) -> None:
    job = seen(session.store(), job_id)
    if job.state in ENDED and not dialogs.any_open():  # closing a dialog draws the page again
        live.again(fragment if job.state == jobs.COMPLETED else None)  # a failure may be noted elsewhere
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key=f"watch-{job_id}"):
        line(job, what if isinstance(what, str) else what(job))
        rights.change_button(
            "Stop",
            key=f"stop-{job_id}",
            on_click=stop,
            args=(job_id,),
            help="Ends this job. What is stored is kept.",
        )


def line(job: Job, what: str) -> None:
    """How far an open job is: its line, with a bar as soon as its progress is known."""
    now, look = time.time(), looking.now(session.store())
    engine, before = looking.of_engine(look), queue.before(look.open, job.id)
    text = describe(job, "Stopping" if job.stop_asked else what, now, engine, before)
    if job.progress is None:
        st.markdown(text, width="stretch")
    else:
        st.progress(min(1.0, max(0.0, job.progress)), text=text)


def later(answer: Answer, what: str, height: int, draw: Callable[[Answer], None]) -> None:
    """Draw an answer as soon as it is there, and until then how far it is, in its room of `height` pixels."""
    if answer.pending:
        job = answer.job.id
        live.part(_later, job, what, height, draw, look=looking.of_job, of=(job,), job=job)
    else:
        draw(answer)


def _later(job_id: int, what: str, height: int, draw: Callable[[Answer], None]) -> None:
    answer = Answer(seen(session.store(), job_id))
    if answer.pending:
        line(answer.job, what)
        st.skeleton(height=height)
    else:
        draw(answer)


@rights.changing
def stop(job_id: int) -> None:
    """End a job; what is stored is kept. Raises BadInput where visitors may not."""
    jobs.stop(session.store(), job_id)


def describe(job: Job, what: str, now: float, engine: str, before: int = 0) -> str:
    """One line of Markdown: what is being done, how far it is, time so far and time left.

    `engine`: how it stands, as `db.workers.engine` says. `before`: jobs that are done before it.
    """
    if job.state == "QUEUED":
        starting = engine == workers.NONE and now - job.created_at < STARTING_S
        if engine == workers.RUNS and before:
            return f"{md(what)}: waiting, {before} before you."
        return f"{md(what)}: {STARTING if starting else WAITS[engine]}."
    if job.state in ENDED:
        return f"{md(what)}: {STATES[job.state]}."
    if workers.owner_ended(job.owner, job.heartbeat_at or job.created_at, now):
        return f"{md(what)}: {LOST[engine]}."
    parts = [md(what)]
    if job.message:
        parts.append(md(job.message, 120))
    if job.started_at:
        parts.append(seconds(max(0.0, now - job.started_at)))
    if left := time_left(job.left_low_s, job.left_high_s):
        parts.append(left)
    if job.attempts > 1:
        parts.append(f"attempt {job.attempts}")
    return " · ".join(parts)
