"""The answer to a view: its stored run and effects, or the jobs that make them.

Boundary: decides what to ask of the engine and how long a page waits for it; draws nothing. What is in the
store already is served without a job. Work is asked for once a person has acted; a request that failed is not
repeated until Run is pressed. A job whose question has changed is let go, not finished.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import streamlit as st

from dashboard.state import session, waiting
from dashboard.state.view import View
from dashboard.state.waiting import Answer, ask, wait
from dashboard.state.work import ENDED
from db import datasets, jobs, models, runs, workers
from db.effect_results import together
from db.errors import DualensError
from db.jobs import Job
from db.requests import RunRequest, request_digest
from db.requests.settled import settled
from db.runs import Run

RANK_WAIT_S = 0.9  # within a slider's second; longer work is watched by a fragment of its own
EFFECTS_WAIT_S = 0.35
CLOCK_S = 1.0  # two clocks may differ; a run older than its job by more was served from the store
DIRECT = "direct"  # what the desk's weights do: the question and its answers do not see a demonstration
REPROMPT = "reprompt"  # what people ask: the prompt written without it; takes longer
MEASURE = "margin"
ESTIMATE = {"estimator": "auto", "leave_one_out": True, "measure": MEASURE}


@dataclass(frozen=True)
class Outcome:
    """A run to show (`current`: it answers the view; else the one before), a job to watch, a problem.

    outdated: the run answers the view, but another version of the engine or of the model made it, or one
    that computes in another number format or on another device.
    """

    run: Run | None = None
    current: bool = False
    outdated: bool = False
    fresh: bool = False
    pending: Job | None = None
    problem: str | None = None
    previous: str | None = None


def known(view: View) -> Outcome | None:
    """What can be said of this view at once; None where the engine has to be asked (`asked`)."""
    try:
        request = view.request()
        if request is None:
            return Outcome()
        digest = request_digest(session.store(), request)
        run = runs.by_request(session.store(), digest)
    except DualensError as error:
        return Outcome(problem=str(error))
    if run is not None and _computed_as_now(run):
        let_go("rank")
        return _shown(run, digest)
    if session.following():
        return None
    run = run or _earlier(request)
    return Outcome() if run is None else replace(_shown(run, digest), outdated=True)


def _computed_as_now(run: Run) -> bool:
    """Whether an engine that runs now would compute in this run's number format and on its kind of device;
    True where none runs or none has loaded a model yet, as then nothing is known, and for a model behind an
    endpoint, whose server computes."""
    if session.endpoint(run.request.model) is not None:
        return True
    made = run.result["model"]
    engines = [each for each in workers.alive(session.store()) if each.dtype != "auto"]
    here = [(each.dtype, each.device.partition(":")[0]) for each in engines]
    return not here or (made["dtype"], made.get("device", here[0][1]).partition(":")[0]) in here


def _earlier(request: RunRequest) -> Run | None:
    """What answered this request before the model's files or the engine changed."""
    store = session.store()
    request = settled(store, request, models.get(store, request.model))
    info = datasets.get(store, request.dataset)
    run = runs.earlier(store, request, info.origin_id)
    # One that knew what is forgotten by now is no answer any more.
    return run if run is not None and run.result.get("forgotten", []) == info.forgotten else None


def file(view: View) -> Job | None:
    """Ask the engine for the run of this view, without waiting: it computes while the page is drawn. The job,
    if this page's question is a new one; None where it was asked before, or makes no question."""
    request = view.request()
    if request is None:
        return None
    question = "rank", request_digest(session.store(), request)
    if question in _filed():
        return None
    let_go("effects")
    return _asked(question, {"request": request.to_json()}, 0.0).job


def asked(view: View, new: Job | None = None) -> Outcome:
    """The run of this view from the engine if it is quick, else a job to watch. `new`: its job, if it was
    filed a moment ago (`file`); another one has been waited for before."""
    request = view.request()
    if request is None:
        return Outcome()
    digest = request_digest(session.store(), request)
    before = _before(view)
    if new is None:
        let_go("effects")
        answer = _asked(("rank", digest), {"request": request.to_json()}, RANK_WAIT_S)
    else:
        answer = wait(session.store(), new, RANK_WAIT_S)
    if answer.error:
        return Outcome(run=before, problem=answer.error)
    st.session_state.asked = (digest, answer.job.created_at - CLOCK_S)
    if answer.result is None:
        return Outcome(run=before, pending=answer.job)
    run = runs.by_key(session.store(), answer.result["run"])
    if run is None:
        return Outcome(run=before, problem="The run was deleted as soon as it was stored. Press Run again.")
    return _shown(run, digest)


