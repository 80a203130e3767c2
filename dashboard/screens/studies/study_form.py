"""The form of the Studies page: what to ask of which models, sensible defaults; files a job."""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from dashboard.screens.studies.study_text import WHAT, What
from dashboard.state import session
from dashboard.text import words
from dashboard.text.literal import md, plain
from dashboard.ui import forms, help
from db import jobs
from db.datasets import DatasetInfo
from db.jobs import Job
from db.models import ModelInfo

PERIODS = 10
CUT = 5  # the first period asked about, where no tuned model says another
NONE = ""
BARS = ("none", "random", "bm25")  # strategies that every other one is tested against
CHOICES = (
    "neighbours",
    "proximal",
    "bm25",
    "aggregated",
    "embedding",
    "mmr",
    "dpp",
    "votek",
    "global",
    "recent",
    "random",
)
LAYOUTS = {"single": "Tuned on single questions", "recicl": "Tuned with demonstrations"}


def form(known: list[DatasetInfo], known_models: list[ModelInfo]) -> None:
    """Draw the fields that matter for the study, and Start."""
    study = st.selectbox(
        "Study",
        list(WHAT),
        key="study-what",
        format_func=lambda each: WHAT[each].label,
        persist_state="session",
    )
    what = WHAT[study]
    st.caption(what.about)
    info = forms.data_set("study-dataset", known)
    payload: dict[str, Any] = {"study": study, "dataset": info.name, **_models(what, info, known_models)}
    left, right = st.columns(2, gap="small")
    with left:
        payload["users"] = forms.number(what.of, f"study-users-{study}", 2, 100_000, what.users)
    with right:
        payload |= _second(what, study, info, payload)
    payload |= _more(what, study)
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
    _start(payload, ready)
    st.caption(
        "It goes on when you leave, and a stopped one goes on where it was; ranking goes first meanwhile."
    )


def _start(payload: Mapping[str, Any], ready: bool) -> None:
    """File the study; one that was answered already is shown instead, and measured again only on request."""
    stored = answered(payload)
    label = "Show the stored result" if stored else "Start study"
    started = st.button(label, type="primary", key="study-start", width="stretch", disabled=not ready)
    again = stored is not None and st.button(
        "Measure again", key="study-anew", width="stretch", type="tertiary"
    )
    if not (started or again):
        return
    filed = stored if stored is not None and not again else None
    filed = filed or jobs.submit(session.store(), "study", dict(payload), jobs.BACKGROUND)
    st.session_state.study = filed.id
    st.rerun()


def answered(payload: Mapping[str, Any]) -> Job | None:
    """The newest finished study that was asked just this."""
    done = jobs.listing(session.store(), states=[jobs.COMPLETED], kinds=["study"])
    return next((job for job in done if job.payload == payload), None)


def _second(what: What, study: str, info: DatasetInfo, payload: Mapping[str, Any]) -> dict[str, Any]:
    """The field beside the number of users."""
    if "cut" in what.asks:
        return {"periods": PERIODS, "cut": _cut(info, payload)}
    label = "Demonstrations" if "k" in what.asks else "Demonstrations each"
    count = forms.number(label, f"study-count-{study}", 1, 16, what.count)
    return {"k": count} if "k" in what.asks else {"demos": f"{CHOICES[0]}:{count}"}


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
    asked: dict[str, Any] = {"model": forms.model(label, "study-model", known_models)}
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
        st.page_link("screens/tune/page.py", label="Open Tune")
    return asked


def _cut(info: DatasetInfo, payload: Mapping[str, Any]) -> int:
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
        help=help.more(
            f"Of {PERIODS} periods with equally many purchases. Later ones are asked about; a model must "
            "have been tuned on no more than these, or it knows the answers."
            if info.has_timestamps
            else "This data set has no times: everybody's last purchase is asked about.",
            "study-designs#recicl",
        ),
    )
    return until if cut is None else int(cut)


def seen_too_much(what: What, info: DatasetInfo, payload: Mapping[str, Any]) -> list[str]:
    """The chosen models that were tuned on this data set beyond the periods that they may know."""
    if not info.has_timestamps or "cut" not in payload:
        return []
    done = jobs.listing(session.store(), states=[jobs.COMPLETED], kinds=["tune"])
    until: dict[str, int | None] = {
        job.result["model"]: job.payload.get("until")
        for job in reversed(done)
        if job.result and job.result.get("model") and job.payload.get("dataset") == info.name
    }
    chosen: set[str] = {payload[field] for field in ("model", *what.layouts) if payload[field] in until}
    return sorted(name for name in chosen if (until[name] or PERIODS) > payload["cut"])


def _more(what: What, study: str) -> dict[str, Any]:
    with st.popover("More options", width="stretch", key="study-more"):
        more: dict[str, Any] = {}
        if "demos" in what.asks:
            strategy = st.selectbox(
                "Chosen by",
                CHOICES,
                key=f"study-demos-{study}",
                format_func=words.STRATEGIES.__getitem__,
                persist_state="session",
            )
            count = what.count
            if "cut" in what.asks:
                count = forms.number("How many", "study-demos-count", 1, 16, what.count)
            else:
                count = int(st.session_state.get(f"study-count-{study}") or what.count)
            more["demos"] = f"{strategy}:{count}"
        if "only" in what.asks:
            picked = st.pills(
                "Only these",
                list(words.STRATEGIES),
                selection_mode="multi",
                format_func=words.STRATEGIES.__getitem__,
                key="study-only",
                persist_state="session",
                help=help.more(
                    "None picked: all of them. No demonstrations, random and BM25 are always measured.",
                    "study-designs#strategies",
                ),
            )
            if picked:
                more["only"] = [name for name in words.STRATEGIES if name in (*picked, *BARS)]
        note = "Draws users, candidate lists and resamples."
        more["seed"] = forms.seed("study-seed", note)
        if what.times:
            note = "One is trained for each period, and one is frozen."
            more["minutes"] = forms.minutes(
                "Minutes per SASRec, at most", "study-minutes", 1000.0, 5.0, 1.0, note
            )
    return more
