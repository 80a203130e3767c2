"""A page without the frame around it: what it shows is for other people, who need no navigation."""

import streamlit as st

STYLE = """<style>
[data-testid="stSidebar"], [data-testid="stSidebarCollapsedControl"], .stAppHeader { display: none; }
</style>"""


def draw() -> None:
    """Leave out navigation, sidebar and toolbar of this page."""
    st.html(STYLE)
