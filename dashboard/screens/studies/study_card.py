"""One study, live or finished, and the list of all: its table or chart, its tests, its sentence."""

import time

import streamlit as st

from dashboard.screens.studies.study_result import (
    ROOM_PX,
    result,
    table,
    take_away,
)
from dashboard.screens.studies.study_text import (
    Study,
    about,
    measured,
    sentence,
    so_far,
)
from dashboard.screens.studies.study_text import table as studies_table
from dashboard.text.literal import md
from dashboard.ui import progress, watched
from dashboard.ui.notices import HEAD_PX, empty, problem
from db import jobs
from db.jobs import Job

LINE_PX = 46  # the line that says how far it is
ENDED = {
    "COMPLETED": "Done.",
    "STOPPED": "Stopped. What it had measured is kept: it goes on from there.",
    "ERROR": "Failed. What it had measured is kept: it goes on from there.",
}


SHELF = watched.Shelf("study", Study, "study", "studies")


def one(study: Study | None) -> None:
    """The right card: looked up every second while the job is open."""
    if study is None:
        empty(
            "Nothing was studied yet",
            "Choose on the left and press Start: the table fills while it is measured.",
            ROOM_PX + 2 * LINE_PX,
        )
        return
    SHELF.card(study, _one)


def _one(study: Study) -> None:
    with st.container(
        horizontal=True, vertical_alignment="center", key="study-head", height=HEAD_PX, border=False
    ):
        st.subheader(md(study.title), anchor=False, width="stretch")
        if study.job.state == "COMPLETED":
            take_away(study)
        else:
            _button(study.job)
    room = LINE_PX if study.open else "content"
    with st.container(height=room, border=False, key="study-line", vertical_alignment="center"):
        _line(study)
    if study.job.state == "COMPLETED":
        result(study)
    else:
        _so_far(study)
    if study.job.state == "ERROR":
        problem(study.job.error or "The engine gave no reason.")
    if not study.open:
        with st.container(key="verdict", gap="xsmall"):
            st.subheader("In one sentence", anchor=False)
            st.markdown(md(sentence(study)))
            claim = study.found.get("claim")
            if claim and claim != sentence(study):
                st.caption(md(claim))
    for note in study.found.get("notes") or []:
        st.caption(f":orange[Note:] {md(note)}")


def _line(study: Study) -> None:
    """What it does now and how far it is; for one that ended, how and what was asked."""
    job = study.job
    if not study.open:
        told = md(about(study.found)) if study.found else ENDED.get(job.state, job.state)
        st.caption(told)
        return
    progress.line(job, "Measuring")


def _button(job: Job) -> None:
    if job.state in (jobs.QUEUED, jobs.RUNNING):
        st.button(
            "Stop",
            key=f"stop-study-{job.id}",
            disabled=job.stop_asked,
            on_click=progress.stop,
            args=(job.id,),
            help="What it has measured so far is kept, and it can go on from there.",
        )
        return
    if job.state in (jobs.STOPPED, jobs.ERROR):
        again = f"again-study-{job.id}"
        st.button("Resume", key=again, type="primary", on_click=SHELF.resume, args=(job.id,))


def _so_far(study: Study) -> None:
    told = so_far(study.job.partial)
    if told is None:
        wait = "Means appear after the first users." if study.open else "It ended before the first user."
        empty("No numbers yet", wait, ROOM_PX)
        return
    measure, means = told
    st.caption(
        f"{md(measured(measure))} so far, mean over the n users done. Intervals and tests come at the end."
    )
    table(means)


def listing(all_of_them: list[Study], current: Study | None) -> None:
    """All studies; a selected row is shown above."""
    frame = studies_table(all_of_them, time.time())
    wide = {"says": st.column_config.TextColumn(width="large")}
    SHELF.listing(all_of_them, current, frame, wide, "Studies, newest first")
