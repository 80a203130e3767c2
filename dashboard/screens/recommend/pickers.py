"""The top row of the Recommend page: data set, user, candidates, model, options, Surprise me, Run."""

import random
from collections.abc import Mapping
from dataclasses import replace

import streamlit as st

from dashboard.screens.recommend import user_picker
from dashboard.state import outcome, session
from dashboard.state.view import CANDIDATE_COUNTS, View
from dashboard.text.literal import plain
from dashboard.ui import help
from db import datasets
from db.choices import CANDIDATE_KINDS, EDITS, HISTORY_WAYS, SCORINGS, TARGETS, Choice
from db.datasets import DatasetInfo
from db.errors import BadInput, NotFound
from db.models import ModelInfo
from db.requests.edits import Edit, parse
from db.requests.run import FORWARD_MOST

SCORING_NAMES = {
    "auto": "what the model was made for",
    "sum": "likelihood of the title",
    "mean": "mean per token",
    "calibrated": "minus the title's own likelihood",
    "yes_no": "Yes or No per item",
    "listwise": "one label of a list",
}
TARGET_NAMES = {"test": "last purchase (to report)", "probe": "the one before (to curate)"}
HISTORY_NAMES = {
    "recent": "the newest",
    "semantic": "those most like the candidates",
    "clusters": "some of every stretch of time",
}
HINTS = {"popularity": "popularity", "itemknn": "item-kNN", "bm25": "BM25 on titles", "sasrec": "SASRec"}
NONE = ""
KIND_NAMES = {"random": "random", "popular": "popular", "hard": "hard"}


def row(
    view: View, known: list[DatasetInfo], known_models: list[ModelInfo], info: DatasetInfo | None
) -> None:
    """Draw the row; every change becomes the new view before the page is drawn again."""
    widths = (1.25, 1.45, 1.0, 1.05, 0.62, 0.82, 0.5)
    cells = st.container(key="pickers").columns(widths, vertical_alignment="bottom", gap="xsmall")
    with cells[0]:
        _select("Data set", "dataset", [each.name for each in known], view)
    with cells[1]:
        user_picker.picker(view, info)
    with cells[2]:
        _candidates(view)
    with cells[3]:
        _select("Model", "model", [each.name for each in known_models], view)
    with cells[4]:
        _options(view)
    ready = info is not None and bool(known_models)
    with cells[5]:
        st.button(
            "Surprise me",
            on_click=_surprise,
            disabled=not ready,
            width="stretch",
            help="A random user, ranked at once.",
        )
    with cells[6]:
        st.button(
            "Run", type="primary", on_click=_run, disabled=not ready or view.user is None, width="stretch"
        )


def _select(label: str, field: str, options: list[str], view: View) -> None:
    """A select box over names in the store; a name of the link that is not there shows as no choice."""
    key = f"pick-{field}"
    current = getattr(view, field)
    session.put(key, current if current in options else None)
    st.selectbox(
        label, options, key=key, format_func=plain, placeholder="choose", on_change=_picked, args=(field, key)
    )


def _picked(field: str, key: str) -> None:
    value = st.session_state[key]
    if value is None:
        return
    view = replace(session.view(), **{field: value})
    if field == "dataset":
        view = replace(view, user=None, chosen=None)
    session.show(view, follow=False)


def _candidates(view: View) -> None:
    pairs = [
        (count, kind) for count in (CANDIDATE_COUNTS[0], CANDIDATE_COUNTS[-1]) for kind in CANDIDATE_KINDS
    ]
    current = (view.candidates, view.kind)
    if current not in pairs:
        pairs.append(current)
    session.put("pick-candidates", current)
    st.selectbox(
        "Candidates",
        pairs,
        key="pick-candidates",
        format_func=lambda pair: f"{pair[0]} {KIND_NAMES[pair[1]]}",
        on_change=_picked_candidates,
        help=help.more(
            "The target and this many other items minus one, drawn once per user and kept.",
            "choices#candidate-lists",
        ),
    )


