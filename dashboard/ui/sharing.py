"""Ways to show other people what a page shows: the report as a file, and step by step on Present."""

import time
from functools import partial

import streamlit as st

from dashboard.report.document import document
from dashboard.report.kinds import story
from dashboard.state import session
from db.store import Store

HELP = "Downloads one HTML file that opens offline and prints."


def draw(*ids: str) -> None:
    """The report of these runs, or of this study, written when its button is pressed; and Present."""
    short = [each[:12] for each in ids]
    st.download_button(
        "Report",
        partial(_written, session.store(), ids),
        f"dualens-{'-'.join(short)}.html",
        "text/html",
        key=f"report-{'-'.join(short)}",
        on_click="ignore",
        help=HELP,
    )
    with st.container(key=f"present-{'-'.join(short)}", width="content"):
        st.page_link(
            "screens/present/page.py", label="Present", query_params={"of": ",".join(ids)}, width="content"
        )


def _written(store: Store, ids: tuple[str, ...]) -> str:
    """The report; called by Streamlit in a thread of its own, where there is no session."""
    return document(story(store, ids), time.time())
