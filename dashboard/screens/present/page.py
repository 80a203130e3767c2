"""Present: the story of a run, a comparison or a study, one finding at a time; read from the store alone.

The address says what is told and where it stands: `of` (the ids that `dualens report` takes) and `step`.
"""

import streamlit as st

from dashboard.report.kinds import story
from dashboard.report.story import Story
from dashboard.screens.present import choice, slides
from dashboard.screens.present.slides import Slide
from dashboard.state import links, session
from dashboard.ui import bare, drawing
from dashboard.ui.notices import problem, told
from db.errors import DualensError

PAGE = "present"


def page() -> None:
    """Draw the step of the address, else what can be shown."""
    ids = [each for each in st.query_params.get("of", "").split(",") if each]
    if not ids:
        choice.draw()
        return
    try:
        found = story(session.store(), ids)
    except DualensError as error:
        problem(str(error))
        choice.draw()
        return
    present(found)


def present(found: Story) -> None:
    """One step over the whole width, and the keys that lead on."""
    bare.draw()
    shown = slides.of(found)
    asked = links.number(st.query_params.get("step", "")) or 1
    at = min(max(asked, 1), len(shown)) - 1
    with st.container(key="presented", gap="small"):
        _slide(shown[at], f"{found.kind}-{'-'.join(found.ids)[:60]}-{at}")
    _foot(found, at, len(shown))


def _slide(slide: Slide, key: str) -> None:
    st.html(slides.head(slide))
    for number, picture in enumerate(slide.pictures):
        drawing.draw_wide(picture, f"presented-{key}-{number}")
    if slide.tables or slide.points:
        st.html(slides.body(slide))


def _foot(found: Story, at: int, count: int) -> None:
    """What is presented, where it stands, and quiet buttons, which the keys press."""
    with st.container(
        horizontal=True, vertical_alignment="center", horizontal_alignment="distribute", key="present-foot"
    ):
        st.html(slides.foot(found, at, count))
        with st.container(horizontal=True, width="content", gap="xsmall", key="present-keys"):
            # The keys work wherever the pointer is; they lead to the ends, and nowhere beyond them.
            for label, to, key in (
                ("First", 1, "Home"),
                ("Back", at, "Left"),
                ("Next", at + 2, "Right"),
                ("Last", count, "End"),
            ):
                off = to == at + 1 or not 1 <= to <= count
                st.button(
                    label,
                    key=f"present-{label}",
                    type="tertiary",
                    shortcut=key,
                    disabled=off,
                    on_click=_go,
                    args=(to,),
                )
            st.button("Close", key="present-close", type="tertiary", shortcut="Esc", on_click=_close)


def _go(step: int) -> None:
    st.query_params["step"] = str(step)


def _close() -> None:
    st.query_params.clear()


with told():
    page()
