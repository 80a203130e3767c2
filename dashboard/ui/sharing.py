"""Ways to show other people what a page shows: the report as a file."""

import time
from functools import partial

import streamlit as st

from dashboard.report.document import document
from dashboard.report.kinds import story
from dashboard.state import session
from db.store import Store

HELP = "Downloads one HTML file that opens offline and prints."


def draw(*ids: str) -> None:
    """The button for the report of these runs, or of this study. It is written when the button is pressed."""
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


def _written(store: Store, ids: tuple[str, ...]) -> str:
    """The report; called by Streamlit in a thread of its own, where there is no session."""
    return document(story(store, ids), time.time())
