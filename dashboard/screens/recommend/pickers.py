"""The top row of the Recommend page: data set, user, candidates, model, options, Surprise me, Run."""

import random
import time
from contextlib import nullcontext
from dataclasses import replace

import streamlit as st

from dashboard.screens.recommend import template_editor, template_picker, user_picker
from dashboard.state import outcome, session, widgets
from dashboard.state.view import CANDIDATE_COUNTS, View
from dashboard.text import values
from dashboard.text.literal import plain
from dashboard.ui import forms, help
from db import datasets
from db.choices import CANDIDATE_KINDS, SCORINGS
from db.datasets import DatasetInfo
from db.endpoints import INSIDE
from db.errors import NotFound
from db.models import ModelInfo
from db.requests import RunOptions
from db.requests.fields import field_of

OPTIONS = (  # a column each: heading of an expander ("" for none) -> the fields of a request in it
    {"": ("scoring", "target", "history", "history_by", "seed", "draw")},
    {
        "": ("template", "turns"),
        "Methods": ("hint", "perturb", "forward"),
        "Controls": ("control_of", "exclude_target_item"),
    },
)
OPTIONS_PX = 600


MODEL_HELP = (
    "The embedded model is tiny and has seen simulated titles only. A real one, SmolLM2, can be fetched in "
    "the [Library](/library?shelf=Models) under Models."
)


def row(
    view: View, known: list[DatasetInfo], known_models: list[ModelInfo], info: DatasetInfo | None
) -> None:
    """Draw the row; every change becomes the new view before the page is drawn again."""
    widths = (1.25, 1.45, 1.0, 1.05, 0.62, 0.82, 0.5)
    cells = st.container(key="pickers").columns(widths, vertical_alignment="bottom", gap="xsmall")
    with cells[0]:
        _select("Data set", "dataset", [dataset.name for dataset in known], view)
    with cells[1]:
        user_picker.picker(view, info)
    with cells[2]:
        _candidates(view)
    with cells[3]:
        # With nothing but the model that ships, the way to a real one is worth a word.
        toy = all(model.name == "embedded" for model in known_models)
        _select("Model", "model", [model.name for model in known_models], view, MODEL_HELP if toy else None)
    with cells[4]:
        _options(view, next((model for model in known_models if model.name == view.model), None))
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


def _select(label: str, field: str, options: list[str], view: View, about: str | None = None) -> None:
    """A select box over names in the store; a name of the link that is not there shows as no choice."""
    current = getattr(view, field)
    current = current if current in options else None
    key = widgets.showing(f"pick-{field}", current)
    st.selectbox(
        label,
        options,
        index=None if current is None else options.index(current),
        key=key,
        format_func=plain,
        placeholder="choose",
        help=help.more(about or "", "models#a-real-model-by-name"),
        on_change=_picked,
        args=(field, key),
    )


def _picked(field: str, key: str) -> None:
    value = st.session_state[key]
    if value is None:
        return
    view = session.view()
    if field == "dataset":
        session.show(view.of_user(value, session.first_user(value)))
    else:
        session.show(replace(view, **{field: value}))


def _candidates(view: View) -> None:
    """Length and kind of the list in one box."""
    pairs = [
        (count, kind) for count in (CANDIDATE_COUNTS[0], CANDIDATE_COUNTS[-1]) for kind in CANDIDATE_KINDS
    ]
    current = (view.options.candidates, view.options.candidate_kind)
    if current not in pairs:
        pairs.append(current)
    key = widgets.showing("pick-candidates", current)
    st.selectbox(
        "Candidates",
        pairs,
        index=pairs.index(current),
        key=key,
        format_func=lambda pair: f"{pair[0]} {values.label(CANDIDATE_KINDS, pair[1])}",
        on_change=_picked_candidates,
        args=(key,),
        help=help.more(
            "The target and this many other items minus one, drawn once per user and kept.",
            "choices#candidate-lists",
        ),
    )


def _picked_candidates(key: str) -> None:
    count, kind = st.session_state[key]
    session.show(session.view().asking(candidates=count, candidate_kind=kind))


def _options(view: View, model: ModelInfo | None) -> None:
    with st.popover("Options", width="stretch", key=template_editor.beneath("options")):
        columns = st.container(width=OPTIONS_PX).columns(len(OPTIONS), gap="medium")
        for column, parts in zip(columns, OPTIONS, strict=True):
            for heading, names in parts.items():
                with column, st.expander(heading, key=heading.lower()) if heading else nullcontext():
                    for name in names:
                        _option(name, view, model)


def _option(name: str, view: View, model: ModelInfo | None) -> None:
    """One field of the request; what its model cannot do is no question."""
    endpoint = model.endpoint if model is not None else None
    if endpoint is not None and name in INSIDE:
        return
    if name == "template":
        template_picker.picker(view, model, time.time())
    elif name == "turns":
        template_picker.turns(view, model, _answered)
    else:
        can = {"auto", *model.scorings} if model is not None else SCORINGS.keys() - {"free"}
        without = [each for each in SCORINGS if each not in can] if name == "scoring" else []
        value = getattr(view.options, name)
        forms.bind(field_of(RunOptions, name), f"pick-{name}", value, _answered, without=without)


def _answered(name: str, key: str) -> None:
    view, field = session.view(), field_of(RunOptions, name)
    said = forms.answer(field, st.session_state[key], getattr(view.options, name))
    if said is not None or field.optional:
        session.show(view.asking(**{name: said}))


def _run() -> None:
    outcome.forget()
    session.show(session.view())


def _surprise() -> None:
    view = session.view()
    try:
        info = datasets.get(session.store(), view.dataset or "")
        seed = random.SystemRandom().randrange(2**31)
        user = datasets.random_user(session.store(), info.id, seed, min_length=4, other_than=view.user)
    except NotFound as error:
        session.link_notes().append(str(error))
        return
    outcome.forget()
    session.show(view.of_user(view.dataset, user.user_id))
