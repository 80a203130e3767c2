"""Explain: what each demonstration of a stored run does, how sure that is and how stable."""

from collections.abc import Callable
from typing import NamedTuple

import streamlit as st

from dashboard.screens.explain import (
    build_card,
    controls_card,
    effects_cards,
    inside_cards,
    orders_card,
    pairs_card,
    stability_cards,
    tokens_card,
)
from dashboard.state import links, session
from dashboard.state.measuring import let_go_of_others
from dashboard.state.outcome import DIRECT, REPROMPT, effects_of
from dashboard.state.view import from_request
from dashboard.text import words
from dashboard.text.literal import md
from dashboard.ui import address, opening, rights, run_picker, sharing
from dashboard.ui.notices import (
    RECOMMEND,
    card,
    empty,
    heading,
    looks,
    problem,
    told,
)
from dashboard.ui.remembered import remembered
from db import runs
from db.effect_results import together
from db.endpoints import Endpoint
from db.errors import NotFound
from db.runs import Run

PAGE = "explain"
EFFECTS = (
    "What each demonstration adds to the log of the target's share among the candidates: right helps, left "
    "hurts. Bar: 95 % interval. Tick: that one alone left out."
)


def page() -> None:
    """Draw the page for the run of the address bar, else for the one shown last, else for the newest."""
    known = run_picker.listed(PAGE, with_demonstrations=True)
    if not known.total and not known.words:
        empty("No run with demonstrations yet", "Run one on Recommend to explain it here.", way=RECOMMEND)
        looks("explain")
        return
    run = chosen()
    picker(known, run)
    if run is None:
        empty("Choose a run", "This page explains its demonstrations.", 200)
        return
    address.complete(PAGE, {"run": run.key})
    let_go_of_others(run)
    if run.request.prompts > 1:
        about = "Effects belong to the demonstrations of one prompt, and this run averages several."
        empty("Several prompts", about)
    elif not run.result["demonstrations"]:
        empty("No demonstrations", "A run without demonstrations has nothing to explain.")
    else:
        with st.container(key="run-results"):
            explain(run)


def explain(run: Run) -> None:
    """The section that was picked; nothing of the others is read or asked for."""
    if (endpoint := session.endpoint(run.request.model)) is not None:
        explain_remote(run, endpoint)
        return
    SECTIONS[_section()].draw(run)


def _section() -> str:
    """The name of the section shown: picked last in this session, else of the address, else the first."""
    asked = st.query_params.get("part")
    return remembered(
        st.segmented_control,
        "Section",
        "explain-section",
        asked if asked in SECTIONS else next(iter(SECTIONS)),
        options=list(SECTIONS),
        required=True,
        format_func=lambda name: SECTIONS[name].label,
        label_visibility="collapsed",
    )


def effects_section(run: Run) -> None:
    """What each demonstration adds, how far to trust that, and what it shares with the user."""
    direct, dropped = effects_of(run.key), effects_of(run.key, REPROMPT)
    both = None
    if direct is not None and dropped is not None and direct["measure"] == dropped["measure"]:
        both = together(direct, dropped)
    left, right = st.columns((1.13, 1), gap="small")
    with left, card("effects"):
        heading("Effects", EFFECTS)
        mode = effects_cards.mode_of(DIRECT if dropped is None else REPROMPT)
        effects = {DIRECT: direct, REPROMPT: dropped}.get(mode) or effects_of(run.key, mode)
        effects_cards.effects_card(run, effects, mode, both)
    with right, card("trust"):
        effects_cards.trust_card(run, effects)
    with card("shared"):
        effects_cards.shared_card(run)
    if effects is not None:
        with card("all-effects"):
            effects_cards.table_card(run, effects)
    heading("In one sentence", md(words.recommend(run.result, dropped or direct)))


def tokens_section(run: Run) -> None:
    """Token by token, layer by layer, head by head."""
    tokens_card.draw(run, effects_of(run.key))


def stability_section(run: Run) -> None:
    """Perturbations, and more readings of the demonstrations."""
    left, right = st.columns((1.13, 1), gap="small")
    with left, card("spread"):
        stability_cards.spread_card(run, effects_of(run.key))
    with right, card("forward"):
        stability_cards.forward_card(run)


class Section(NamedTuple):
    """Its label, and what draws it."""

    label: str
    draw: Callable[[Run], None]


# The most important first; each is drawn when it is picked.
SECTIONS = {
    "effects": Section("Effects", effects_section),
    "tokens": Section("Tokens", tokens_section),
    "orders": Section("Order", orders_card.draw),
    "pairs": Section("Pairs", pairs_card.draw),
    "build": Section("Build-up", build_card.draw),
    "controls": Section("Controls", controls_card.draw),
    "stability": Section("Stability", stability_section),
    "inside": Section("Inside the model", inside_cards.draw),
}


def explain_remote(run: Run, endpoint: Endpoint) -> None:
    """The cards of a run of an endpoint's model: what happens inside it is not seen, only what it answers."""
    effects = effects_of(run.key, REPROMPT)
    left, right = st.columns((1.13, 1), gap="small")
    with left, card("effects"):
        heading("Effects", EFFECTS)
        effects_cards.effects_card(run, effects, REPROMPT)
    with right, card("trust"):
        effects_cards.trust_card(run, effects)
        effects_cards.proxy(run, effects, endpoint)
    if effects is not None and effects.get("interactions"):
        pairs_card.draw(run)
    with card("shared"):
        effects_cards.shared_card(run)
    if effects is not None:
        with card("all-effects"):
            effects_cards.table_card(run, effects)
    heading("In one sentence", md(words.recommend(run.result, effects)))


def chosen() -> Run | None:
    """The run of the address or picked last, else the one this session showed last, else the newest."""
    key = st.query_params.get("run") or links.kept(PAGE).get("run")
    if key:
        try:
            return runs.get(session.store(), key)
        except NotFound as error:
            problem(f"{error} Choose another one below.")
            return None
    shown = (runs.by_key(session.store(), key) for key in reversed(st.session_state.get("trail", [])))
    last = next((run for run in shown if run is not None and run.result["demonstrations"]), None)
    newest = runs.listing(session.store(), runs.Filter(with_demonstrations=True), 1)
    return last or next((runs.by_key(session.store(), summary.key) for summary in newest), None)


def picker(known: run_picker.Listed, run: Run | None) -> None:
    """The run, a search for others, and the way back to its desk."""
    cells = st.container(key="pickers").columns((1, 0.6, 0.3), vertical_alignment="bottom", gap="xsmall")
    with cells[0]:
        run_picker.select("Run", "pick-explained", known, run, _picked)
    with cells[1]:
        run_picker.search(PAGE)
    with cells[2]:
        if (
            not rights.reads_only()
            and st.button("Open in Recommend", disabled=run is None, width="stretch")
            and run is not None
        ):
            opening.in_recommend(from_request(run.request))
    with run_picker.summary(PAGE, known):
        if run is not None:
            sharing.draw(run.key)


def _picked(key: str | None) -> None:
    if key:
        st.query_params["run"] = key
        links.keep(PAGE, {"run": key})  # only what a person picked: else the navigation opens the newest


with told():
    page()
