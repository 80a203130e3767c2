"""The form of the Tune page: what to train on what, with sensible defaults; files a background job."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import streamlit as st

from dashboard.screens.tune.tuning_text import (
    WHAT,
    Tuning,
    What,
    trained_on,
)
from dashboard.state import session
from dashboard.text.literal import md, plain
from dashboard.ui import forms, help
from dashboard.ui.notices import problem
from db import datasets, jobs, models
from db.choices import TEMPLATES
from db.datasets import DatasetInfo
from db.errors import BadInput
from db.jobs import Job
from db.models import ModelInfo
from db.requests import TuneRequest
from db.requests.fields import field_of

PERIODS = field_of(TuneRequest, "periods").default
STEPS = {"minutes": 5}  # of the buttons


def form(
    known: list[DatasetInfo],
    known_models: list[ModelInfo],
    earlier: Sequence[Tuning],
    started: Callable[[int], None],
) -> None:
    """Draw the fields that matter for what is chosen, and Start.

    `earlier`: all tunings there are. `started`: is given the number of the job that Start files.
    """
    info = forms.data_set("tune-dataset", known)
    kinds = list(WHAT)
    what = WHAT[
        forms.choose("What to train", "tune-what", kinds, kinds[0], format_func=lambda name: WHAT[name].label)
    ]
    st.caption(what.about)
    try:
        request = _fields(
            TuneRequest(dataset=info.name, kind=what.kind, layout=what.layout), what, info, known_models
        )
        request = named(request, [model.name for model in known_models], earlier)
    except BadInput as error:
        problem(str(error))
        return
    st.caption(md(promise(request, what)))
    st.button(
        "Start tuning",
        type="primary",
        key="tune-start",
        width="stretch",
        on_click=lambda: started(start(request).id),
    )


def _fields(
    request: TuneRequest, what: What, info: DatasetInfo, known_models: list[ModelInfo]
) -> TuneRequest:
    """The request that the fields make; each kind has those that matter for it."""
    llm = what.kind == "llm"
    said: dict[str, Any] = {}
    if llm:
        note = "It stays as it is; the tuned model gets a name of its own."
        said["base"] = forms.model("Base model", "tune-base", known_models, note) or ""
    said["until"] = _train_on(info)
    left, right = st.columns(2, gap="small")
    with left:
        said |= _asked("minutes") if what.measure is not None else {}
    with right:
        said |= _asked("demos") if llm and what.layout == "recicl" else {}
    said |= _asked("answers", without=() if info.has_ratings else ("rated",)) if llm else {}
    with st.popover("More options", width="stretch", key="tune-more"):
        for name in ("seed", *(("name", "method") if llm else ())):
            said |= _asked(name)
        if llm:
            scoring = replace(request, **said).scoring
            unfit = [name for name, row in TEMPLATES.items() if scoring not in row.scorings]
            said |= _asked("template", without=unfit)
    return replace(request, **said)


def _asked(name: str, **how: Any) -> dict[str, Any]:
    """One field of the request and what it says."""
    field = field_of(TuneRequest, name)
    step = STEPS.get(name, 1)
    return {name: forms.ask(field, f"tune-{name}", field.default, step=step, **how)}


def _train_on(info: DatasetInfo) -> int | None:
    """None: all but each user's two newest interactions; N: the first N periods of time."""
    options: list[int] = [0, *(range(1, PERIODS) if info.has_timestamps else ())]
    chosen = forms.choose(
        "Train on",
        "tune-until",
        options,
        0,
        format_func=lambda until: trained_on({"until": until or None, "periods": PERIODS}),
        help=help.more(
            "Only the first periods, so that later ones can be used for testing, as in studies of drift. "
            "All periods hold equally many interactions."
            if info.has_timestamps
            else "This data set has no timestamps, so it has no periods.",
            "data#splits",
        ),
    )
    return chosen or None


def promise(request: TuneRequest, what: What) -> str:
    """What Start does, in one sentence. Plain text."""
    who = request.base if request.kind == "llm" else what.label
    time = f" for at most {request.minutes:g} min" if what.measure is not None else ""
    name = f" The model will be called {plain(request.name)}." if request.name else ""
    return (
        f"Trains {plain(who)}{time} on {trained_on(request.to_json())} of {plain(request.dataset)}."
        f"{name} Runs in the background. Rankings take priority."
    )


def named(request: TuneRequest, models_known: Sequence[str], earlier: Sequence[Tuning]) -> TuneRequest:
    """The request with a name for its model that no other model or tuning has, where none was given.

    An equal tuning keeps its name, so that it is not trained twice.
    """
    if request.kind != "llm" or request.name:
        return request
    stem = request.usual_name
    taken = {*models_known, *(tuning.asked.get("name") or tuning.found.get("model") for tuning in earlier)}
    filed = [tuning.asked for tuning in earlier]
    names = itertools.chain([stem], (f"{stem}-{number}" for number in itertools.count(2)))
    proposals = (replace(request, name=name) for name in names)
    return next(wanted for wanted in proposals if wanted.name not in taken or wanted.to_json() in filed)


def start(request: TuneRequest) -> Job:
    """File the tuning as background work. Raises NotFound for an unknown data set or model."""
    store = session.store()
    datasets.get(store, request.dataset)
    if request.kind == "llm":
        models.get(store, request.base)
    return jobs.submit(store, "tune", request.to_json(), jobs.BACKGROUND)
