"""One tuning, live or finished, and the list of all: curve, numbers, recipe, next step."""

import time

import streamlit as st

from dashboard.screens.tune.curve_chart import HEIGHT_PX, curve, describe
from dashboard.screens.tune.tuning_text import (
    Tuning,
    numbers,
    recipe,
    sentence,
    table,
)
from dashboard.state import session
from dashboard.text.literal import md, plain
from dashboard.ui import opening, progress, rights, watched
from dashboard.ui.chart import chart
from dashboard.ui.notices import (
    colours,
    empty,
    looks,
    problem,
)
from db import models

LINE_PX = 46  # the line that says how far it is
ENDINGS = {"COMPLETED": "Done.", "STOPPED": "Stopped.", "ERROR": "Failed."}


SHELF = watched.Shelf("tune", Tuning, "tuning", "tune")


def one(tuning: Tuning | None) -> None:
    """The right card: looked up every second while the job is open."""
    if tuning is None:
        empty(
            "No tuning yet",
            "Choose a model and a data set on the left and start: the learning curve appears here.",
        )
        looks("tune")
        return
    SHELF.card(tuning, _one)


def _one(tuning: Tuning) -> None:
    with st.container(horizontal=True, vertical_alignment="center", key="tuning-head", border=False):
        st.subheader(md(tuning.title), anchor=False, width="stretch")
        _button(tuning)
    with st.container(height=LINE_PX, border=False, key="tuning-line", vertical_alignment="center"):
        _line(tuning)
    if tuning.job.state == "ERROR":
        problem(tuning.job.error or "The engine gave no reason.")
    st.caption(tuning.what.reading)
    _curve(tuning)
    cells = numbers(tuning)
    for cell, (label, value, note) in zip(st.columns(len(cells), gap="small"), cells, strict=True):
        cell.metric(label, value, delta=note or None, delta_color="off", delta_arrow="off")
    with st.container(key="verdict", gap="xsmall"):
        st.subheader("In one sentence", anchor=False)
        st.markdown(md(sentence(tuning)))
    with st.popover("Recipe", key="tuning-recipe"):
        st.caption("Everything the result depends on; equal settings on equal data are trained only once.")
        st.dataframe(recipe(tuning), hide_index=True, height=380, width=560, alt="Recipe")


def _line(tuning: Tuning) -> None:
    """What it does now and how far it is; for one that ended, how."""
    job = tuning.job
    if tuning.open:
        progress.line(job, "Tuning")
        return
    st.markdown(f"**{ENDINGS.get(job.state, job.state)}** {md(_after(tuning))}")


def _after(tuning: Tuning) -> str:
    """What became of a tuning that ended. Plain text."""
    if tuning.job.state != "COMPLETED":
        kept = "Its progress is kept: it resumes from its last checkpoint."
        return kept if tuning.resumable else "It had not reached a checkpoint."
    if tuning.model is None:
        return f"{tuning.what.label} is kept: its list is under Other lists on Recommend, and studies use it."
    return f"Registered as {plain(tuning.model)}."


def _button(tuning: Tuning) -> None:
    """The one thing to do with it now."""
    job = tuning.job
    if tuning.open:
        rights.change_button(
            "Stop",
            key=f"stop-tuning-{job.id}",
            disabled=job.stop_asked,
            on_click=progress.stop,
            args=(job.id,),
            help="Its progress is kept, so that it can resume.",
        )
    elif job.state == "COMPLETED":
        if st.button("Open in Recommend", key=f"use-{job.id}", type="primary"):
            _use(tuning)
    elif job.state in ("STOPPED", "ERROR"):
        label = "Resume" if tuning.resumable else "Try again"
        st.button(label, key=f"again-{job.id}", type="primary", on_click=SHELF.resume, args=(job.id,))


def _use(tuning: Tuning) -> None:
    dataset = str(tuning.asked.get("dataset"))
    if tuning.what.kind != "llm":  # its list stands beside the model's: Other lists
        opening.in_recommend(session.view_of(dataset))
    names = {model.name for model in models.listing(session.store())}
    if tuning.model not in names:
        problem(
            f"The model {tuning.model!r} was removed. Restore it from the bin of the Library, or train it "
            "again with the recipe below."
        )
        return
    opening.in_recommend(session.view_of(dataset, str(tuning.model)))


def _curve(tuning: Tuning) -> None:
    if tuning.what.measure is None:
        empty("No learning curve", "This recommender counts interactions; nothing is trained.", HEIGHT_PX)
        return
    points = tuning.curve
    if not points and tuning.open:
        empty("No point yet", "The first point appears after the first validation.", HEIGHT_PX)
        return
    if not points:
        empty("No learning curve", "It ended before the first validation.", HEIGHT_PX)
        return
    measure = tuning.what.measure
    figure, alt = curve(points, measure, colours()), describe(points, measure)
    chart(figure, f"curve-{tuning.job.id}", alt, "tuning curve", points)


def listing(all_of_them: list[Tuning], current: Tuning | None) -> None:
    """All tunings; a selected row is shown above."""
    frame = table(all_of_them, time.time())
    SHELF.listing(all_of_them, current, frame, {}, "Tunings, newest first")
