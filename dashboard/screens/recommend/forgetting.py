"""Forget a purchase or an item: the question, what it changed, the list with undo, and the check.

Boundary: files jobs of the kind "forget" (`engine.tasks.forgetting`); what is forgotten is the data set's.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from dashboard.charts.bump import pair
from dashboard.state import asking, session
from dashboard.state.outcome import MEASURE, known
from dashboard.state.waiting import Answer
from dashboard.text.formats import plural, signed
from dashboard.text.literal import md
from dashboard.ui import dialogs, help, progress, rights
from dashboard.ui.notices import problem, told
from dashboard.ui.two_lists import two_lists
from db import jobs, runs
from db.datasets import DatasetInfo, Interaction, UserInfo
from db.forgotten import Entry, entries
from db.runs import Run

NAME = "forget"  # of the dialog
ASK, CHANGED, LIST = "ask", "changed", "list"
WAIT_S = 2.0
ROOM_PX = 420
KINDS = {"purchase": "This purchase", "item": "This item, for all users"}


def opener(entry: Interaction, user: UserInfo) -> None:
    """The button of one purchase in the history."""
    with st.container(key=f"move-forget-{entry.position}", width="content"):
        st.button(
            f"Forget purchase {entry.position + 1}",
            icon=":material/visibility_off:",
            key=f"forget-{entry.position}",
            type="tertiary",
            help="Forget it everywhere: history, demonstrations, pools. Can be undone.",
            on_click=dialogs.show,
            args=(NAME, ASK, user.user_id, entry.item_id, entry.title, entry.position),
        )


def listed(info: DatasetInfo) -> None:
    """The button that opens the list, where something is forgotten."""
    if info.forgotten:
        st.button(
            f"{len(info.forgotten):,} forgotten",
            key="forgotten",
            type="tertiary",
            help="What nothing reads any more, with undo.",
            on_click=dialogs.show,
            args=(NAME, LIST),
        )


def shown(info: DatasetInfo) -> None:
    """The dialog, as long as it is open."""
    about = dialogs.about(NAME)
    if about is not None:
        _dialog(info, *about)


@st.dialog("Forget", width="large", on_dismiss=dialogs.close)
@told()
def _dialog(info: DatasetInfo, what: str, *about: Any) -> None:
    if "forget_job" in st.session_state:
        answer = Answer(jobs.get(session.store(), st.session_state.forget_job[0]))
        progress.later(answer, "Forgetting", ROOM_PX, _done)
    elif what == ASK:
        _ask(info, *about)
    elif what == CHANGED:
        _changed(info, *about)
    else:
        _list(info)


def _ask(info: DatasetInfo, user: str, item: str, title: str, position: int) -> None:
    st.caption(
        help.more(
            "It leaves history, demonstrations, sets and pools of every user, as if it had never been. The "
            "rows stay in the store, so that this can be undone; stored runs stay as they are.",
            "forget",
        )
    )
    _measure_before()
    st.markdown(f"**{md(title)}**, purchase {position + 1} of user {md(user)}")
    kind = st.segmented_control(
        "Forget",
        list(KINDS),
        default="purchase",
        required=True,
        format_func=KINDS.__getitem__,
        key="forget-kind",
    )
    asked: dict[str, Any] = {"kind": kind or "purchase", "item": item}
    if asked["kind"] == "purchase":
        asked |= {"user": user, "position": position}
    else:
        st.caption("The item also leaves the catalogue: no candidate list holds it.")
    rights.change_button(
        "Forget it",
        type="primary",
        key="forget-now",
        on_click=_file,
        args=({"dataset": info.name, "forget": asked},),
    )


def _measure_before() -> None:
    """Have the effects of the shown run measured while they still can be: the same request means another run
    afterwards."""
    outcome = known(session.view())
    run = None if outcome is None else outcome.run
    if run is None or not run.result["demonstrations"] or session.endpoint(run.request.model) is not None:
        return
    if not runs.effects(session.store(), run.key):
        payload = {"request": run.request.to_json(), "leave_one_out": False, "measure": MEASURE}
        asking.once("forget_before", "effects", payload | {"of": run.key}, 0.0)


def _file(payload: Mapping[str, Any]) -> None:
    outcome = known(session.view())
    before = outcome.run.key if outcome is not None and outcome.run is not None else None
    job = jobs.submit(session.store(), "forget", dict(payload))
    st.session_state.forget_job = (job.id, before, "forget" in payload)


def _done(answer: Answer) -> None:
    """The change is made: the page is drawn anew with it, and the dialog shows what changed."""
    _, before, forgot = st.session_state.pop("forget_job")
    if answer.result is None:
        problem(answer.error or "")
        return
    dialogs.show(NAME, CHANGED, before, forgot)
    st.rerun()


def _changed(info: DatasetInfo, before: str | None, forgot: bool) -> None:
    """The list and the effects before and after."""
    request = session.view().request()
    if before is None or request is None or (run := runs.by_key(session.store(), before)) is None:
        st.markdown("Done. Press Run to rank without it." if forgot else "Done. It counts as before.")
        return
    payload = {"request": request.to_json()}
    answer = asking.once("forget_rank", "rank", payload | {"of": info.fingerprint}, WAIT_S)
    progress.later(answer, "Ranking again", ROOM_PX, lambda ended: _compared(run, ended))


def _compared(before: Run, answer: Answer) -> None:
    if answer.result is None:
        problem(answer.error or "")
        return
    after = runs.by_key(session.store(), answer.result["run"])
    if after is None:
        return
    st.caption(md(_said(before, after)))
    two_lists(pair(before.result["items"], after.result["items"]), "bump-forgotten", ("before", "now"))
    _effects(before, after)
    st.page_link(
        "screens/compare/page.py",
        label="Compare both runs",
        query_params={"a": before.key, "b": after.key},
    )


def _said(before: Run, after: Run) -> str:
    """What changed for the target, in a sentence."""
    targets = [run.result["target"] for run in (before, after)]
    if targets[0]["item"] != targets[1]["item"]:
        return (
            f"The item to predict is another one now: {targets[1]['title']} instead of {targets[0]['title']}."
        )
    ranks = [run.result["metrics"]["rank"] for run in (before, after)]
    margins = before.result.get("margin"), after.result.get("margin")
    now = f"{ranks[1]:g}"
    moved = f"stays at rank {now}" if ranks[0] == ranks[1] else f"goes from rank {ranks[0]:g} to {now}"
    said = f"The target, {targets[1]['title']}, {moved}"
    if margins[0] is None or margins[1] is None:
        return f"{said}."
    change = signed(margins[1] - margins[0], 3)
    kept = change.strip("0.") == ""
    return f"{said}; the log of its share {'does not change' if kept else f'changes by {change}'}."


def _effects(before: Run, after: Run) -> None:
    """The effects of the demonstrations in both, measured where they are not known."""
    if not after.result["demonstrations"] or session.endpoint(after.request.model) is not None:
        return
    payload = {
        "request": after.request.to_json(),
        "leave_one_out": False,
        "measure": MEASURE,
        "of": after.key,
    }
    answer = asking.once("forget_effects", "effects", payload, WAIT_S)
    progress.later(answer, "Measuring effects", 120, lambda _: _effects_table(before, after))


def _effects_table(before: Run, after: Run) -> None:
    known_effects = [_effects_of(run) for run in (before, after)]
    shown_demos = {demo["id"]: demo for run in (before, after) for demo in run.result["demonstrations"]}
    rows = [
        {
            "demonstration": f"… → {demo['answer']['title']}",
            "effect before": _signed(known_effects[0].get(name)),
            "effect now": _signed(known_effects[1].get(name)),
        }
        for name, demo in shown_demos.items()
    ]
    if rows and all(row["effect before"] == "–" for row in rows):
        st.caption("The effects before were not measured.")
    st.dataframe(rows, hide_index=True, alt="Effects of the demonstrations before and now")


def _signed(effect: float | None) -> str:
    return "–" if effect is None else signed(effect, 3)


def _effects_of(run: Run) -> dict[str, float]:
    measured = runs.effects(session.store(), run.key)[:1]
    return {row["id"]: row["effect"] for each in measured for row in each.result["demonstrations"]}


def _list(info: DatasetInfo) -> None:
    told_entries = entries(info)
    st.caption(
        help.more(
            f"{plural(len(told_entries), 'entry', 'entries')} that nothing reads any more.",
            "forget",
        )
    )
    for number, entry in enumerate(told_entries):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(md(entry.words), width="stretch")
            rights.change_button(
                "Undo", key=f"forget-undo-{number}", on_click=_file, args=(_undo(info, [entry]),)
            )
    _check(info)


def _undo(info: DatasetInfo, wanted: Sequence[Entry]) -> dict[str, Any]:
    return {"dataset": info.name, "undo": [list(entry.key) for entry in wanted]}


def _check(info: DatasetInfo) -> None:
    """What still knows it, asked for by a button."""
    if st.button("Check what still knows it", key="forget-check"):
        st.session_state.forget_checked = info.fingerprint
    if st.session_state.get("forget_checked") != info.fingerprint:
        return
    answer = asking.once("forget_check", "forget", {"dataset": info.name, "of": info.fingerprint}, WAIT_S)
    progress.later(answer, "Looking in every place", 200, _checked)


def _checked(answer: Answer) -> None:
    if answer.result is None:
        problem(answer.error or "")
        return
    rows = [
        {"place": row["place"], "count": row["count"], "what to do": row["advice"]}
        for row in answer.result["places"]
    ]
    st.dataframe(rows, hide_index=True, alt="Places that still know what is forgotten")
