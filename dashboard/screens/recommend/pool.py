"""The pool: demonstrations that could go before this user's history, to pick from."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd
import streamlit as st

from dashboard.screens.recommend import predicted, target_marks, writing
from dashboard.state import demonstrations, desk, session, widgets
from dashboard.state.view import MOST_DEMONSTRATIONS, View
from dashboard.state.waiting import Answer, ask
from dashboard.text import values
from dashboard.text.domain import Domain
from dashboard.text.formats import day, plural
from dashboard.text.literal import plain
from dashboard.ui import dialogs, progress
from dashboard.ui.notices import colours, problem, told
from db import jobs
from db.choices import SOURCES
from db.datasets import DatasetInfo, Interaction
from db.errors import DualensError
from db.requests import RunRequest

NAME = "pool"  # of the dialog
SIZE = 12
WAIT_S = 2.0
ROOM_PX = 300


def opener(view: View) -> None:
    """The button that opens the dialog."""
    st.button("Add…", key="add", disabled=view.user is None, on_click=dialogs.show, args=(NAME,))


def shown(view: View, info: DatasetInfo, words: Domain, past: Sequence[Interaction]) -> None:
    """The dialog, as long as it is open. `past`: of the view's user."""
    if dialogs.about(NAME) is not None:
        _choose(view, info, words, past)


@st.dialog("Add demonstrations", width="large", on_dismiss=dialogs.close)
@told()
def _choose(view: View, info: DatasetInfo, words: Domain, past: Sequence[Interaction]) -> None:
    """Ask the engine for the pool of this view's user and let the person pick from it."""
    request = view.request()
    if request is None:
        return
    offered, written = st.tabs(
        ["From the pool", "In your own words"], key=dialogs.key("pool-tab"), on_change="rerun"
    )
    if written.open:
        with written:
            _write(info, words)
    if offered.open:
        with offered:
            _offered(view, request, info, words, past)


def _write(info: DatasetInfo, words: Domain) -> None:
    name = writing.write(info, words)
    if name is not None:
        desk.put("", name, 1.0)
        dialogs.close()
        st.rerun()


def _offered(
    view: View, request: RunRequest, info: DatasetInfo, words: Domain, past: Sequence[Interaction]
) -> None:
    st.caption(
        f"Windows of other users and of this user's own past, {known_when(info)}. "
        "Select rows, then add them. They go last, next to the query."
    )
    try:
        request = replace(request, demonstrations=None, demos="none", exclude_target_item=False)
        payload = {"request": request.to_json(), "sources": list(SOURCES), "size": SIZE}
        answer = _asked("pool", payload)
    except DualensError as error:
        problem(str(error))
        return
    progress.later(
        answer, "Collecting the pool", ROOM_PX, lambda ended: _table(ended, view, info, words, past)
    )


def known_when(info: DatasetInfo) -> str:
    """Which purchases the pool keeps out. Without timestamps nobody knows what was later than the target."""
    return "all from before the target's moment" if info.has_timestamps else "without the purchases held out"


def _asked(kind: str, payload: dict[str, Any]) -> Answer:
    """The answer to this question, asked once however often the dialog is drawn again."""
    known = st.session_state.get(f"{kind}_job")
    if known is not None and known[0] == payload:
        answer = Answer(jobs.get(session.store(), known[1]))
        if answer.error is None:
            return answer
    with st.skeleton(height=ROOM_PX):
        answer = ask(session.store(), kind, payload, WAIT_S)
    st.session_state[f"{kind}_job"] = (payload, answer.job.id)
    return answer


