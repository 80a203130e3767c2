"""One explanation of a run (`db.choices.EXPLANATIONS`): asked for by a button, kept by the store, drawn.

Boundary: a part's name and what draws its result in; the rest, from the button to the error, here.
"""

from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

from dashboard.state import session
from dashboard.state.measuring import file, obstacle
from dashboard.state.waiting import Answer
from dashboard.text.literal import md
from dashboard.ui import progress, rights
from dashboard.ui.notices import empty, problem
from db import jobs
from db.jobs import Job
from db.runs import Run

KIND = "explain"
Result = Mapping[str, Any]


def found(part: str, run: Run) -> Job | None:
    """The newest job of this part about this run; None where none was filed, or it was dropped."""
    about = {"part": part, "request": run.request.to_json(), "run": run.key}
    return next((job for job in jobs.about(session.store(), KIND, about, 1) if not job.dropped), None)


def draw(
    part: str,
    run: Run,
    verb: tuple[str, str],
    what: str,
    show: Callable[[Result], None],
    *,
    height: int = 240,
) -> None:
    """The result of this part; else a button and what it will show, how far it is, or why it failed.

    verb: what the button says and what is said meanwhile ("Measure tokens", "Measuring tokens"). what: what
    will be here and what it takes.
    """
    job = found(part, run)
    answer = None if job is None else Answer(job)
    if answer is not None and answer.result is not None:
        show(answer.result)
        for note in answer.result.get("notes") or []:
            st.caption(f":orange[Note:] {md(note, 400)}")
        return
    if answer is not None and answer.pending:
        progress.watch(answer.job, verb[1])
        st.skeleton(height=height)
        return
    if answer is not None and answer.error:
        problem(answer.error)
    reason = obstacle(run)
    with st.container(
        height=height, border=False, vertical_alignment="center", horizontal_alignment="center"
    ):
        empty("Not measured yet", what)
        rights.work_button(
            verb[0],
            key=f"explain-{part}-go",
            type="primary",
            disabled=reason is not None,
            help=md(reason) if reason else None,
            on_click=file,
            args=(KIND, run, {"part": part}),
        )
