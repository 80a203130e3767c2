"""One study, running or ended, and the list of all: its table or chart, its tests, its sentence."""

import streamlit as st

from dashboard.screens.studies.conclusion import conclusion
from dashboard.screens.studies.study_list import about
from dashboard.screens.studies.study_list import table as studies_table
from dashboard.screens.studies.study_result import (
    ROOM_PX,
    result,
    table,
    take_away,
)
from dashboard.screens.studies.study_text import Study, measured, so_far
from dashboard.state import session
from dashboard.text.literal import md
from dashboard.ui import progress, rights, sharing, watched
from dashboard.ui.notices import HEAD_PX, empty, looks, problem
from db import contamination, jobs
from db.jobs import Job

LINE_PX = 70  # which numbers these are, and how far they are
ENDED = {
    "COMPLETED": "Done.",
    "STOPPED": "Stopped. What it measured is kept, and Resume continues from there.",
    "ERROR": "Failed. What it measured is kept, and Resume continues from there.",
}


SHELF = watched.Shelf("study", Study, "study", "studies")


def one(study: Study | None) -> None:
    """The right card: looked up every second while the job is open."""
    if study is None:
        empty(
            "No study yet",
            "Choose a study on the left and start it. Its table fills while it is measured.",
        )
        looks("studies")
        return
    SHELF.card(study, _one)


def _one(study: Study) -> None:
    with st.container(
        horizontal=True, vertical_alignment="center", key="study-head", height=HEAD_PX, border=False
    ):
        st.subheader(md(study.title), anchor=False, width="stretch")
        if study.job.state == "COMPLETED":
            take_away(study)
            sharing.draw(str(study.job.id))
        else:
            _button(study.job)
    room = LINE_PX if study.open else "content"
    with st.container(height=room, border=False, key="study-line", gap="xxsmall"):
        st.caption(md(about(study)))
        if study.open:
            progress.line(study.job, "Measuring")
        elif study.job.state != "COMPLETED":
            st.caption(ENDED.get(study.job.state, study.job.state))
    if study.job.state == "COMPLETED":
        with st.container(key="study-results"):
            result(study)
    else:
        _so_far(study)
    if study.job.state == "ERROR":
        problem(study.job.error or "The engine gave no reason.")
    if not study.open:
        with st.container(key="verdict", gap="xsmall"):
            st.subheader("In one sentence", anchor=False)
            short, more = conclusion(study)
            st.markdown(md(short))
            if more:
                st.caption("\n".join(f"- {md(sentence)}" for sentence in more))
            _known(study)
    for note in study.found.get("notes") or []:
        st.caption(f":orange[Note:] {md(note)}")


def _known(study: Study) -> None:
    """How far the model knew the data set's titles, which all other studies take for granted."""
    if study.asked.get("study") == contamination.STUDY:
        return
    dataset, model = str(study.asked.get("dataset")), str(study.asked.get("model") or "embedded")
    st.caption(md(contamination.line(session.store(), dataset, model)))


def _button(job: Job) -> None:
    if job.state in (jobs.QUEUED, jobs.RUNNING):
        rights.change_button(
            "Stop study",
            key=f"stop-study-{job.id}",
            disabled=job.stop_asked,
            on_click=progress.stop,
            args=(job.id,),
            help="What it has measured so far is kept, and Resume continues from there.",
        )
        return
    if job.state in (jobs.STOPPED, jobs.ERROR):
        again = f"again-study-{job.id}"
        rights.work_button("Resume study", key=again, type="primary", on_click=SHELF.resume, args=(job.id,))


def _so_far(study: Study) -> None:
    means = so_far(study.job.partial)
    if means is None:
        wait = (
            "Means appear after the first users."
            if study.open
            else "It ended before the first user was done."
        )
        empty("No numbers yet", wait, ROOM_PX)
        return
    measure, frame = means
    st.caption(
        f"{md(measured(measure))} so far: mean over the users done and 95 % interval, the highest in bold. "
        "Paired tests follow at the end."
    )
    table(frame)


def listing(all_of_them: list[Study], current: Study | None) -> None:
    """All studies; a selected row is shown above."""
    columns = {
        "result": st.column_config.TextColumn(width="large"),
        "filed": st.column_config.DatetimeColumn(format="D MMM YYYY, HH:mm"),
    }
    SHELF.listing(all_of_them, current, studies_table(all_of_them), columns, "Studies, newest first")
