"""Choose for me: the engine chooses and weighs demonstrations; its path is replayed, its set taken over."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import streamlit as st

from dashboard.charts.base import CONFIG
from dashboard.screens.recommend import optimize_form
from dashboard.screens.recommend.optimize_text import (
    Optimization,
    Step,
    chosen_at,
    concerns,
    left_out,
    numbers,
    probes_table,
    probes_told,
    set_table,
    step_name,
    told,
)
from dashboard.screens.recommend.path_chart import HEIGHT_PX, describe, path
from dashboard.state import session
from dashboard.state.view import View
from dashboard.text.formats import plural
from dashboard.text.literal import md, plain
from dashboard.ui import dialogs, notices, progress, watched
from dashboard.ui.notices import colours, empty, problem
from db import jobs
from db.jobs import Job

LOOK_S = 1.0
NAME = "optimize"  # of the dialog
PICKED = "optimize_job"  # in the session: the one that was asked for last


def opener(view: View) -> None:
    """The button of the desk, and a line about the work for this user while the dialog is closed."""
    st.button(
        "Optimize",
        key="optimize",
        disabled=view.user is None or view.model is None,
        on_click=_opened,
        help="Chooses, orders and weighs demonstrations for this user on past purchases.",
    )


def _opened() -> None:
    """One press is enough: what is there is shown, else the usual question is asked at once."""
    dialogs.show(NAME)
    st.session_state[PICKED] = None
    view = session.view()
    if not mine(view):
        _file(view, {})


def mine(view: View) -> list[Optimization]:
    """Optimizations for the user, model and target of this view, newest first."""
    return [each for each in watched.known("optimize", Optimization) if concerns(each.job, view)]


def _file(view: View, options: dict[str, Any]) -> Job:
    """Ask the engine; an equal question that it answered before is answered from the store."""
    job = jobs.submit(session.store(), "optimize", optimize_form.payload(view, options))
    st.session_state[PICKED] = job.id
    return job


def status(view: View) -> None:
    """Under the desk's buttons: the work for this user that goes on while the dialog is closed."""
    if dialogs.about(NAME) is not None:
        return
    working = jobs.listing(session.store(), states=[jobs.QUEUED, jobs.RUNNING], kinds=["optimize"])
    for job in working:
        if concerns(job, view):
            progress.watch(job, "Optimizing")
            return


def shown(view: View) -> None:
    """The dialog, as long as it is open."""
    if dialogs.about(NAME) is not None:
        _dialog(view)


@st.dialog("Choose for me", width="large", on_dismiss=dialogs.close)
@notices.told()
def _dialog(view: View) -> None:
    st.caption(
        f"Past purchases of {md(view.user, 40)} and of similar users serve as targets. Demonstrations stay "
        "where they lower the loss on those; purchases held out from the choice then decide whether the set "
        "is applied at all. The purchase to predict is never looked at."
    )
    current = watched.shown(mine(view), st.session_state.get(PICKED))
    if current is None:
        empty("Nothing chosen yet", "Choose again below.", 160)
    else:
        every = LOOK_S if current.open else None
        st.fragment(notices.told()(_one), run_every=every)(current.job.id, current.job.state, view)
    _options(view, current)


def _one(job_id: int, drawn: str, view: View) -> None:
    """One optimization, live or finished."""
    current = Optimization(jobs.get(session.store(), job_id))
    if current.job.state != drawn:
        st.rerun()  # the whole page: the dialog stays open
    if current.open:
        _working(current)
        return
    if current.job.state == "ERROR":
        problem(current.job.error or "The engine gave no reason.")
    elif current.job.state != "COMPLETED":
        st.caption("Stopped before it was finished.")
    if current.job.state != "COMPLETED" and st.button("Try again", key=f"optimize-retry-{job_id}"):
        st.session_state[PICKED] = jobs.submit(session.store(), "optimize", current.job.payload).id
        st.rerun()
    if current.path:
        _result(current, view)


def _working(current: Optimization) -> None:
    job = current.job
    with st.container(horizontal=True, vertical_alignment="center", key="optimize-line"):
        progress.line(job, "Optimizing")
        st.button(
            "Stop",
            key=f"stop-optimize-{job.id}",
            on_click=progress.stop,
            args=(job.id,),
            disabled=job.stop_asked,
        )
    if len(current.path) > 1:
        steps = current.path
        _chart(steps, len(steps) - 1, f"path-live-{job.id}")
    else:
        st.skeleton(height=HEIGHT_PX)
    st.caption("It goes on when you close this, and when you close the browser.")


