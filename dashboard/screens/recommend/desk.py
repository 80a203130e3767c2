"""The mixing desk: one row per demonstration with its weight and its effect, and how to change the set."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import streamlit as st

from dashboard.report import pictures
from dashboard.screens.recommend import (
    desk_row,
    export_dialog,
    fill,
    optimize_dialog,
    pool,
    set_dialog,
    target_marks,
    usual,
    welcome,
)
from dashboard.screens.recommend.desk_row import ROW_PX
from dashboard.screens.recommend.effects_chart import Bar, effects
from dashboard.state import demonstrations, session, undo
from dashboard.state import desk as on_desk
from dashboard.state import live as looking
from dashboard.state.outcome import MEASURE, REPROMPT, Measured, Outcome, forget
from dashboard.state.view import MOST_DEMONSTRATIONS, View
from dashboard.state.waiting import seen
from dashboard.text import values, words
from dashboard.text.formats import signed
from dashboard.text.literal import md
from dashboard.ui import drawing, effects_offer, live, progress, saving, sharing
from dashboard.ui.notices import (
    HEAD_PX,
    empty,
    problem,
)
from db import sets
from db.datasets import DatasetInfo, Interaction
from db.effect_results import UNITS
from db.jobs import Job
from db.requests.strategy_spec import reference_of
from db.runs import Run

ABOUT = (
    "Weight: 1 plain, 0 removed. Bar: what it adds to the log of the target's share (right helps, left "
    "hurts), thin: 95 % interval. Tick: that one alone left out."
)


@dataclass(frozen=True)
class Desk:
    """The desk as drawn before the answer is known.

    `rows` None: they come with the run. `body` takes the rows then; `bars` the effects of rows drawn already,
    `lines` the last line of each, where the target could not be named yet; `marks` says what shows it
    (`marked`: it does already); `before` takes the way to the run shown before.
    """

    rows: list[dict[str, Any]] | None
    before: Any
    notes: Any
    marks: Any
    body: Any
    bars: Any
    lines: list[Any]
    marked: bool


def rows_of(
    view: View, outcome: Outcome | None, info: DatasetInfo, past: Sequence[Interaction]
) -> tuple[list[dict[str, Any]] | None, list[str]]:
    """The demonstrations on the desk in prompt order, and ids of a link that the store does not know.

    None where the strategy chooses them and the run that says which is still to come (`outcome` None, or its
    job pending). `past`: of the view's user, in which the target stands.
    """
    if outcome is not None and outcome.run is not None:
        demonstrations.learn(outcome.run.result["demonstrations"], info.name)
    if view.chosen is not None:
        rows, lost = demonstrations.of(view.chosen, info)
        return target_marks.remaining(view, rows, past), lost
    if outcome is None or outcome.pending is not None:
        return None, []
    if outcome.run is not None and outcome.current:
        return [dict(demo) for demo in outcome.run.result["demonstrations"]], []
    return [], []


def start(view: View, outcome: Outcome | None, info: DatasetInfo, past: Sequence[Interaction]) -> Desk:
    """Draw the right card as far as it is known: no slider waits for an answer.

    Every part keeps its place in the card however far the work is, or the browser would put a new slider in
    the place of the one a person is just moving.
    """
    with st.container(
        horizontal=True, vertical_alignment="center", key="desk-head", height=HEAD_PX, border=False
    ):
        st.subheader("Mixing desk", anchor=False)
        before = st.empty()
        _steps(view)
    st.caption(ABOUT)
    rows, lost = rows_of(view, outcome, info, past)
    on_desk.drawn(rows)
    notes, marks = st.container(), st.empty()
    _left_out(notes, lost)
    target = target_marks.known_target(view, past, outcome.run if outcome else None)
    if rows is None:
        # The desk of the previous question goes at once: its sliders would weigh what is no longer asked.
        body = st.empty()
        body.skeleton(height=ROW_PX * _expected(view, info))
        return Desk(None, before, notes, marks, body, None, [], False)
    marked = _mark(marks, rows, view, outcome, target)
    bars, lines = _rows(st.container(), rows, view, outcome, target)
    return Desk(rows, before, notes, marks, None, bars, lines if target is None else [], marked)


def finish(
    desk: Desk,
    view: View,
    outcome: Outcome,
    measured: Measured,
    info: DatasetInfo,
    past: Sequence[Interaction],
) -> None:
    """Draw what the answer brings: rows the strategy chose, effects, what to do next, the verdict."""
    rows, cell = desk.rows, desk.bars
    target = target_marks.known_target(view, past, outcome.run)
    if view.chosen is None and outcome.run is not None and outcome.current:
        _of_set(desk.notes, outcome.run)
    if rows is None:
        rows, lost = rows_of(view, outcome, info, past)
        _left_out(desk.notes, lost)
        on_desk.drawn(rows)
        if rows is not None:
            cell, _ = _rows(desk.body.container(), rows, view, outcome, target)
    for row, place in zip(rows or [], desk.lines, strict=False):
        place.caption(target_marks.line(row, target), wrap=False)
    if rows is not None and not desk.marked:
        _mark(desk.marks, rows, view, outcome, target)
    if rows and cell is not None:
        found = measured.result if outcome.current else None
        with cell:
            if measured.pending is None or found is not None:
                with st.container():  # as deep as in a part of its own: the browser keeps the picture
                    _chart(view, rows, found)
            else:
                job, key = measured.pending.id, outcome.run.key if outcome.run else ""
                live.part(_growing, job, key, view, rows, look=looking.of_message, of=(job,), job=job)
    _before(desk.before, outcome)
    _actions(view, outcome)
    _verdict(view, outcome, measured)


def _steps(view: View) -> None:
    """Undo, redo, and an empty desk."""
    back, forth = undo.possible(view)
    with st.container(horizontal=True, horizontal_alignment="right", gap=None, key="desk-steps"):
        for label, icon, keys, count, forward in (
            ("Undo", "undo", "Ctrl+Z", back, False),
            ("Redo", "redo", "Ctrl+Shift+Z", forth, True),
        ):
            st.button(
                label,
                icon=f":material/{icon}:",
                key=label.lower(),
                type="tertiary",
                disabled=not count,
                help=f"{label} a change of the desk ({keys})",
                shortcut=keys,
                on_click=on_desk.step,
                kwargs={"forward": forward},
            )
        st.button(
            "Clear",
            icon=":material/delete_sweep:",
            key="desk-clear",
            type="tertiary",
            help="Take all but the locked ones off the desk",
            on_click=on_desk.clear,
        )


def _mark(
    place: Any,
    rows: Sequence[Mapping[str, Any]],
    view: View,
    outcome: Outcome | None,
    target: Interaction | None,
) -> bool:
    """What shows the target, and the choice to leave it out; whether there was anything to say."""
    run = outcome.run if outcome is not None and outcome.current else None
    if view.chosen is not None:
        excluded = len(view.chosen) - len(rows)
    else:
        excluded = int(run.result.get("excluded", 0)) if run is not None else 0
    with place.container():
        return target_marks.choice(view, rows, target, excluded)


def _left_out(notes: Any, lost: Sequence[str]) -> None:
    for name in lost:
        notes.caption(f":orange[Left out:] the store has no demonstration {md(name, 40)}.")


def _of_set(notes: Any, run: Run) -> None:
    """The set that fills the desk, and what of it this user may not know."""
    used = run.result.get("set")
    if used is None:
        return
    whose = "shared by all users" if used["shared"] else "of one user"
    said = f"The set **{md(used['name'], 60)}**, {whose}."
    unknown, forgotten = (len(used.get(name, ())) for name in ("unknown", "forgotten"))
    if why := sets.left_out(used["name"], used["size"], unknown, run.user_id, forgotten):
        said += f" :orange[Left out:] {md(' '.join(why))}"
    notes.caption(said)


def _expected(view: View, info: DatasetInfo) -> int:
    """Rows to keep room for while the strategy, or the set, fills the desk."""
    if (reference := reference_of(view.options.demos)) is not None:
        return len(sets.get(session.store(), info.id, reference).members)
    count = view.options.demos.partition(":")[2]
    return min(MOST_DEMONSTRATIONS, max(2, int(count))) if count.isdigit() else 2


def _rows(
    place: Any,
    rows: list[dict[str, Any]],
    view: View,
    outcome: Outcome | None,
    target: Interaction | None,
) -> tuple[Any, list[Any]]:
    """Draw the rows, or why there are none; returns the cell of the bars and the rows' last lines."""
    ranked = outcome is not None and outcome.run is not None and outcome.current
    with place:
        if rows:
            left, right = st.columns((1.95, 1), gap="xsmall")
            with left, st.container(gap=None, key="desk-rows"):
                remote = session.endpoint(view.model) is not None
                lines = [
                    desk_row.draw(
                        index, row, len(rows), target, locked=row["id"] in view.locked, remote=remote
                    )
                    for index, row in enumerate(rows)
                ]
            return right, lines
        if view.chosen is None and view.options.demos != "none":
            title = md(values.strategy(view.options.demos))
            about = (
                "It chose none for this user: the model sees the history alone."
                if ranked
                else "Press Run to let the strategy choose, or add some by hand."
            )
            empty(title, about, 2 * ROW_PX)
        else:
            about = "The model sees the history alone. Add some, or fill the desk."
            empty("No demonstrations", about, 2 * ROW_PX)
    return None, []


