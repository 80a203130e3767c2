"""The offer of the guided start, while a workspace holds no more runs than the set-up stored."""

import streamlit as st

from dashboard.state import session, widgets
from db import guided, runs

SKIPPED = "guided-start-skipped"


def draw() -> None:
    """One line above the desk on a first visit; nothing once it was skipped or somebody ranked something."""
    if widgets.kept(SKIPPED, False) or not _first():
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="welcome"):
        st.markdown("New here? See in one minute what a demonstration can do.", width="content")
        st.page_link("screens/tour/page.py", label="Guided start", width="content")
        st.button(
            "Skip", key="skip-guided-start", type="tertiary", on_click=widgets.keep, args=(SKIPPED, True)
        )


def _first() -> bool:
    """Whether all runs but one, the first that opens, are the ones that the set-up stored for the way."""
    newest = runs.listing(session.store(), limit=4)
    others = [run for run in newest if guided.TAG not in run.tags]
    return len(newest) > len(others) and len(others) <= 1
