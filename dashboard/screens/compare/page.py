"""Compare: two stored runs side by side, what moved, what differs, and what forbids comparing."""

import streamlit as st

from dashboard.charts.base import CONFIG
from dashboard.charts.bump import bump, describe, pair
from dashboard.screens.compare.differences import (
    changes,
    demonstrations_table,
    numbers_table,
    warnings,
)
from dashboard.state import session
from dashboard.state.outcome import effects_of
from dashboard.text import words
from dashboard.text.literal import md
from dashboard.ui import run_picker
from dashboard.ui.notices import (
    card,
    colours,
    empty,
    heading,
    told,
)
from db import runs
from db.runs import Run

HEADS = ("A, with its demonstrations", "B, with its demonstrations")


def page() -> None:
    """Draw the page for the runs in the address bar, or for the two newest."""
    known = runs.listing(session.store(), limit=run_picker.MOST)
    if not known:
        empty("No stored runs yet", "Every run on Recommend is kept and can be compared here.", 200)
        st.page_link("screens/recommend/page.py", label="Open Recommend")
        return
    a, b = run_picker.chosen(known)
    run_picker.pickers(known, a, b)
    if a is None or b is None:
        only = "Only one run is stored so far; change something on Recommend and run again."
        about = only if len(known) == 1 else "The list moves from A to B; what differs stands beside it."
        empty("Choose two runs", about, 200)
        return
    st.query_params.from_dict({"a": a.key, "b": b.key})
    if found := warnings(a, b):
        with card("careful", stretch=False):
            for warning in found:
                st.markdown(f"**Careful:** {md(warning)}")
    left, right = st.columns((1.13, 1), gap="small")
    with left, card("lists"):
        lists(a, b)
    with right, card("numbers"):
        numbers(a, b)
    with card("demos", stretch=False):
        demonstrations(a, b)
    heading("In one sentence", md(words.compare(a.result, b.result)))


def lists(a: Run, b: Run) -> None:
    """The two lists as a bump chart."""
    heading(
        "Recommendations", "Rank of each candidate in run A (left) and run B (right). Gold is the target."
    )
    rows = pair(a.result["items"], b.result["items"])
    st.plotly_chart(
        bump(rows, colours(), HEADS), key="bump-ab", theme=None, config=CONFIG, alt=describe(rows, HEADS)
    )


def numbers(a: Run, b: Run) -> None:
    """Metrics of both, then only what changed between the requests."""
    heading("Numbers", "Each run with its own demonstrations; the last column is B minus A.")
    effects = [effects_of(run.key) for run in (a, b)]
    st.table(numbers_table(a, b, effects[0], effects[1]), border="horizontal")
    changed = changes(a, b)
    heading("Only what changed", "Everything else about the two runs is the same.")
    if changed.empty:
        st.caption("Nothing: these are two names of the same request.")
    else:
        st.table(changed, border="horizontal")


def demonstrations(a: Run, b: Run) -> None:
    """The demonstrations of both, joined by identity, with weights and effects."""
    heading(
        "Demonstrations",
        "Weight and effect (nats taken off the target's loss) in either run; a dash where it is not there.",
    )
    table = demonstrations_table(a, b, *(effects_of(run.key) for run in (a, b)))
    if table.empty:
        st.caption("Neither run has demonstrations.")
        return
    st.dataframe(
        table,
        hide_index=True,
        height="content",
        column_config={
            "demonstration": st.column_config.TextColumn(width=330),
            "source": st.column_config.TextColumn(width=220),
            **{name: st.column_config.TextColumn(width=95, alignment="right") for name in table.columns[2:]},
        },
        alt="Demonstrations of both runs",
    )


with told():
    page()
