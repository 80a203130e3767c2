"""The form of the Tune page: what to train on what, with defaults that suit; files a background job."""

import itertools
from collections.abc import Sequence
from dataclasses import replace

import streamlit as st

from dashboard.screens.tune.tuning_text import (
    WHAT,
    Tuning,
    What,
    learnt_from,
)
from dashboard.state import session
from dashboard.text.literal import md, plain
from dashboard.ui import forms, help
from dashboard.ui.notices import problem
from db import datasets, jobs, models
from db.datasets import DatasetInfo
from db.errors import BadInput
from db.jobs import Job
from db.models import ModelInfo
from db.requests import TuneRequest

PERIODS = 10
ANSWERS = {"title": "the next title", "yes_no": "Yes or No to one item"}
METHODS = {"auto": "what suits the size", "full": "all weights", "lora": "LoRA adapters"}


def form(known: list[DatasetInfo], known_models: list[ModelInfo], earlier: Sequence[Tuning]) -> None:
    """Draw the fields that matter for what is chosen, and Start. `earlier`: all tunings there are."""
    info = forms.data_set("tune-dataset", known)
    key = st.selectbox(
        "What to train",
        list(WHAT),
        key="tune-what",
        format_func=lambda each: WHAT[each].label,
        persist_state="session",
    )
    what = WHAT[key]
    st.caption(what.about)
    try:
        request = _fields(
            TuneRequest(dataset=info.name, kind=what.kind, layout=what.layout), what, info, known_models
        )
        request = named(request, [each.name for each in known_models], earlier)
    except BadInput as error:
        problem(str(error))
        return
    st.caption(md(promise(request, what)))
    if st.button("Start tuning", type="primary", key="tune-start", width="stretch"):
        st.session_state.tuning = start(request).id
        st.rerun()


def _fields(
    request: TuneRequest, what: What, info: DatasetInfo, known_models: list[ModelInfo]
) -> TuneRequest:
    if what.kind == "llm":
        note = "It stays as it is; the tuned model gets a name of its own."
        base = forms.model("Base model", "tune-base", known_models, note)
        request = replace(request, base=base or "")
    until = _learn_from(info)
    left, right = st.columns(2, gap="small")
    if what.measure is not None:
        with left:
            note = "It ends earlier where the held-out answers no longer get better."
            minutes = forms.minutes("Minutes, at most", "tune-minutes", 10_000.0, 10.0, 5.0, note)
        request = replace(request, minutes=minutes)
    if what.kind == "llm" and what.layout == "recicl":
        with right:
            note = "Each sample holds 0 to this many, so that it also answers without any."
            demos = forms.number("Demonstrations", "tune-demos", 1, 16, 4, note)
        request = replace(request, demos=demos)
    if what.kind == "llm":
        answers = st.segmented_control(
            "Answers",
            list(ANSWERS),
            default="title",
            required=True,
            format_func=ANSWERS.__getitem__,
            key="tune-answers",
            persist_state="session",
        )
        request = replace(request, answers=answers or "title")
    return _more(replace(request, until=until, periods=PERIODS), what)


def _learn_from(info: DatasetInfo) -> int | None:
    """None: all but the two newest purchases of each; N: the first N periods of time."""
    options: list[int] = [0, *(range(1, PERIODS) if info.has_timestamps else ())]
    if st.session_state.get("tune-until") not in options:
        st.session_state["tune-until"] = 0
    chosen = st.selectbox(
        "Learn from",
        options,
        key="tune-until",
        format_func=lambda each: learnt_from({"until": each or None, "periods": PERIODS}),
        persist_state="session",
        help=help.more(
            "The first periods alone, so that later ones can be tested on: for studies of drift. "
            "Periods hold equally many purchases."
            if info.has_timestamps
            else "This data set has no times, so no periods.",
            "data#splits",
        ),
    )
    return chosen or None


def _more(request: TuneRequest, what: What) -> TuneRequest:
    with st.popover("More options", width="stretch", key="tune-more"):
        seed = forms.seed("tune-seed", "Draws the samples and the order they are learnt in.")
        request = replace(request, seed=seed)
        if what.kind == "llm":
            name = st.text_input(
                "Name of the tuned model",
                key="tune-name",
                placeholder="made from the data set and the layout",
                persist_state="session",
            )
            method = st.selectbox(
                "What is changed",
                list(METHODS),
                key="tune-method",
                format_func=METHODS.__getitem__,
                persist_state="session",
                help=help.more(
                    "Small models learn with all weights, large ones with LoRA beside frozen weights.",
                    "choices#tuning-methods",
                ),
            )
            request = replace(request, name=name.strip() or None, method=method or "auto")
    return request


def promise(request: TuneRequest, what: What) -> str:
    """What Start does, in one sentence. Plain text."""
    who = request.base if request.kind == "llm" else what.label
    time = f" for at most {request.minutes:g} min" if what.measure is not None else ""
    name = f" It will be called {plain(request.name, 60)}." if request.name else ""
    return (
        f"Trains {plain(who, 40)}{time} on {learnt_from(request.to_json())} of {plain(request.dataset, 40)}."
        f"{name} It goes on when you leave; ranking goes first meanwhile."
    )


def named(request: TuneRequest, models_known: Sequence[str], earlier: Sequence[Tuning]) -> TuneRequest:
    """The request with a name for its model that no other model or tuning has, where none was given.

    An equal tuning keeps its name, so that it is found again instead of being trained twice.
    """
    if request.kind != "llm" or request.name:
        return request
    parts = [request.dataset, request.layout]
    parts += ["yes-no"] if request.answers == "yes_no" else []
    parts += [f"until-{request.until}"] if request.until is not None else []
    parts += [f"from-{request.base}"] if request.base != "embedded" else []
    stem = "-".join(parts).replace("/", "-")
    taken = {*models_known, *(each.asked.get("name") or each.found.get("model") for each in earlier)}
    filed = [each.asked for each in earlier]
    for number in itertools.count(1):
        proposed = replace(request, name=stem if number == 1 else f"{stem}-{number}")
        if proposed.name not in taken or proposed.to_json() in filed:
            break
    return proposed


def start(request: TuneRequest) -> Job:
    """File the tuning behind whatever someone waits for."""
    store = session.store()
    datasets.get(store, request.dataset)
    if request.kind == "llm":
        models.get(store, request.base)
    return jobs.submit(store, "tune", request.to_json(), jobs.BACKGROUND)


def again(job: Job) -> Job:
    """File an equal job: a stopped or failed one goes on from its last checkpoint."""
    return jobs.submit(session.store(), "tune", job.payload, jobs.BACKGROUND)