def _picked_candidates() -> None:
    count, kind = st.session_state["pick-candidates"]
    session.show(replace(session.view(), candidates=count, kind=kind), follow=False)


def _options(view: View) -> None:
    with st.popover("Options", width="stretch", key="options"):
        _choice("Score by", "scoring", SCORINGS, SCORING_NAMES, view)
        _choice("Target", "target", TARGETS, TARGET_NAMES, view)
        st.caption("Choose and weigh demonstrations on the one before; report on the last purchase.")
        _number("History items in the prompt, at most", "history", 1, 50, view)
        _choice("Which of the history", "history_by", HISTORY_WAYS, HISTORY_NAMES, view)
        _number("Seed of the candidates and of random choices", "seed", 0, 2**31 - 1, view)
        with st.expander("Methods", key="methods"):
            _maybe("A recommender's list as a hint", "hint", HINTS, view)
            _disturbed(view)
            _number("Times the demonstrations are read again", "forward", 0, FORWARD_MOST, view)
            st.caption("Reading again: forward tuning (arXiv 2305.13016); its curve is on Explain.")


def _choice(label: str, field: str, options: Mapping[str, Choice], names: dict[str, str], view: View) -> None:
    key = f"pick-{field}"
    session.put(key, getattr(view, field))
    st.selectbox(
        label, list(options), key=key, format_func=names.__getitem__, on_change=_picked, args=(field, key)
    )


def _maybe(label: str, field: str, options: Mapping[str, str], view: View) -> None:
    """One of several, or none of them."""
    key, current = f"pick-{field}", getattr(view, field)
    known = {NONE: "none", **options, **({current: plain(current, 30)} if current else {}), **options}
    session.put(key, current or NONE)
    st.selectbox(
        label,
        list(known),
        key=key,
        format_func=known.__getitem__,
        on_change=_picked_or_none,
        args=(field, key),
    )


def _picked_or_none(field: str, key: str) -> None:
    session.show(replace(session.view(), **{field: st.session_state[key] or None}), follow=False)


def _disturbed(view: View) -> None:
    """Edits of the dual model, each by its usual amount; other amounts come by a link."""
    try:
        current = {edit.name: str(edit) for edit in parse(view.perturb)} if view.perturb else {}
    except BadInput:
        current = {}
    session.put("pick-perturb", list(current))
    st.multiselect(
        "Edits of what the demonstrations teach",
        list(EDITS),
        key="pick-perturb",
        format_func=lambda name: EDITS[name].label,
        on_change=_edited,
        args=(current,),
        placeholder="none",
        help=help.more(
            "The list is ranked under them; effects under chance are on Explain (perturbation spread).",
            "choices#edits-of-the-dual-model",
        ),
    )


def _edited(current: Mapping[str, str]) -> None:
    names = st.session_state["pick-perturb"]
    written = "+".join(
        current.get(name, str(Edit(name, EDITS[name].amount))) for name in EDITS if name in names
    )
    session.show(replace(session.view(), perturb=written or None), follow=False)


def _number(label: str, field: str, low: int, high: int, view: View) -> None:
    key = f"pick-{field}"
    session.put(key, getattr(view, field))
    st.number_input(label, low, high, step=1, key=key, on_change=_picked, args=(field, key))


def _run() -> None:
    outcome.forget()
    session.show(session.view(), follow=True)


def _surprise() -> None:
    view = session.view()
    try:
        info = datasets.get(session.store(), view.dataset or "")
        seed = random.SystemRandom().randrange(2**31)
        user = datasets.random_user(session.store(), info.id, seed, min_length=4, other_than=view.user)
    except NotFound as error:
        st.session_state.link_notes = [str(error)]
        return
    outcome.forget()
    # Demonstrations chosen by hand belong to the user they were chosen for; the strategy stays.
    session.show(replace(view, user=user.user_id, chosen=None), follow=True)
