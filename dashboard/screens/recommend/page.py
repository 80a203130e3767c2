"""Recommend: one user, the two lists, the desk. Everything a person decides from, on one screen."""

from dataclasses import replace

import streamlit as st

from dashboard.screens.recommend import (
    BENCH,
    export_dialog,
    forgetting,
    optimize_dialog,
    other_lists,
    outdated,
    pickers,
    pool,
    set_dialog,
    template_editor,
    template_picker,
    welcome,
    writing,
)
from dashboard.screens.recommend.desk import finish, start
from dashboard.screens.recommend.history import newest, target_card, timeline
from dashboard.screens.recommend.lists_card import board, total_effect
from dashboard.state import demonstrations, session
from dashboard.state.outcome import asked, file, known, measure
from dashboard.state.view import View
from dashboard.text import domain
from dashboard.text.formats import plural
from dashboard.text.literal import md
from dashboard.ui import progress
from dashboard.ui.notices import (
    LIBRARY,
    card,
    empty,
    looks,
    problem,
    told,
)
from db import datasets, guided, jobs, models, runs, sets
from db import demonstrations as demos
from db.datasets import DatasetInfo, Interaction, UserInfo
from db.errors import NotFound
from db.forgotten import showing
from db.jobs import Job
from db.requests.strategy_spec import reference_of


def page() -> None:
    """Draw the page for the current view."""
    session.went_back()
    stocked = datasets.listing(session.store())
    waiting = setting_up()
    if not stocked or (waiting and not _older_runs(waiting)):
        first_steps()
        return
    view = session.view()
    if view.dataset is None:  # not before the set-up is over: it ends with the run to open on
        view = session.opening_view()
        session.correct(view)
    info = next((each for each in stocked if each.name == view.dataset), None)
    known_models = models.listing(session.store())
    if view.model is None and known_models:
        view = replace(view, model=known_models[0].name)
        session.correct(view)
    session.correct(view := template_picker.exact(view, session.store()))
    if info is not None:
        view = without_unknown(view, info)
    welcome.draw()
    pickers.row(view, stocked, known_models, info)
    for trouble in (model.trouble for model in known_models if model.name == view.model and model.broken):
        st.warning(md(trouble))
    for note in session.link_notes():
        st.caption(f":orange[Note:] {md(note)}")
    if not known_models:
        problem("There is no model yet. Register one in the Library; what is stored stays as it is.")
        return
    user = chosen_user(view, info)
    if info is None or user is None:
        session.sync_address(view)
        return
    bench(info, user, newest(session.store(), info, user))


def without_unknown(view: View, info: DatasetInfo) -> View:
    """The view without the demonstrations that the store does not know: a run that names them would fail."""
    if view.chosen is None and (reference := reference_of(view.options.demos)) is not None:
        try:
            sets.get(session.store(), info.id, reference)
        except NotFound as error:
            session.link_notes().append(f"{error} The desk is empty instead.")
            session.correct(view := view.filled("none"))
        return view
    if not view.chosen:
        return view
    outcome = known(view)
    if outcome is not None and outcome.run is not None:
        return view  # a stored run brings its demonstrations along
    gone = _forgotten(view, info)
    if gone:
        session.link_notes().append(
            f"{plural(len(gone), 'demonstration')} left out: what is forgotten stands in them."
        )
        view = replace(view, chosen=tuple(demo for demo in view.chosen or () if demo.id not in gone))
        session.correct(view)
    unknown = demonstrations.of(view.chosen or (), info)[1]
    if unknown:
        session.link_notes().extend(
            f"Demonstration {name[:40]!r} is not in the store; it was left out." for name in unknown
        )
        view = replace(view, chosen=tuple(demo for demo in view.chosen or () if demo.id not in unknown))
        session.correct(view)
    return view


def _forgotten(view: View, info: DatasetInfo) -> set[str]:
    """Ids of the view's demonstrations that show something forgotten."""
    if not info.forgotten or not view.chosen:
        return set()
    stored = demos.get_many(session.store(), [demo.id for demo in view.chosen], info.id)
    return showing(session.store(), info, stored.values())


