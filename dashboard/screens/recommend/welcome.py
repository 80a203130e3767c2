"""The offer of the guided start, while a workspace holds no more runs than the set-up stored."""

import streamlit as st

from dashboard.screens.recommend import BENCH
from dashboard.state import session, widgets
from db import guided, runs

SKIPPED = "guided-start-skipped"
_DRAWN = "welcome-drawn"  # in the session: whether the line stands on the page


def draw() -> None:
    """One line above the desk on a first visit; nothing once it was skipped or somebody ranked something."""
    st.session_state[_DRAWN] = not widgets.kept(SKIPPED, False) and _first()
    if not st.session_state[_DRAWN]:
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="welcome"):
        st.markdown("New here? See in one minute what a demonstration can do.", width="content")
        st.page_link("screens/tour/page.py", label="Guided start", width="content")
        st.button(
            "Skip", key="skip-guided-start", type="tertiary", on_click=widgets.keep, args=(SKIPPED, True)
        )


def around() -> str | None:
    """The fragment to draw when a ranking or its effects are there; none, so the whole page, while this line
    stands above it."""
    return None if st.session_state.get(_DRAWN) else BENCH


def _first() -> bool:
    """Whether all runs but one, the first that opens, are the ones that the set-up stored for the way."""
    newest = runs.listing(session.store(), limit=4)
    others = [run for run in newest if guided.TAG not in run.tags]
    return len(newest) > len(others) and len(others) <= 1
