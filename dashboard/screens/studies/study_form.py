"""The form of the Studies page: which study of which models, with defaults that suit; files a job."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import streamlit as st

from dashboard.state import session, widgets
from dashboard.text.formats import plural
from dashboard.text.literal import md, plain
from dashboard.ui import forms
from dashboard.ui.notices import problem
from db import jobs
from db.choices import COMPARED, COPIES, STRATEGIES, STUDIES, StudyChoice
from db.datasets import DatasetInfo
from db.errors import BadInput
from db.jobs import Job
from db.models import ModelInfo
from db.requests import StudyRequest
from db.requests.fields import field_of

LAYOUTS = ("single", "recicl")  # fields that name a model tuned in the layout of this name
AT_ONCE = ("k", "cut")  # of what a study reads, drawn beside the number of users; the rest is folded away
SHARED = (
    "seed",
    "minutes",
    "only",
    "control_of",
    "history",
    "candidates",
    "candidate_kind",
    "scoring",
    "exclude_target_item",
)


def form(known: list[DatasetInfo], known_models: list[ModelInfo], started: Callable[[int], None]) -> None:
    """Draw the fields that the study reads, and Start. `started`: is given the number of the study's job."""
    names = list(STUDIES)
    study = STUDIES[
        forms.choose("Study", "study-what", names, names[0], format_func=lambda name: STUDIES[name].label)
    ]
    paper = study.paper.replace(" (", ", ").replace(")", "") if study.paper else ""
    st.caption(f"{study.about}{f' ({paper})' if paper else ''}.")
    info = forms.data_set("study-dataset", known)
    try:
        request = StudyRequest.from_fields(_fields(study, info, known_models))
    except BadInput as error:
        problem(str(error))
        return
    if late := seen_too_much(request, info):
        st.caption(
            f":orange[Before starting:] {md(', '.join(late))} was also tuned on later periods and may know "
            f"the answers. Tune on the first {plural(request.cut, 'period')} instead."
        )
    ready = info.has_timestamps or not study.timestamps
    if not ready:
        st.caption(
            ":orange[Before starting:] this data set has no timestamps, and drift is measured over time."
        )
    _start(request, ready, started)
    st.caption("Runs in the background. If stopped, it resumes. Rankings take priority.")


def _fields(study: StudyChoice, info: DatasetInfo, known_models: list[ModelInfo]) -> dict[str, Any]:
    """What the fields say, as the JSON of a request: models and users first, the rest under More options."""
    layouts = [name for name in study.asks if name in LAYOUTS]
    label = "Model before tuning" if layouts else "Model"
    said: dict[str, Any] = {"study": study.name, "dataset": info.name}
    said["model"] = forms.model(label, "study-model", known_models)
    said |= _tuned(layouts, info, known_models)
    if missing := [layout for layout in layouts if said[layout] is None]:
        said |= _offer_tuning(study, info, said["model"], missing)
    left, right = st.columns(2, gap="small")
    with left:
        said["users"] = _users(study, info)
    with right:
        for name in study.asks:
            if name in AT_ONCE:
                said[name] = _cut(info, said) if name == "cut" else _ask(study, name)
    with st.popover("More options", width="stretch", key="study-more"):
        for name in (*study.asks, "seed"):
            if name not in said:
                said[name] = _ask(study, name)
    if said.get("only"):  # what is chosen is compared with these
        kept = {*said["only"], *controls(), said.get("control_of")}
        said["only"] = [name for name in COMPARED if name in kept]
    return said


def controls() -> list[str]:
    """What a study of strategies always has beside those that are chosen."""
    return [*(name for name, row in STRATEGIES.items() if row.control), *COPIES]


def _ask(study: StudyChoice, name: str, start: Any = None) -> Any:
    """One field of the request; one that all studies share keeps its answer from study to study."""
    field = field_of(StudyRequest, name)
    key = f"study-{name}" if name in SHARED else f"study-{name}-{study.name}"
    return forms.ask(field, key, field.default if start is None else start, step=1)


def _users(study: StudyChoice, info: DatasetInfo) -> int:
    """How many users, of those that the data set has."""
    field = field_of(StudyRequest, "users")
    most = max(int(field.low or 1), info.users)
    note = f"{field.help} {plain(info.name, 40)} has {plural(info.users, 'user')}."
    key = f"study-users-{study.name}-{info.name}"
    return forms.ask(replace(field, high=most), key, min(study.users, most), note=note)


