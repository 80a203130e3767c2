"""Choose for me: the engine chooses and weights demonstrations; the dialog shows how, and applies the set."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import streamlit as st

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
from dashboard.state import desk as on_desk
from dashboard.state import live as looking
from dashboard.state import session, widgets
from dashboard.state.view import View
from dashboard.text.domain import Domain
from dashboard.text.formats import plural
from dashboard.text.literal import md, plain
from dashboard.ui import dialogs, live, notices, progress, rights, watched
from dashboard.ui.chart import chart, data_of
from dashboard.ui.notices import colours, empty, problem
from db import jobs
from db.requests import Chosen

NAME = "optimize"  # of the dialog
PICKED = "optimize_job"  # in the session: the one that was asked for last


def opener(view: View) -> None:
    """The button of the desk, and a line about the work for this user while the dialog is closed."""
    st.button(
        "Optimize",
        key="optimize",
        disabled=view.user is None or view.model is None,
        on_click=_opened,
        help="Chooses, orders and weights demonstrations for this user, judged on past interactions.",
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


def _file(view: View, options: dict[str, Any]) -> None:
    """Ask the engine; an equal question that it answered before is answered from the store."""
    payload = optimize_form.payload(view, options, on_desk.kept(view))
    job = jobs.submit(session.store(), "optimize", payload)
    st.session_state[PICKED] = job.id


def status(view: View) -> None:
    """Under the desk's buttons: the work for this user that runs while the dialog is closed."""
    if dialogs.about(NAME) is not None:
        return
    working = jobs.listing(session.store(), states=[jobs.QUEUED, jobs.RUNNING], kinds=["optimize"])
    for job in working:
        if concerns(job, view):
            progress.watch(job, "Optimizing")
            return


def shown(view: View, words: Domain) -> None:
    """The dialog, as long as it is open."""
    if dialogs.about(NAME) is not None:
        _dialog(view, words)


@st.dialog("Choose for me", width="large", on_dismiss=dialogs.close)
@notices.told()
def _dialog(view: View, words: Domain) -> None:
    st.caption(
        f"Uses past {words.event}s of {md(view.user, 40)} and of similar users as targets and keeps the "
        f"demonstrations that help there. Held-out {words.event}s then decide whether the set is "
        f"applied at all. The {words.event} to predict is never used."
    )
    current = watched.shown(mine(view), st.session_state.get(PICKED))
    if current is None:
        empty("No set chosen yet", "Choose again below.", 160)
    else:
        job = current.job
        live.part(_one, job.id, job.state, view, words, look=looking.of_job, of=(job.id,), job=job.id)
    _options(view, current)


def _one(job_id: int, drawn: str, view: View, words: Domain) -> None:
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
        st.caption("Stopped before it finished.")
    if current.job.state != "COMPLETED":
        st.button("Try again", key=f"optimize-retry-{job_id}", on_click=_again, args=(current.job.payload,))
    if current.path:
        _result(current, view, words)


def _again(payload: dict[str, Any]) -> None:
    st.session_state[PICKED] = jobs.submit(session.store(), "optimize", payload).id
    st.rerun()  # the whole page, not this fragment alone: the dialog stays open