def _table(answer: Answer, view: View, info: DatasetInfo, words: Domain, past: Sequence[Interaction]) -> None:
    if answer.result is None:
        problem(answer.error or "")
        return
    views = answer.result["demonstrations"]
    demonstrations.learn(views, info.name)
    on_desk = {row["id"] for row in desk.rows()}
    others = [row for row in views if row["id"] not in on_desk]
    free = target_marks.remaining(view, others, past)
    if len(free) < len(others):
        st.caption(f":yellow[{plural(len(others) - len(free), 'row')} with the target's item left out.]")
    if not free:
        st.caption("Everything the pool holds for this user is on the desk already.")
        return
    target = target_marks.known_target(view, past, None)
    predicted.shown(
        view, free, target, _asked, lambda effects: _rows(free, effects, target, len(on_desk), info, words)
    )


def _rows(
    free: Sequence[Mapping[str, Any]],
    effects: Mapping[str, float | None],
    target: Interaction | None,
    taken: int,
    info: DatasetInfo,
    words: Domain,
) -> None:
    """The table to pick from, and what can be done with what is picked. `taken`: places of the desk."""
    free = predicted.ordered(free, effects)
    places = [target_marks.place(row, target) for row in free]
    if shown := sum(where is not None for where in places):
        st.caption(f":yellow[Gold: {plural(shown, 'row')} with the target's item, as the first column says.]")
    event = st.dataframe(
        target_marks.styled(predicted.with_column(table(free, words), free, effects), places, colours()),
        # A table of its own for every pool: rows ticked in the one before mean other demonstrations.
        key=widgets.drafting("pool-table", tuple(view["id"] for view in free)),
        hide_index=True,
        height=420,
        on_select="rerun",
        selection_mode="multi-row",
        column_config={
            predicted.COLUMN: st.column_config.NumberColumn(format="%+.2f", width=130, help=predicted.ABOUT),
            "similarity": st.column_config.NumberColumn(format="%.2f", width="small"),
            "shared": st.column_config.NumberColumn(width="small", help="items in common with this user"),
        },
        alt="Pool of demonstrations; select rows to add",
    )
    picked = [free[index] for index in event.selection.rows if index < len(free)]
    room = MOST_DEMONSTRATIONS - taken
    if len(picked) > room:
        st.caption(f"The desk has room for {room} more.")
    with st.container(horizontal=True, key="pool-actions"):
        _actions(picked, room, info, words)


def _actions(picked: Sequence[Mapping[str, Any]], room: int, info: DatasetInfo, words: Domain) -> None:
    if st.button(
        f"Add {plural(len(picked), 'demonstration')}" if picked else "Add",
        type="primary",
        key="pool-add",
        disabled=not picked or len(picked) > room,
    ):
        add(picked)
        dialogs.close()
        st.rerun()
    only = picked[0]["id"] if len(picked) == 1 else None
    if st.button(
        "Edit before adding",
        key="pool-edit",
        disabled=only is None,
        help="Select one row to change its words.",
    ):
        st.session_state.pool_edit = only
    if only is not None and st.session_state.get("pool_edit") == only:
        with st.container(key="pool-edit-form"):
            name = writing.edited(only, info, words)
        if name is not None:
            desk.put("", name, 1.0)
            dialogs.close()
            st.rerun()


def add(picked: Sequence[Mapping[str, Any]]) -> None:
    """Put demonstrations behind those on the desk, the most similar one last."""
    desk.add([demo["id"] for demo in sorted(picked, key=lambda demo: demo.get("similarity") or 0.0)])


def table(views: Sequence[Mapping[str, Any]], words: Domain) -> pd.DataFrame:
    """What the pool shows of each demonstration."""
    frame = pd.DataFrame(
        {
            "source": [values.source(view["source"]) for view in views],
            f"then {words.past}": [plain(view["answer"]["title"]) for view in views],
            "after": [
                " · ".join(plain(item["title"]) for item in reversed(view["history"])) for view in views
            ],
            "shared": [view.get("shared") for view in views],
            "similarity": [view.get("similarity") for view in views],
            "user": [plain(view["user"]) for view in views],
            "when": [day(view.get("timestamp")) for view in views],
        }
    )
    return frame if any(view.get("timestamp") is not None for view in views) else frame.drop(columns="when")
