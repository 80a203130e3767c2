"""Ways to show other people what a page shows: the report as a file, and step by step on Present."""

import time
from collections.abc import Sequence
from functools import partial

import streamlit as st

from dashboard.report.document import document
from dashboard.report.kinds import story
from dashboard.state import session
from db.store import Store

HELP = "Downloads one HTML file that opens offline and prints."


def draw(*ids: str) -> None:
    """The report of these runs, or of this study, and the way to Present."""
    report(*ids)
    with st.container(key=f"present-{_name(ids)}", width="content"):
        st.page_link(
            "screens/present/page.py", label="Present", query_params={"of": ",".join(ids)}, width="content"
        )


def report(*ids: str) -> None:
    """The button for the report, which is written when it is pressed."""
    st.download_button(
        "Report",
        partial(_written, session.store(), ids),
        f"dualens-{_name(ids)}.html",
        "text/html",
        key=f"report-{_name(ids)}",
        on_click="ignore",
        help=HELP,
    )


def _name(ids: Sequence[str]) -> str:
    return "-".join(each[:12] for each in ids)


def _written(store: Store, ids: tuple[str, ...]) -> str:
    """The report; called by Streamlit in a thread of its own, where there is no session."""
    return document(story(store, ids), time.time())