def forget() -> None:
    """Let what failed or was stopped be asked again: Run was pressed."""
    for question, job_id in list(_filed().items()):
        if jobs.get(session.store(), job_id).state in ENDED:
            del _filed()[question]


def _asked(question: tuple[str, str], payload: dict[str, Any], wait_s: float) -> Answer:
    """The job of this question (kind, what about): the one filed before, however it ended, else a new one."""
    filed = _filed()
    if question in filed:
        answer = wait(session.store(), jobs.get(session.store(), filed[question]), 0.0)
        # A result that is no longer in the store is made again, and so is what was dropped while nobody
        # looked; a failure waits for Run.
        if answer.result is None and not answer.job.dropped:
            return answer
    let_go(question[0])
    answer = ask(session.store(), question[0], payload, wait_s)
    filed[question] = answer.job.id
    return answer


def let_go(kind: str, but: str | None = None) -> None:
    """Drop this session's jobs of a kind, but those about `but`: their question has changed."""
    filed = _filed()
    for question in [each for each in filed if each[0] == kind and each[1].partition(" ")[0] != but]:
        waiting.let_go(session.store(), filed.pop(question))


def _filed() -> dict[tuple[str, str], int]:
    return st.session_state.setdefault("asked_jobs", {})


def _shown(run: Run, digest: str) -> Outcome:
    """The answer; fresh if it was made for the question this session asked last."""
    asked, since = st.session_state.get("asked", ("", 0.0))
    fresh = asked == digest and run.created_at >= since
    return Outcome(run=run, current=True, fresh=fresh, previous=session.remember(run.key))


def _before(view: View) -> Run | None:
    """The run shown last, if it belongs to the same user and model: better than an empty card."""
    trail = st.session_state.get("trail")
    run = runs.by_key(session.store(), trail[-1]) if trail else None
    if run is None:
        return None
    same = (run.request.dataset, run.request.user, run.request.model) == (view.dataset, view.user, view.model)
    return run if same else None


@dataclass(frozen=True)
class Measured:
    """Effects of a run's demonstrations (`result`), the job that measures them or, beside a result, what it
    does not say yet (`pending`), or why there are none."""

    result: Mapping[str, Any] | None = None
    pending: Job | None = None
    problem: str | None = None


def measure(run: Run | None) -> Measured:
    """The stored effects of a run; asked for when there are none and the session follows."""
    let_go("effects", run.key if run else None)
    if run is None or not run.result["demonstrations"] or run.request.prompts > 1:
        return Measured()  # effects are of the demonstrations of one prompt
    if session.endpoint(run.request.model) is not None:
        return Measured(result=_margins(run.key, REPROMPT))  # they take calls: asked for by a button alone
    turned, dropped = (_margins(run.key, mode) for mode in (DIRECT, REPROMPT))
    if turned is not None and dropped is not None:
        return Measured(result=together(turned, dropped))
    if not session.following():
        return Measured(result=effects_of(run.key))
    if turned is None:  # which is there at once
        answer = _effects(run, DIRECT, EFFECTS_WAIT_S)
        turned = _margins(run.key, DIRECT)
        if answer.error or turned is None:
            return Measured(problem=answer.error, pending=None if answer.error else answer.job)
    answer = _effects(run, REPROMPT, 0.0)
    dropped = _margins(run.key, REPROMPT)
    if dropped is not None:
        return Measured(result=together(turned, dropped))
    if answer.error:
        return Measured(result=turned, problem=answer.error)
    return Measured(result=turned, pending=answer.job if answer.result is None else None)


def _effects(run: Run, mode: str, wait_s: float) -> Answer:
    """The job that measures this run's effects in this mode."""
    payload = {"request": run.request.to_json(), **ESTIMATE, "mode": mode}
    return _asked(("effects", f"{run.key} {mode}"), payload, wait_s)


def effects_of(key: str, mode: str = DIRECT) -> Mapping[str, Any] | None:
    """The stored effects of a run in this mode: on the margin, else on the loss, as in earlier versions.

    None without any.
    """
    return _margins(key, mode) or _stored(key, mode, "loss")


def _margins(key: str, mode: str) -> Mapping[str, Any] | None:
    return _stored(key, mode, MEASURE)


def _stored(key: str, mode: str, measure: str) -> Mapping[str, Any] | None:
    found = runs.shown_effects(session.store(), key, mode, measure)
    return None if found is None else found.result
