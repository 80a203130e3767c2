"""Compare: two stored runs side by side, what moved, what differs, and what forbids comparing."""

import streamlit as st

from dashboard.charts.bump import pair
from dashboard.screens.compare import template_texts
from dashboard.screens.compare.differences import (
    changes,
    demonstrations_table,
    list_table,
    numbers_table,
    sentence,
    warnings,
)
from dashboard.screens.compare.pair_picker import choose
from dashboard.state.measuring import let_go_of_others
from dashboard.state.outcome import effects_of
from dashboard.text.formats import plural
from dashboard.text.literal import md
from dashboard.ui import effects_offer
from dashboard.ui.notices import card, heading, told
from dashboard.ui.two_lists import two_lists
from db.comparable import lists_obstacle
from db.runs import Run

HEADS = ("A, with its demonstrations", "B, with its demonstrations")
MOST = 20  # ranks shown of lists that do not compare


def page() -> None:
    """Draw the page for the runs in the address bar, or for two of the newest."""
    pair_of_runs = choose()
    if pair_of_runs is None:
        return
    let_go_of_others(*pair_of_runs)
    with st.container(key="run-results"):
        compare(*pair_of_runs)


def compare(a: Run, b: Run) -> None:
    """All cards of the two runs."""
    if reasons := warnings(a, b):
        with card("careful", stretch=False):
            for reason in reasons:
                st.markdown(f"**Careful:** {reason}")
    left, right = st.columns((1.13, 1), gap="small")
    with left, card("lists"):
        lists(a, b)
    with right, card("numbers"):
        numbers(a, b)
    with card("demos", stretch=False):
        demonstrations(a, b)
    if template_texts.wanted(a, b):
        with card("templates", stretch=False):
            template_texts.draw(a, b)
    heading("In one sentence", md(sentence(a, b)))


def lists(a: Run, b: Run) -> None:
    """The two lists as a bump chart; as two tables where a rank in one says nothing about the other."""
    if lists_obstacle(a, b) is not None:
        heading("Recommendations", "Each run's own list. Ranks in different lists do not compare.")
        for cell, name, run in zip(st.columns(2, gap="small"), "AB", (a, b), strict=True):
            with cell:
                st.markdown(f"**Run {name}** :gray[{plural(len(run.result['items']), 'candidate')}]")
                st.table(list_table(run, MOST), border="horizontal", hide_index=True)
        return
    heading(
        "Recommendations", "Rank of each candidate in run A (left) and run B (right). Gold is the target."
    )
    two_lists(pair(a.result["items"], b.result["items"]), "bump-ab", HEADS)


def numbers(a: Run, b: Run) -> None:
    """Metrics of both, then only what changed between the requests."""
    heading("Numbers", "The last column is B minus A; a dash where the two do not compare.")
    effects = [effects_of(run.key) for run in (a, b)]
    st.table(numbers_table(a, b, effects[0], effects[1]), border="horizontal")
    changed = changes(a, b)
    heading("Only what changed", "Everything else about the two runs is the same.")
    if changed.empty:
        st.caption("Nothing. Both requests are the same.")
    else:
        st.table(changed, border="horizontal")


def demonstrations(a: Run, b: Run) -> None:
    """The demonstrations of both, joined by identity, with weights and effects."""
    heading(
        "Demonstrations",
        "Weight in either run, and effect if you turn it down. A dash where there is none.",
    )
    effects = [effects_of(run.key) for run in (a, b)]
    table = demonstrations_table(a, b, *effects)
    if table.empty:
        st.caption("Neither run has demonstrations.")
        return
    with st.container(horizontal=True, vertical_alignment="center", key="measure", gap="small"):
        for name, run, measured in zip("AB", (a, b), effects, strict=True):
            if measured is None and run.result["demonstrations"] and (name == "A" or run.key != a.key):
                effects_offer.draw(run, f"Measure effects of {name}", whose=f"Run {name}: ")
    st.table(table, border="horizontal", hide_index=True)


with told():
    page()
