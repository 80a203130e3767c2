"""Explain: one stored run, what each demonstration did, how sure that is and how steady."""

import streamlit as st

from dashboard.screens.explain import cards
from dashboard.state import session
from dashboard.state.outcome import DIRECT, effects_of
from dashboard.state.view import from_request
from dashboard.text import words
from dashboard.text.literal import md
from dashboard.ui import run_picker
from dashboard.ui.notices import (
    card,
    empty,
    heading,
    problem,
    told,
)
from db import runs
from db.errors import NotFound
from db.runs import Run, RunSummary

EFFECTS = (
    "Nats each demonstration takes off the target's loss: right helps, left hurts. Tick: taken out exactly; "
    "ring: the prompt written without it."
)


def page() -> None:
    """Draw the page for the run of the address bar, else for the one shown last, else for the newest."""
    known = [each for each in runs.listing(session.store(), limit=run_picker.MOST) if each.demonstrations]
    if not known:
        empty("No run with demonstrations yet", "Run one on Recommend; it is explained here.", 200)
        st.page_link("screens/recommend/page.py", label="Open Recommend")
        return
    run = chosen(known)
    picker(known, run)
    if run is None:
        empty("Choose a run", "Its demonstrations are explained here.", 200)
        return
    st.query_params.from_dict({"run": run.key})
    if run.request.prompts > 1:
        empty(
            "Several prompts", "Effects are of the demonstrations of one prompt; this run averages several."
        )
        return
    if not run.result["demonstrations"]:
        empty("No demonstrations", "There is nothing to explain in a run without any.")
        return
    direct = effects_of(run.key)
    left, right = st.columns((1.13, 1), gap="small")
    with left, card("effects"):
        heading("Effects", EFFECTS)
        mode = cards.mode_of()
        effects = direct if mode == DIRECT else effects_of(run.key, mode)
        cards.effects_card(run, effects, mode)
    with right, card("trust"):
        cards.trust_card(run, effects)
    left, right = st.columns((1.13, 1), gap="small")
    with left, card("spread"):
        cards.spread_card(run, direct)
    with right, card("forward"):
        cards.forward_card(run)
    if effects is not None:
        with card("all-effects", stretch=False):
            cards.table_card(run, effects)
    heading("In one sentence", md(words.recommend(run.result, direct)))


def chosen(known: list[RunSummary]) -> Run | None:
    """The run of the link, else the one this session showed last, else the newest."""
    key = st.query_params.get("run") or st.session_state.get("explain-run")
    if key:
        try:
            return runs.get(session.store(), key)
        except NotFound as error:
            problem(f"{error} Choose another one below.")
            return None
    keys = {each.key for each in known}
    trail = [key for key in st.session_state.get("trail", []) if key in keys]
    return runs.by_key(session.store(), trail[-1] if trail else known[0].key)


def picker(known: list[RunSummary], run: Run | None) -> None:
    """The run, and the way back to its desk."""
    left, right = st.container(key="pickers").columns((1, 0.2), vertical_alignment="bottom", gap="xsmall")
    with left:
        run_picker.select("Run", "pick-explained", known, run, _picked)
    with right:
        if st.button("Open in Recommend", disabled=run is None, width="stretch") and run is not None:
            session.show(from_request(run.request))
            st.switch_page("screens/recommend/page.py")


def _picked(key: str) -> None:
    st.session_state["explain-run"] = run = st.session_state[key]
    if run:
        st.query_params["run"] = run


with told():
    page()