def _working(current: Optimization) -> None:
    job = current.job
    with st.container(horizontal=True, vertical_alignment="center", key="optimize-line"):
        progress.line(job, "Optimizing")
        rights.change_button(
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
    st.caption("Runs on when you close this dialog or the browser.")


def _result(current: Optimization, view: View, words: Domain) -> None:
    found, steps, desk = current.found, current.path, _desk()
    at = widgets.kept(_key(current.job.id), len(steps) - 1)
    at = min(at, len(steps) - 1)
    reason, button = st.columns((1, 0.21), gap="medium", vertical_alignment="center")
    if current.job.state == "COMPLETED":
        already = "This set is already on the desk. " if _chosen(current, steps, at) == desk.chosen else ""
        reason.markdown(f"**{already}{md(current.verdict)}.** {md(told(found))}")
    with button:
        _apply(current, steps, at, view, desk)
    if current.job.state == "COMPLETED":
        cells = numbers(found)
        for cell, (label, value, note) in zip(st.columns(len(cells), gap="small"), cells, strict=True):
            cell.metric(label, value, delta=note or None, delta_color="off", delta_arrow="off")
    margin = found.get("measure") == "margin"
    raises = "raises the log of their share among the candidates" if margin else "lowers their loss, in nats"
    st.caption(
        f"How much each step {raises}: grey on the {words.event}s used to choose, blue on those held "
        "out. Move the slider to see the set of a step. The verdict rests on the lists, in NDCG@10."
    )
    _chart(steps, at, f"path-{current.job.id}")
    if len(steps) > 1:
        _slider(current.job.id, steps, at)
    before, after = st.columns(2, gap="medium")
    with before:
        st.markdown("**On the desk now**")
        _set(desk.step, None, desk.pool)
    with after:
        _step(current, steps, at)
    st.caption(md(probes_told(found, words)))
    with st.expander(f"Past {words.event}s used as targets", key=f"probes-{current.job.id}"):
        _probes(found, words)


@dataclass(frozen=True)
class _Desk:
    """What stands on the desk: as a step of a path, and what its demonstrations are."""

    step: Step
    pool: dict[str, Any]

    @property
    def chosen(self) -> tuple[Chosen, ...]:
        return chosen_at(self.step)


def _desk() -> _Desk:
    rows = on_desk.rows()
    ids, weights = tuple(row["id"] for row in rows), tuple(float(row["weight"]) for row in rows)
    return _Desk(Step(0, "start", ids, weights, None, None, None, ""), {row["id"]: row for row in rows})


def _key(job_id: int) -> str:
    return f"optimize-step-{job_id}"


def _slider(job_id: int, steps: Sequence[Step], at: int) -> None:
    """The step looked at, the last one at first."""
    name = _key(job_id)
    key = widgets.showing(name, at)
    st.select_slider(
        "Step",
        list(range(len(steps))),
        at,
        key=key,
        format_func=lambda row: plain(step_name(row, steps[row])),
        label_visibility="collapsed",
        on_change=_looked_at,
        args=(name, key),
    )


def _looked_at(name: str, key: str) -> None:
    widgets.keep(name, st.session_state[key])


def _chart(steps: Sequence[Step], at: int, key: str) -> None:
    chart(path(steps, at, colours()), key, describe(steps), "optimization path", data_of(steps))


def _step(current: Optimization, steps: Sequence[Step], at: int) -> None:
    """The set at one step, and why."""
    step, before = steps[at], steps[at - 1] if at else None
    st.markdown(f"**Step {md(step_name(at, step))}**")
    note = md(step.note, 240) if step.note else "The query alone." if not step.ids else ""
    if step.note and step.note in told(current.found):
        note = "See the verdict above."
    tried = f" {plural(step.tried, 'set')} tried." if step.tried else ""
    if note or tried:
        st.caption(f"{note}{tried}".strip())
    _set(step, before, current.pool)
    for demonstration in left_out(step, before, current.pool):
        st.caption(f":orange[Left out:] {demonstration}")


def _set(step: Step, before: Step | None, pool: Mapping[str, Any]) -> None:
    """A set as a table, marked with what changed since the step before."""
    if step.ids:
        st.table(set_table(step, before, pool), border="horizontal", hide_index=True)
    else:
        empty("No demonstrations", "The model sees the history alone.", 120)


def _chosen(current: Optimization, steps: Sequence[Step], at: int) -> tuple[Chosen, ...]:
    """What the guard applies, or the set of an earlier step."""
    last = at == len(steps) - 1 and current.job.state == "COMPLETED"
    return current.chosen if last else chosen_at(steps[at])


def _apply(current: Optimization, steps: Sequence[Step], at: int, view: View, desk: _Desk) -> None:
    """Put the chosen set, or the one of the step looked at, on the desk."""
    last = at == len(steps) - 1 and current.job.state == "COMPLETED"
    chosen = _chosen(current, steps, at)
    label = "Put this on the desk" if last else f"Put step {at} on the desk"
    if chosen == desk.chosen:
        label = "Already on the desk"
    elif last and not chosen:
        label = "Empty the desk"
    st.button(
        label,
        type="primary",
        width="stretch",
        key=f"optimize-apply-{current.job.id}",
        disabled=chosen == desk.chosen,
        on_click=_applied,
        args=(view, chosen),
    )


def _applied(view: View, chosen: tuple[Chosen, ...]) -> None:
    dialogs.close()
    session.show(replace(view, chosen=chosen))
    st.rerun()  # the whole page, not this fragment alone


def _probes(found: Any, words: Domain) -> None:
    st.dataframe(
        probes_table(found),
        hide_index=True,
        height="content",
        column_config={
            "weight": st.column_config.NumberColumn(format="%.2f", width="small", help="In the objective."),
            "of": st.column_config.TextColumn(width="small"),
            "used to": st.column_config.TextColumn(width="small"),
        },
        alt=f"Past {words.event}s used as targets",
    )


def _options(view: View, current: Optimization | None) -> None:
    """What can be asked otherwise; the defaults suit."""
    with st.expander("Options", key="optimize-options"):
        asked = optimize_form.fields(view)
        busy = current is not None and current.open
        st.button(
            "Choose again",
            key="optimize-again",
            disabled=busy or not asked["sources"],
            on_click=_file,
            args=(view, asked),
        )