def _result(current: Optimization, view: View) -> None:
    found, steps = current.found, current.path
    at = _step_at(current.job.id, len(steps))
    reason, button = st.columns((1, 0.21), gap="medium", vertical_alignment="center")
    if current.job.state == "COMPLETED":
        reason.markdown(f"**{md(current.verdict)}.** {md(told(found))}")
    with button:
        _apply(current, steps, at, view)
    if current.job.state == "COMPLETED":
        cells = numbers(found)
        for cell, (label, value, note) in zip(st.columns(len(cells), gap="small"), cells, strict=True):
            cell.metric(label, value, delta=note or None, delta_color="off", delta_arrow="off")
    left, right = st.columns((1.25, 1), gap="medium")
    with left:
        st.caption(
            "What each step takes off the loss: grey on the purchases that chose, blue on those held out. "
            "Move the slider to see its set. The verdict above goes by the lists, in NDCG@10."
        )
        _chart(steps, at, f"path-{current.job.id}")
        if len(steps) > 1:
            st.select_slider(
                "Step",
                list(range(len(steps))),
                key=_key(current.job.id),
                format_func=lambda row: plain(step_name(row, steps[row])),
                label_visibility="collapsed",
            )
    with right:
        _step(current, steps, at)
    st.caption(md(probes_told(found)))
    with st.expander("The past purchases used as targets", key=f"probes-{current.job.id}"):
        _probes(found)


def _key(job_id: int) -> str:
    return f"optimize-step-{job_id}"


def _step_at(job_id: int, count: int) -> int:
    """The step looked at: the last one first."""
    key = _key(job_id)
    if not isinstance(st.session_state.get(key), int) or not 0 <= st.session_state[key] < count:
        st.session_state[key] = count - 1
    return st.session_state[key]


def _chart(steps: Sequence[Step], at: int, key: str) -> None:
    st.plotly_chart(path(steps, at, colours()), key=key, theme=None, config=CONFIG, alt=describe(steps))


def _step(current: Optimization, steps: Sequence[Step], at: int) -> None:
    """The set at one step."""
    step, before = steps[at], steps[at - 1] if at else None
    st.markdown(f"**Step {md(step_name(at, step))}**")
    note = md(step.note, 240) if step.note else "The question alone." if not step.ids else ""
    if step.note and step.note in told(current.found):
        note = "As the verdict above says."
    tried = f" {plural(step.tried, 'set')} tried." if step.tried else ""
    st.caption(f"{note}{tried}".strip())
    with st.container(height=HEIGHT_PX - 30, border=False, key=f"optimize-set-{current.job.id}"):
        if step.ids:
            st.table(set_table(step, before, current.pool), border="horizontal", hide_index=True)
        else:
            empty("No demonstrations", "The model sees the history alone.", 120)
        for each in left_out(step, before, current.pool):
            st.caption(f":orange[Left out:] {each}")


def _apply(current: Optimization, steps: Sequence[Step], at: int, view: View) -> None:
    """Put the chosen set, or the one of the step looked at, on the desk."""
    last = at == len(steps) - 1 and current.job.state == "COMPLETED"
    chosen = current.chosen if last else chosen_at(steps[at])
    label = "Put this on the desk" if last else f"Put step {at} on the desk"
    if last and not chosen:
        label = "Empty the desk"
    if st.button(label, type="primary", width="stretch", key=f"optimize-apply-{current.job.id}"):
        dialogs.close()
        session.show(replace(view, chosen=chosen))
        st.rerun()


def _probes(found: Any) -> None:
    st.dataframe(
        probes_table(found),
        hide_index=True,
        height="content",
        column_config={
            "weight": st.column_config.NumberColumn(format="%.2f", width="small", help="In the objective."),
            "of": st.column_config.TextColumn(width="small"),
            "used to": st.column_config.TextColumn(width="small"),
        },
        alt="Past purchases used as targets",
    )


def _options(view: View, current: Optimization | None) -> None:
    """What can be asked otherwise; the defaults suit."""
    with st.expander("Options", key="optimize-options"):
        asked = optimize_form.fields(view)
        busy = current is not None and current.open
        if st.button("Choose again", key="optimize-again", disabled=busy or not asked["sources"]):
            _file(view, asked)
            st.rerun()
