"""Opening a page on something found elsewhere."""

from typing import NoReturn

import streamlit as st

from dashboard.state import session
from dashboard.state.view import View, to_params
from dashboard.ui import rights

_DIGITS = 12  # of a run's key in a link


def in_recommend(view: View) -> NoReturn:
    """Show this view on the Recommend page, with its address: one step of the browser's history."""
    session.show(view)
    st.switch_page("screens/recommend/page.py", query_params=to_params(view))


def in_judge(*keys: str) -> None:
    """A link to Judge, which lets people compare the lists of these runs blindly."""
    if rights.reads_only():
        return
    st.page_link(
        "screens/judge/page.py",
        label="Let people judge",
        query_params={"runs": ",".join(key[:_DIGITS] for key in keys)},
        width="content",
    )
