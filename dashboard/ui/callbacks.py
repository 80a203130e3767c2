"""A callback that fails is reported on the page, not instead of it.

Streamlit runs callbacks before the script. An error raised in one ends the run: the browser shows a traceback
without page or navigation. There is no public place to catch it, so the one method through which Streamlit
calls them is replaced, once per process, when this module is imported.
"""

import functools
from typing import Any

import streamlit as st
from streamlit.runtime.state.session_state import WStates

from dashboard.ui.notices import explain, problem

_KEY = "failed_callback"


def show(page: str) -> None:
    """The error of the last callback, if it failed on this page; it stays until the next one runs."""
    if _KEY not in st.session_state:
        return
    text, where = st.session_state[_KEY]
    if where not in (None, page):
        del st.session_state[_KEY]
        return
    st.session_state[_KEY] = (text, page)
    problem(text)
    st.caption("What you see below is the current state of the store.")


def _reporting(call: Any) -> Any:
    @functools.wraps(call)
    def reporting(states: WStates, widget_id: str) -> None:
        st.session_state.pop(_KEY, None)
        try:
            call(states, widget_id)
        except Exception as error:
            st.session_state[_KEY] = (explain(error), None)
            st.rerun()  # all of the page: the callback may belong to a fragment, which cannot show this

    return reporting


WStates.call_callback = _reporting(WStates.call_callback)
