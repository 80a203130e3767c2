"""The form of the Studies page: what to ask of which models, sensible defaults; files a job."""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from dashboard import session
from dashboard.literal import md, plain
from dashboard.studies import WHAT, What
from db import jobs
from db.datasets import DatasetInfo
from db.jobs import Job
from db.models import ModelInfo

PERIODS = 10
CUT = 5  # the first period asked about, where no tuned model says another
NONE = ""
STRATEGIES = {"neighbours": "similar users", "proximal": "own earlier windows", "bm25": "words in common"}
LAYOUTS = {"single": "Tuned on single questions", "recicl": "Tuned with demonstrations"}


def form(known: list[DatasetInfo], known_models: list[ModelInfo]) -> None:
    """Draw the fields that matter for the study, and Start."""
    _start_with(known, known_models)
    study = st.selectbox(
        "Study",
        list(WHAT),
        key="study-what",
        format_func=lambda each: WHAT[each].label,
        persist_state="session",
    )
    what = WHAT[study]
    st.caption(what.about)
    name = st.selectbox(
        "Data set",
        [each.name for each in known],
        key="study-dataset",
        format_func=plain,
        persist_state="session",
    )
    info = next(each for each in known if each.name == name)
    payload: dict[str, Any] = {"study": study, "dataset": name, "periods": PERIODS}
    payload |= _models(what, info, known_models)
    left, right = st.columns(2, gap="small")
    with left:
        payload["users"] = int(_number(what.of, f"study-users-{study}", 2, 100_000, what.users))
    with right:
        payload["cut"] = _cut(info, payload)
    payload |= _more(what)
    if late := seen_too_much(what, info, payload):
        st.caption(
            f":orange[Before starting:] {md(', '.join(late))} learnt from later periods, too, and may know "
            f"the answers. Tune on the first {payload['cut']} periods instead."
        )
    if what.times and not info.has_timestamps:
        st.caption(
            ":orange[Before starting:] this data set has no times, so nothing drifts that could be seen."
        )
    ready = bool(payload["model"]) and (info.has_timestamps or not what.times)
    if st.button("Start study", type="primary", key="study-start", width="stretch", disabled=not ready):
        st.session_state.study = jobs.submit(session.store(), "study", payload, jobs.BACKGROUND).id
        st.rerun()
    st.caption(
        "It goes on when you leave, and a stopped one goes on where it was; ranking goes first meanwhile."
    )


def _start_with(known: list[DatasetInfo], known_models: list[ModelInfo]) -> None:
    """The data set the person looks at; a choice that is no longer in the store falls back to the first."""
    names, models = [each.name for each in known], [each.name for each in known_models]
    if st.session_state.get("study-dataset") not in names:
        shown = session.view().dataset if "view" in st.session_state else None
        st.session_state["study-dataset"] = shown if shown in names else names[0]
    if models and st.session_state.get("study-model") not in models:
        st.session_state["study-model"] = "embedded" if "embedded" in models else models[0]


def tuned(layout: str, dataset: str, known_models: Sequence[ModelInfo]) -> Job | None:
    """The newest finished tuning in this layout on this data set whose model is still there; of several,
    one that left later periods out, as a study asks about them."""
    names = {each.name for each in known_models}
    done = [
        job
        for job in jobs.listing(session.store(), states=[jobs.COMPLETED], kinds=["tune"])
        if job.result
        and job.result.get("model") in names
        and job.payload.get("layout") == layout
        and job.payload.get("dataset") == dataset
    ]
    return next((job for job in done if job.payload.get("until") is not None), next(iter(done), None))


def _models(what: What, info: DatasetInfo, known_models: list[ModelInfo]) -> dict[str, Any]:
    """The plain model and its tuned ones; what was tuned on this data set is proposed."""
    names = [each.name for each in known_models]
    label = "Model before tuning" if what.layouts else "Model"
    model = st.selectbox(label, names, key="study-model", format_func=plain, persist_state="session")
    asked: dict[str, Any] = {"model": model}
    missing = []
    for layout in what.layouts:
        found = tuned(layout, info.name, known_models)
        own = str(found.result["model"]) if found and found.result else NONE
        missing += [] if found else [layout]
        chosen = st.selectbox(
            LAYOUTS[layout],
            [NONE, *names],
            index=1 + names.index(own) if own in names else 0,
            key=f"study-{layout}-{info.name}-{own}",
            format_func=lambda each: plain(each) if each else "leave this row out",
        )
        asked[layout] = chosen or None
    if missing:
        st.caption("Make the tuned models on the page Tune, learning from the first periods alone.")
        st.page_link("screens/tune.py", label="Open Tune")
    return asked


def _number(label: str, key: str, low: int, high: int, value: int, note: str | None = None) -> int:
    found = st.number_input(label, low, high, value=value, key=key, persist_state="session", help=note)
    return value if found is None else found


def _cut(info: DatasetInfo, payload: dict[str, Any]) -> int:
    """The first period asked about: the one at which the tuned models stopped."""
    found = [
        job.payload.get("until")
        for job in jobs.listing(session.store(), states=[jobs.COMPLETED], kinds=["tune"])
        if job.result and job.result.get("model") in (payload.get("recicl"), payload["model"])
    ]
    until = next((each for each in found if isinstance(each, int)), CUT)
    cut = st.number_input(
        "Periods learnt from",
        1,
        PERIODS - 1,
        value=until,
        key=f"study-cut-{until}",
        disabled=not info.has_timestamps,
        help=f"Of {PERIODS} periods with equally many purchases. Later ones are asked about; a model must "
        "have been tuned on no more than these, or it knows the answers."
        if info.has_timestamps
        else "This data set has no times: everybody's last purchase is asked about.",
    )
    return until if cut is None else int(cut)


def seen_too_much(what: What, info: DatasetInfo, payload: Mapping[str, Any]) -> list[str]:
    """The chosen models that were tuned on this data set beyond the periods that they may know."""
    if not info.has_timestamps:
        return []
    done = jobs.listing(session.store(), states=[jobs.COMPLETED], kinds=["tune"])
    until: dict[str, int | None] = {
        job.result["model"]: job.payload.get("until")
        for job in reversed(done)
        if job.result and job.result.get("model") and job.payload.get("dataset") == info.name
    }
    chosen: set[str] = {payload[field] for field in ("model", *what.layouts) if payload[field] in until}
    return sorted(name for name in chosen if (until[name] or PERIODS) > payload["cut"])


def _more(what: What) -> dict[str, Any]:
    with st.popover("More options", width="stretch", key="study-more"):
        strategy = st.selectbox(
            "Demonstrations",
            list(STRATEGIES),
            key="study-demos",
            format_func=STRATEGIES.__getitem__,
            persist_state="session",
        )
        count = _number("How many", "study-demos-count", 1, 16, 4)
        note = "Draws users, candidate lists and resamples."
        more: dict[str, Any] = {
            "demos": f"{strategy}:{count}",
            "seed": _number("Seed", "study-seed", 0, 2**31 - 1, 0, note),
        }
        if what.times:
            minutes = st.number_input(
                "Minutes per SASRec, at most",
                0.5,
                1000.0,
                value=5.0,
                step=1.0,
                format="%g",
                key="study-minutes",
                persist_state="session",
                help="One is trained for each period, and one is frozen.",
            )
            more["minutes"] = float(minutes or 5.0)
    return more
