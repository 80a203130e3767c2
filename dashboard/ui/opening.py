"""Opening the Recommend page on something found elsewhere."""

from typing import NoReturn

import streamlit as st

from dashboard.state import session
from dashboard.state.view import View, to_params


def in_recommend(view: View) -> NoReturn:
    """Show this view on the Recommend page, with its address: one step of the browser's history."""
    session.show(view)
    st.switch_page("screens/recommend/page.py", query_params=to_params(view))
