"""Guided start: five steps on stored runs. Nothing is computed; it can be left and repeated at any time."""

from dataclasses import replace

import streamlit as st

from dashboard.report import guided
from dashboard.report.story import Step
from dashboard.screens.present import slides
from dashboard.state import links, session, widgets
from dashboard.state.view import from_request, to_params
from dashboard.ui import drawing, rights
from dashboard.ui.notices import LIBRARY, card, empty, told
from db import guided as stored
from db import jobs
from db.guided import Guided

PAGE = "tour"


def page() -> None:
    """Draw the step of the address, or say what is missing."""
    found = stored.find(session.store())
    if found is None:
        _nothing()
        return
    steps = guided.story(session.store(), found).steps
    at = min(max(links.number(st.query_params.get("step", "")) or 1, 1), len(steps)) - 1
    with card("tour", stretch=False), st.container(key="tour"):
        if at == guided.OFF:
            _turning(steps[at], found)
        else:
            _step(steps[at], f"{found.run.key[:12]}-{at}")
        if at == len(steps) - 1:
            _on(found)
        _keys(at, len(steps))


def _step(step: Step, key: str) -> None:
    slide = slides.Slide(step.title, step.finding, step.about, step.pictures, points=step.more)
    st.html(slides.head(slide))
    for picture in step.pictures:
        drawing.draw_wide(picture, f"tour-{key}")
    if step.more:
        st.html(slides.body(slide))


def _turning(step: Step, found: Guided) -> None:
    """The list follows the button, as it follows a weight on the desk; both lists are stored."""
    name, number = f"tour-off-{found.run.key[:12]}", found.good + 1
    off = widgets.kept(name, False)
    if not off:
        step = replace(step, finding=f"Turn demonstration {number} off and watch the gold line.")
    st.html(slides.head(slides.Slide(step.title, step.finding, step.about)))
    st.button(
        f"Turn demonstration {number} {'on again' if off else 'off'}",
        key=f"tour-turn-{'on' if off else 'off'}",
        type="secondary" if off else "primary",
        on_click=widgets.keep,
        args=(name, not off),
    )
    drawing.draw_wide(step.pictures[1 if off else 0], f"tour-{found.run.key[:12]}-{'off' if off else 'on'}")


def _on(found: Guided) -> None:
    """Where to go from here."""
    if rights.reads_only():
        st.caption(rights.READS_ONLY)
        return
    with st.container(horizontal=True, key="tour-on", gap="small"):
        st.page_link(LIBRARY[0], label="Import your own data", width="content")
        view = to_params(from_request(found.run.request))
        st.page_link(
            "screens/recommend/page.py", label="Open this run on the desk", query_params=view, width="content"
        )
        st.page_link("screens/studies/page.py", label="Start a study", width="content")


def _keys(at: int, count: int) -> None:
    with st.container(horizontal=True, vertical_alignment="center", key="tour-keys", gap="small"):
        for label, to, key in (("Back", at, "Left"), ("Next", at + 2, "Right")):
            st.button(
                label,
                key=f"tour-{label}",
                type="primary" if label == "Next" else "secondary",
                shortcut=key,
                disabled=not 1 <= to <= count,
                on_click=_go,
                args=(to,),
            )
        st.caption(f"Step {at + 1} of {count}. Leave it at any time; the Guide leads back here.")


def _go(step: int) -> None:
    st.query_params["step"] = str(step)


def _nothing() -> None:
    empty(
        "No stored run can show this yet",
        "It takes a run whose effects are measured, and the same run with its best demonstration at weight "
        "0. The set-up stores both.",
        160,
    )
    with st.container(horizontal=True, horizontal_alignment="center"):
        rights.work_button("Store the example runs", key="tour-setup", on_click=_set_up)


def _set_up() -> None:
    jobs.submit(session.store(), "setup", {})


with told():
    page()