def _growing(job_id: int, key: str, view: View, rows: Sequence[Mapping[str, Any]]) -> None:
    """The bars while a job measures those of a run, as far as it is."""
    _chart(view, rows, _so_far(seen(session.store(), job_id), key))


def _so_far(job: Job, key: str) -> Mapping[str, Any] | None:
    """What a job that measures effects knows of them before it ends. What a stopped attempt of it left may be
    about another run: of other model files, or another version."""
    found = (job.partial or {}).get("estimate")
    return found if found is not None and found["run"] == key else None


def _chart(view: View, rows: Sequence[Mapping[str, Any]], found: Mapping[str, Any] | None) -> None:
    """Bars of these effects; without any, in grey, those of the weights before."""
    question = view.dataset, view.user, view.model
    of, memory, measure = st.session_state.get("last_effects", (None, {}, MEASURE))
    if found is not None:
        measure = found["measure"]
        memory = {entry["id"]: entry for entry in found["demonstrations"]}
        st.session_state.last_effects = question, memory, measure
    elif of != question:
        memory = {}  # another user's or another model's
    bars = [_bar(words.short(row), memory.get(row["id"], {}), UNITS[measure]) for row in rows]
    guess = found is not None and found.get("estimator") == "gradient"
    picture = effects(bars, ROW_PX, stale=found is None, tentative=guess)
    drawing.draw(picture, "effects", ROW_PX * len(bars))
    whole = found is not None and not guess and all(row["id"] in memory for row in rows)
    named = [(words.short(row), memory[row["id"]]) for row in rows] if whole else []
    saving.downloads("effects", "effects", _numbers(named), pictures.effects(named, UNITS[measure]))


