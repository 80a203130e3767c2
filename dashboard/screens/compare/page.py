"""Compare: two to four stored runs side by side, what moved, what differs, and what forbids comparing."""

from collections.abc import Sequence

import streamlit as st

from dashboard.charts.bump import joined
from dashboard.screens.compare import prompts, template_texts, why
from dashboard.screens.compare.choice import choose
from dashboard.screens.compare.differences import (
    NAMES,
    changes,
    demonstrations_table,
    list_table,
    numbers_table,
    ranks_table,
    sentence,
    timings_table,
    warnings,
)
from dashboard.state import session
from dashboard.state.measuring import let_go_of_others
from dashboard.state.outcome import effects_of
from dashboard.text.formats import plural
from dashboard.text.literal import md
from dashboard.ui import effects_offer
from dashboard.ui.notices import card, heading, told
from dashboard.ui.remembered import remembered
from dashboard.ui.two_lists import two_lists
from db import datasets
from db.comparable import lists_obstacle
from db.runs import Run

MOST = 20  # ranks shown of lists that do not compare


def page() -> None:
    """Draw the page for the runs in the address bar, or for two of the newest."""
    chosen = choose()
    if chosen is None:
        return
    let_go_of_others(*chosen)
    with st.container(key="run-results"):
        compare(chosen)


def compare(chosen: Sequence[Run]) -> None:
    """All cards of the runs."""
    careful(chosen)
    only_changed = remembered(
        st.toggle,
        "Only what changed",
        "compare-only-changed",
        False,
        "value",
        help="Hides rows that are alike.",
    )
    # Of more than two runs both take the width of the page.
    two = len(chosen) == len("AB")
    left, right = st.columns((1.13, 1), gap="small") if two else (st.container(), st.container())
    with left, card("lists", stretch=two):
        lists(chosen)
    with right, card("numbers", stretch=two):
        numbers(chosen, only_changed)
    with card("demos", stretch=False):
        demonstrations(chosen, only_changed)
    a, other, name = chosen[0], *_detailed(chosen)
    with card("why", stretch=False):
        why.draw(a, other, name)
    with card("prompts", stretch=False):
        prompts.draw(a, other, name)
    if template_texts.wanted(a, other):
        with card("templates", stretch=False):
            template_texts.draw(a, other, name)
    said = [sentence(a, run, NAMES[at]) for at, run in enumerate(chosen) if at]
    heading("In one sentence" if len(said) == 1 else "In a sentence each", md(" ".join(said)))


def _detailed(chosen: Sequence[Run]) -> tuple[Run, str]:
    """The run that is held against A in the cards about two runs, and its name."""
    names = NAMES[1 : len(chosen)]
    if len(names) == 1:
        return chosen[1], names
    name = remembered(
        st.segmented_control,
        "In detail, against A",
        "compare-detail",
        names[0],
        options=list(names),
        required=True,
    )
    return chosen[NAMES.index(name)], name


def careful(chosen: Sequence[Run]) -> None:
    """Loudly, what forbids comparing a run with A or parts of it."""
    fingerprints = [datasets.fingerprint_of(session.store(), run.dataset_id) for run in chosen]
    reasons = [
        (NAMES[at], reason)
        for at, run in enumerate(chosen)
        if at
        for reason in warnings(chosen[0], run, (fingerprints[0], fingerprints[at]))
    ]
    if reasons:
        with card("careful", stretch=False):
            for name, reason in reasons:
                which = "" if len(chosen) == len("AB") else f" {name} against A."
                st.markdown(f"**Careful:**{which} {reason}")


def lists(chosen: Sequence[Run]) -> None:
    """The lists that compare with A's as a bump chart; the others as tables, as their ranks say nothing."""
    named = list(zip(NAMES, chosen, strict=False))
    alike = [(name, run) for name, run in named if lists_obstacle(chosen[0], run) is None]
    others = [(name, run) for name, run in named if (name, run) not in alike] if len(alike) > 1 else named
    if len(alike) > 1:
        names = [name for name, _ in alike]
        way = f"{names[0]} (left)" + "".join(f", {name}" for name in names[1:-1]) + f" to {names[-1]} (right)"
        heading("Recommendations", f"Rank of each candidate in run {way}. Gold is the target.")
        heads = [f"{name}, with its demonstrations" if len(names) == len("AB") else name for name in names]
        rows = joined(*(run.result["items"] for _, run in alike))
        two_lists(rows, "bump-ab", heads)
        if len(alike) > len("AB"):
            with st.expander("Ranks as a table"):
                st.table(ranks_table(rows, names), border="horizontal")
    if others:
        heading("Recommendations", "Each run's own list. Ranks in different lists do not compare.")
        for cell, (name, run) in zip(st.columns(len(others), gap="small"), others, strict=True):
            with cell:
                st.markdown(f"**Run {name}** :gray[{plural(len(run.result['items']), 'candidate')}]")
                st.table(list_table(run, MOST), border="horizontal", hide_index=True)


def numbers(chosen: Sequence[Run], only_changed: bool) -> None:
    """Metrics of all, the inputs of the requests, and how long each step took."""
    heading("Numbers", "Differences are from run A; a dash where the two do not compare.")
    effects = [effects_of(run.key) for run in chosen]
    st.table(numbers_table(chosen, effects, only_changed=only_changed), border="horizontal")
    changed = changes(chosen)
    heading("Inputs that differ", "Everything else about the runs is the same.")
    if changed.empty:
        st.caption("None. The requests are the same.")
    else:
        st.table(changed, border="horizontal")
    if not only_changed:
        with st.expander("All inputs"):
            st.table(changes(chosen, only_changed=False), border="horizontal")
    with st.expander("Time and tokens"):
        st.table(timings_table(chosen), border="horizontal")


def demonstrations(chosen: Sequence[Run], only_changed: bool) -> None:
    """The demonstrations of all, joined by identity, with weights and effects."""
    heading(
        "Demonstrations",
        "Weight in each run, and effect if you turn it down. A dash where there is none.",
    )
    if not any(run.result["demonstrations"] for run in chosen):
        st.caption("Neither run has demonstrations." if len(chosen) == len("AB") else "No run has any.")
        return
    effects = [effects_of(run.key) for run in chosen]
    with st.container(horizontal=True, vertical_alignment="center", key="measure", gap="small"):
        known: set[str] = set()
        for name, run, measured in zip(NAMES, chosen, effects, strict=False):
            if measured is None and run.result["demonstrations"] and run.key not in known:
                effects_offer.draw(run, f"Measure effects of {name}", whose=f"Run {name}: ")
            known.add(run.key)
    table = demonstrations_table(chosen, effects, only_changed=only_changed)
    if table.empty:
        st.caption("All runs have the same demonstrations with the same weights.")
    else:
        st.table(table, border="horizontal", hide_index=True)


with told():
    page()