def chosen_user(view: View, info: DatasetInfo | None) -> UserInfo | None:
    """The user of the view; says what is missing when there is none."""
    try:
        if info is None:
            datasets.get(session.store(), view.dataset or "")
            return None
        if view.user is None:
            empty("No user chosen", "Search for one above, or press Surprise me.", 300)
            return None
        return datasets.user(session.store(), info.id, view.user)
    except NotFound as error:
        problem(str(error))
        return None


@st.fragment(key=BENCH)
def bench(info: DatasetInfo, user: UserInfo, past: list[Interaction]) -> None:
    """History, lists and desk. A weight, a move or a drop runs only this part of the page again."""
    with told():
        _bench(info, user, past)


def _bench(info: DatasetInfo, user: UserInfo, past: list[Interaction]) -> None:
    view, words = session.view(), domain.of(info.kind)
    outcome = known(view)
    filed = file(view) if outcome is None else None
    marks = outdated.places()
    known_run = outcome.run if outcome is not None else None
    measured_before = known_run is not None and bool(runs.effects(session.store(), known_run.key))
    outdated.mark(marks[outdated.DESK], outdated.DESK, view, waits=not measured_before)
    if outcome is None:
        outdated.mark(marks[outdated.LIST], outdated.LIST, view)
    above = st.container()
    left, right = st.columns((1.08, 1), gap="small")
    with left:
        list_card = card("list")
    with right:
        desk_card = card("desk")
    total = None
    if outcome is not None:  # what is stored waits for nothing: not even for the desk to be drawn
        with list_card:
            total = board(view, outcome, words.past)
    with above:
        gold = timeline(view, user, past, words, info)
    with desk_card:
        # Before anything that waits: what a person moves meanwhile belongs to the demonstrations on the desk.
        desk = start(view, outcome, info, past)
    if outcome is None:
        outcome = asked(view, filed)
        with list_card:
            total = board(view, outcome, words.past)
    target_card(gold, view, past, words, revealed=outcome.run is not None)
    outdated.shown(outcome.run)
    if outcome.current or outcome.run is None:
        marks[outdated.LIST].empty()
    if outcome.run is not None and not measured_before:
        total_effect(total, outcome.run, None)
    # The list is on the screen by now; the effects may take a moment longer.
    measured_now = measure(outcome.run if outcome.current else None)
    if outcome.run is not None:
        total_effect(total, outcome.run, measured_now.result)
    with desk_card:
        finish(desk, view, outcome, measured_now, info, past)
    if outcome.current:
        marks[outdated.DESK].empty()
    session.sync_address(view)
    pool.shown(view, info, words, past)
    writing.shown(info, words)
    other_lists.shown()
    export_dialog.shown()
    forgetting.shown(info)
    optimize_dialog.shown(view, words)
    set_dialog.shown(view, info)
    template_editor.shown(view)


def _older_runs(setup: Job) -> bool:
    """Whether there is a run from before this set-up, which stores one more than those of the guided start:
    before its end none of its own is the one to open on."""
    newest = runs.listing(session.store(), limit=guided.STORED + 2)
    return any(each.created_at < setup.created_at for each in newest)


def setting_up() -> Job | None:
    """The set-up that is under way, if any."""
    open_jobs = jobs.listing(session.store(), states=[jobs.QUEUED, jobs.RUNNING], kinds=["setup"], limit=1)
    return open_jobs[0] if open_jobs else None


def first_steps() -> None:
    """An empty store: the set-up that is under way, or how to start it."""
    st.header("Welcome to Dualens", anchor=False)
    st.caption("Put demonstrations before a user's history and see what each of them changes.")
    waiting = setting_up()
    if waiting is not None:
        progress.watch(waiting, "Setting up")
        st.caption(
            "Makes the simulated store, the embedded model and a first run. Then this page opens. A real "
            "model can be fetched meanwhile: [Library](library), Models."
        )
        looks("recommend")
        return
    last = jobs.listing(session.store(), kinds=["setup"], limit=1)
    if last and last[0].error:
        problem(last[0].error)
    empty(
        "No data set yet",
        "Make the simulated store and the embedded model, or import your own data in the Library.",
        160,
    )
    with st.container(horizontal=True, horizontal_alignment="center"):
        if st.button("Set up the simulated store", type="primary"):
            jobs.submit(session.store(), "setup", {})
            st.rerun()
        with st.container(key="empty-way", width="content"):
            st.page_link(LIBRARY[0], label=LIBRARY[1], width="content")


with told():
    page()