def _numbers(named: Sequence[tuple[str, Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """Effects of demonstrations as a table."""
    plain = ("effect", "interval", "leave_one_out", "loss_effect", "mass")
    return [{"demonstration": title, **{name: row.get(name) for name in plain}} for title, row in named]


def _bar(title: str, entry: Mapping[str, Any], unit: str) -> Bar:
    """The bar of one demonstration's effects; `entry`: empty where they are not known."""
    notes = []
    if entry.get("removal"):
        notes.append(f"only turned down {signed(entry['removal']['effect'], 3)} {unit}")
    if entry.get("loss_effect") is not None and unit != UNITS["loss"]:
        notes.append(
            f"second reading: {signed(entry['loss_effect'])} nats off the loss of the target's title"
        )
    interval = entry.get("interval")
    return Bar(
        title,
        entry.get("effect"),
        entry.get("leave_one_out"),
        entry.get("mass"),
        None if interval is None else (interval[0], interval[1]),
        unit,
        tuple(notes),
    )


def _before(place: Any, outcome: Outcome) -> None:
    """In the title row, the way to compare what is shown with what was."""
    if outcome.run is not None and outcome.current and outcome.previous:
        place.page_link(
            "screens/compare/page.py",
            label="Compare with before",
            query_params={"a": outcome.previous, "b": outcome.run.key},
            width="content",
        )


def _actions(view: View, outcome: Outcome) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall", key="desk-actions"):
        pool.opener(view)
        fill.popover(view)
        if session.endpoint(view.model) is None:
            optimize_dialog.opener(view)
        set_dialog.opener()
        if outcome.run is not None and outcome.current:
            export_dialog.opener(outcome.run)
        if outcome.run is not None and outcome.current and outcome.run.result["demonstrations"]:
            st.page_link("screens/explain/page.py", label="Explain", query_params={"run": outcome.run.key})
        if outcome.run is not None and outcome.current:
            sharing.report(outcome.run.key)
    optimize_dialog.status(view)


def _verdict(view: View, outcome: Outcome, measured: Measured) -> None:
    """How far to trust the effects, and the page's sentence. Keeps its height while effects are measured."""
    run = outcome.run
    if run is None or not outcome.current:
        return
    with st.container(key="verdict", gap="xsmall"):
        with st.container(key="verdict-note"):
            _trust(run, measured)
        st.subheader("In one sentence", anchor=False)
        st.markdown(md(words.recommend(run.result, measured.result)))
        usual.draw(view)


def _trust(run: Run, measured: Measured) -> None:
    effects = measured.result
    if measured.pending is not None and effects is None:
        progress.watch(measured.pending, partial(_measuring, run.key), welcome.around())
    elif measured.problem and effects is None:
        problem(f"The effects could not be measured. {measured.problem}")
    elif effects is not None:
        if measured.pending is not None:
            what = "Effects if you turn it down; measuring what dropping it does"
            progress.watch(measured.pending, what, welcome.around())
        elif measured.problem:
            st.caption(f":orange[Note:] what dropping does is not known. {md(measured.problem)}")
        said = [words.meaning(effects), words.faithfulness(effects), words.how_measured(effects)]
        st.caption(
            f"{md(' '.join(said))} A reconstruction of LRGD "
            "([arXiv 2504.04386](https://arxiv.org/abs/2504.04386))."
        )
        for note in filter(None, [words.opposed(effects), *(effects.get("notes") or [])]):
            st.caption(f":orange[Note:] {md(note)}")
    elif session.endpoint(run.request.model) is not None:
        effects_offer.draw(run, "Measure effects", REPROMPT)  # it takes calls: never by itself
    elif run.result["demonstrations"]:
        st.button("Measure effects", key="measure", on_click=_measure)


def _measuring(key: str, job: Job) -> str:
    return "Measuring effects" + ("" if _so_far(job, key) else "; grey bars belong to the weights before")


def _measure() -> None:
    forget()
    session.show(session.view())
