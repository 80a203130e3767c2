"""The form of the Studies page: what to ask of which models, sensible defaults; files a job."""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from dashboard.state import session
from dashboard.text.literal import md
from dashboard.ui import forms
from dashboard.ui.notices import problem
from db import jobs
from db.choices import STRATEGIES, STUDIES, StudyChoice
from db.datasets import DatasetInfo
from db.errors import BadInput
from db.jobs import Job
from db.models import ModelInfo
from db.requests import StudyRequest
from db.requests.fields import field_of

LAYOUTS = ("single", "recicl")  # fields that name a model tuned in the layout of this name
AT_ONCE = ("k", "cut")  # of what a study asks, drawn beside the number of users; the rest is folded away


def form(known: list[DatasetInfo], known_models: list[ModelInfo]) -> None:
    """Draw the fields that the study asks for, and Start."""
    name = st.selectbox(
        "Study",
        list(STUDIES),
        key="study-what",
        format_func=lambda study: STUDIES[study].label,
        persist_state="session",
    )
    study = STUDIES[name]
    st.caption(f"{study.about}{f' ({study.paper})' if study.paper else ''}.")
    info = forms.data_set("study-dataset", known)
    try:
        request = StudyRequest.from_json(_fields(study, info, known_models))
    except BadInput as error:
        problem(str(error))
        return
    if late := seen_too_much(request, info):
        st.caption(
            f":orange[Before starting:] {md(', '.join(late))} learnt from later periods, too, and may know "
            f"the answers. Tune on the first {request.cut} periods instead."
        )
    ready = info.has_timestamps or not study.timestamps
    if not ready:
        st.caption(
            ":orange[Before starting:] this data set has no times, so nothing drifts that could be seen."
        )
    _start(request, ready)
    st.caption("Runs in the background. If stopped, it resumes. Rankings take priority.")


def _fields(study: StudyChoice, info: DatasetInfo, known_models: list[ModelInfo]) -> dict[str, Any]:
    """What the fields say, as the JSON of a request: models and users first, the rest under More options."""
    layouts = [name for name in study.asks if name in LAYOUTS]
    label = "Model before tuning" if layouts else "Model"
    said: dict[str, Any] = {"study": study.name, "dataset": info.name}
    said["model"] = forms.model(label, "study-model", known_models)
    said |= _tuned(layouts, info, known_models)
    left, right = st.columns(2, gap="small")
    with left:
        said["users"] = _ask(study, "users", study.users)
    with right:
        for name in study.asks:
            if name in AT_ONCE:
                said[name] = _cut(info, said) if name == "cut" else _ask(study, name)
    with st.popover("More options", width="stretch", key="study-more"):
        for name in (*study.asks, "seed"):
            if name not in said:
                said[name] = _ask(study, name)
    if said.get("only"):  # every other strategy is tested against these
        said["only"] = [name for name in STRATEGIES if name in said["only"] or STRATEGIES[name].control]
    return said


def _ask(study: StudyChoice, name: str, start: Any = None) -> Any:
    """One field of the request; one that every study asks alike keeps what was chosen for another."""
    field = field_of(StudyRequest, name)
    key = f"study-{name}" if name in ("seed", "minutes", "only") else f"study-{name}-{study.name}"
    return forms.ask(field, key, field.default if start is None else start, step=1)


def _start(request: StudyRequest, ready: bool) -> None:
    """File the study; one that was answered already is shown instead, and measured again only on request."""
    stored = answered(request)
    label = "Show the stored result" if stored else "Start study"
    started = st.button(label, type="primary", key="study-start", width="stretch", disabled=not ready)
    again = stored is not None and st.button(
        "Measure again", key="study-anew", width="stretch", type="tertiary"
    )
    if not (started or again):
        return
    filed = stored if stored is not None and not again else None
    filed = filed or jobs.submit(session.store(), "study", request.to_json(), jobs.BACKGROUND)
    st.session_state.study = filed.id
    st.rerun()


def answered(request: StudyRequest) -> Job | None:
    """The newest finished study that was asked just this."""
    done = jobs.listing(session.store(), states=[jobs.COMPLETED], kinds=["study"])
    return next((job for job in done if _asks(job, request)), None)


def _asks(job: Job, request: StudyRequest) -> bool:
    try:
        return StudyRequest.from_json(job.payload) == request
    except BadInput:  # of another version
        return False


def tuned(layout: str, dataset: str, known_models: Sequence[ModelInfo]) -> Job | None:
    """The newest finished tuning in this layout on this data set whose model is still there; of several,
    one that left later periods out, as a study asks about them."""
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
    """The models tuned in these layouts; what was tuned on this data set is proposed."""
    chosen: dict[str, str | None] = {}
    missing = False
    for layout in layouts:
        job = tuned(layout, info.name, known_models)
        own = str(job.result["model"]) if job and job.result else None
        missing = missing or own is None
        key = f"study-{layout}-{info.name}-{own or ''}"
        chosen[layout] = forms.ask(field_of(StudyRequest, layout), key, own, keep=False)
    if missing:
        st.caption("Make the tuned models on the page Tune, on the first periods only.")
        st.page_link("screens/tune/page.py", label="Open Tune")
    return chosen


def _cut(info: DatasetInfo, said: dict[str, Any]) -> int:
    """The first period asked about: the one at which the tuned models stopped."""
    field = field_of(StudyRequest, "cut")
    untils = [
        job.payload.get("until")
        for job in jobs.listing(session.store(), states=[jobs.COMPLETED], kinds=["tune"])
        if job.result and job.result.get("model") in (said.get("recicl"), said["model"])
    ]
    until = next((period for period in untils if isinstance(period, int)), field.default)
    note = (
        "Periods hold equally many purchases. Later ones are asked about; a model must have been tuned on no "
        "more than these, or it knows the answers."
        if info.has_timestamps
        else "This data set has no times: everybody's last purchase is asked about."
    )
    key = f"study-cut-{until}"
    return forms.ask(field, key, until, keep=False, note=note, disabled=not info.has_timestamps)


def seen_too_much(request: StudyRequest, info: DatasetInfo) -> list[str]:
    """The chosen models that were tuned on this data set beyond the periods that they may know."""
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
