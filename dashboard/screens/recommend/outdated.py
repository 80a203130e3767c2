"""Marks what still shows the answer to another question, while the page waits for the new one.

Streamlit leaves the parts that a draw has not reached as they were. A mark, drawn before the wait, hides them
where they belong to another user or model, until the new ones are surely drawn, and makes them pale, after a
moment, where only a setting changed.

A mark brings its rules along. Rules of the style sheet that asked whether a mark is on the page (`:has`) made
the browser compute the style of everything anew whenever one came or went: a third of its time after a move.
"""

from typing import Any

import streamlit as st

from dashboard.state.view import View
from db.runs import Run

LIST, DESK = "list", "desk"
COVERS = {
    LIST: ":is(.st-key-board, .st-key-board-status, .st-key-past-target)",
    DESK: ":is(.st-key-effects, .st-key-verdict)",
}
OLD = "{0} {{ opacity: 0.45; transition: opacity 0.15s 0.25s }}"
GONE = "{0} {{ opacity: 0; transition: none }} {0} * {{ visibility: hidden !important }}"
_SHOWN = "shown-question"  # in the session: data set, user and model of the list that the browser shows


def places() -> dict[str, Any]:
    """Where the marks stand; call it before anything that may be outdated is drawn."""
    with st.container(key="outdated"):
        return {part: st.empty() for part in COVERS}


def mark(place: Any, part: str, view: View, *, waits: bool = True) -> None:
    """Mark the part as outdated, if anything is shown at all. `waits`: the new one has to be computed; what
    is stored is there before anything could turn pale."""
    shown = st.session_state.get(_SHOWN)
    same = shown == (view.dataset, view.user, view.model)
    if shown is not None and (waits or not same):
        kind, rules = ("old", OLD) if same else ("gone", GONE)
        place.html(f'<i class="{kind}-{part}"></i><style>{rules.format(COVERS[part])}</style>')


def shown(run: Run | None) -> None:
    """Note whose list the browser shows from now on."""
    asked = run.request if run else None
    st.session_state[_SHOWN] = (asked.dataset, asked.user, asked.model) if asked else None
