"""Marks what still shows the answer to another question, while the page waits for the new one.

Streamlit leaves the parts that a draw has not reached as they were. A mark, drawn before the wait, lets the
style sheet hide them where they belong to another user or model, and grey them where only a setting changed.
"""

from typing import Any

import streamlit as st

from dashboard.state.view import View
from db.runs import Run

LIST, DESK = "list", "desk"
_SHOWN = "shown-question"  # in the session: data set, user and model of the list that the browser shows


def places() -> dict[str, Any]:
    """Where the marks stand; call it before anything that may be outdated is drawn."""
    return {part: st.empty() for part in (LIST, DESK)}


def mark(place: Any, part: str, view: View) -> None:
    """Mark the part as outdated, if anything is shown at all."""
    shown = st.session_state.get(_SHOWN)
    if shown is not None:
        kind = "old" if shown == (view.dataset, view.user, view.model) else "gone"
        place.container(key=f"{kind}-{part}").html("<i></i>")


def shown(run: Run | None) -> None:
    """Note whose list the browser shows from now on."""
    asked = run.request if run else None
    st.session_state[_SHOWN] = (asked.dataset, asked.user, asked.model) if asked else None