def _start(request: StudyRequest, ready: bool, started: Callable[[int], None]) -> None:
    """File the study; a result that is stored is shown instead, and measured again only on request."""
    stored = answered(request)

    def file() -> None:
        started(jobs.submit(session.store(), "study", request.to_json()).id)

    label, action = (
        ("Start study", file) if stored is None else ("Show the stored result", partial(started, stored.id))
    )
    st.button(label, type="primary", key="study-start", width="stretch", disabled=not ready, on_click=action)
    if stored is not None:
        st.button("Measure again", key="study-anew", width="stretch", type="tertiary", on_click=file)


def answered(request: StudyRequest) -> Job | None:
    """The newest finished study with just this request."""
    done = jobs.listing(session.store(), states=[jobs.COMPLETED], kinds=["study"])
    return next((job for job in done if _asks(job, request)), None)


def _asks(job: Job, request: StudyRequest) -> bool:
    try:
        return StudyRequest.from_json(job.payload) == request
    except BadInput:  # of another version
        return False


def tuned(layout: str, dataset: str, known_models: Sequence[ModelInfo]) -> Job | None:
    """The newest finished tuning in this layout on this data set whose model is still there; of several,
    one that left later periods out, since a study measures on those."""
    names = {model.name for model in known_models}
    done = [
        job
        for job in jobs.listing(session.store(), states=[jobs.COMPLETED], kinds=["tune"])
        if job.result
        and job.result.get("model") in names
        and job.payload.get("layout") == layout
        and job.payload.get("dataset") == dataset
    ]
    return next((job for job in done if job.payload.get("until") is not None), next(iter(done), None))


def _tuned(
    layouts: Sequence[str], info: DatasetInfo, known_models: Sequence[ModelInfo]
) -> dict[str, str | None]:
    """The models tuned in these layouts; those tuned on this data set are proposed."""
    chosen: dict[str, str | None] = {}
    for layout in layouts:
        job = tuned(layout, info.name, known_models)
        own = str(job.result["model"]) if job and job.result else None
        key = f"study-{layout}-{info.name}-{own or ''}"
        chosen[layout] = forms.ask(field_of(StudyRequest, layout), key, own, keep=False)
    return chosen


def _offer_tuning(
    study: StudyChoice, info: DatasetInfo, base: str | None, missing: Sequence[str]
) -> dict[str, Any]:
    """Ways to get the tuned models that are not chosen: by the study itself, or on the page Tune."""
    st.caption("Without tuned models their rows are left out.")
    said = {"tune": _ask(study, "tune")}
    layout = missing[-1]
    label = f"Open Tune for {plain(base or 'a model', 30)} on {plain(info.name, 30)}"
    if st.button(md(label), key="study-tune", width="stretch"):
        until = field_of(StudyRequest, "cut").default if info.has_timestamps else 0
        answers = {"dataset": info.name, "base": base, "what": layout, "until": until}
        for name, answer in answers.items():  # the form's own names of its fields
            widgets.keep(f"tune-{name}", answer)
        st.switch_page("screens/tune/page.py")
    return said


def _cut(info: DatasetInfo, said: dict[str, Any]) -> int:
    """The first period measured on: the one before which tuning of the chosen models stopped."""
    field = field_of(StudyRequest, "cut")
    untils = [
        job.payload.get("until")
        for job in jobs.listing(session.store(), states=[jobs.COMPLETED], kinds=["tune"])
        if job.result and job.result.get("model") in (said.get("recicl"), said["model"])
    ]
    until = next((period for period in untils if isinstance(period, int)), field.default)
    note = (
        "Periods hold equally many interactions. The study measures on later ones, so a model must have been "
        "tuned on no more than these."
        if info.has_timestamps
        else "This data set has no timestamps: the study measures on each user's last interaction."
    )
    key = f"study-cut-{until}"
    return forms.ask(field, key, until, keep=False, note=note, disabled=not info.has_timestamps)


def seen_too_much(request: StudyRequest, info: DatasetInfo) -> list[str]:
    """The chosen models that were tuned on later periods of this data set, on which the study measures."""
    asks = STUDIES[request.study].asks
    if not info.has_timestamps or "cut" not in asks:
        return []
    done = jobs.listing(session.store(), states=[jobs.COMPLETED], kinds=["tune"])
    until: dict[str, int | None] = {
        job.result["model"]: job.payload.get("until")
        for job in reversed(done)
        if job.result and job.result.get("model") and job.payload.get("dataset") == info.name
    }
    chosen = {request.model, *(getattr(request, layout) for layout in LAYOUTS if layout in asks)}
    return sorted(name for name in chosen if name in until and (until[name] or request.periods) > request.cut)
