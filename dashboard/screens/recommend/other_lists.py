"""Other lists for a user: what ranks the same candidates without the model, and the whole catalogue."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import streamlit as st

from dashboard.charts.bump import pair
from dashboard.state import session
from dashboard.state.waiting import Answer, ask
from dashboard.text import values, words
from dashboard.text.formats import plural, seconds
from dashboard.text.literal import md
from dashboard.ui import dialogs, progress
from dashboard.ui.notices import problem, told
from dashboard.ui.two_lists import two_lists
from db import jobs, runs
from db.choices import OTHER_LISTS
from db.errors import DualensError
from db.runs import Run

NAME = "beside"  # of the dialog
TOP = 10
WAIT_S = 1.5
ROOM_PX = 470
WITH = "with demonstrations"


def opener(run: Run) -> None:
    """The button that opens the dialog; what was answered for an earlier opening is asked again."""
    st.button(
        "Other lists",
        key="beside",
        help="Copies of the demonstrations, conventional recommenders, and the whole catalogue.",
        on_click=_opened,
        args=(run.key,),
    )


def _opened(key: str) -> None:
    st.session_state.beside_jobs = {}
    dialogs.show(NAME, key)


def shown() -> None:
    """The dialog, as long as it is open."""
    about = dialogs.about(NAME)
    if about is not None:
        _beside(about[0])


@st.dialog("Other lists for this user", width="large", on_dismiss=dialogs.close)
@told()
def _beside(key: str) -> None:
    """Two tabs, each asked for when it is opened."""
    try:
        run = runs.get(session.store(), key)
        if session.endpoint(run.request.model) is not None:  # its server spells no titles along a tree
            _answered("peers", {"run": key}, _peers, run)
            return
        peers, catalogue = st.tabs(
            ["Without the model", "Whole catalogue"], key=dialogs.key("beside-tab"), on_change="rerun"
        )
        if peers.open:
            with peers:
                _answered("peers", {"run": key}, _peers, run)
        if catalogue.open:
            with catalogue:
                # What scores an item of a candidate list by more than its tokens has no tree to search.
                request = replace(run.request, scoring="sum")
                _answered("catalogue", {"request": request.to_json(), "top": TOP}, _catalogue, run)
    except DualensError as error:
        problem(str(error))


def _answered(kind: str, payload: Mapping[str, Any], draw: Any, run: Run) -> None:
    """Ask once while the dialog is open, and draw the answer as soon as it is there."""
    filed: dict[str, int] = st.session_state.setdefault("beside_jobs", {})
    if kind not in filed:
        with st.skeleton(height=ROOM_PX):
            filed[kind] = ask(session.store(), kind, payload, WAIT_S).job.id
    answer = Answer(jobs.get(session.store(), filed[kind]))
    progress.later(answer, "Listing", ROOM_PX, lambda ended: _drawn(ended, draw, run))


def _drawn(answer: Answer, draw: Any, run: Run) -> None:
    if answer.result is None:
        problem(answer.error or "")
    else:
        draw(answer.result, run)


def _peers(result: Mapping[str, Any], run: Run) -> None:
    """One list made without the model against the model's, and the target's rank in all of them."""
    lists: dict[str, Any] = {entry["name"]: entry for entry in result["lists"] if "items" in entry}
    st.caption(
        "The same candidates, ranked without the model (left) and by the model with the desk's "
        "demonstrations (right). Gold: the target."
    )
    names = list(lists)
    picked = st.segmented_control(
        "Recommender",
        names,
        default=names[0],
        required=True,
        format_func=_named,
        key="beside-peer",
        label_visibility="collapsed",
    )
    name = picked if picked in lists else names[0]
    st.caption(f"{md(_about(name))}. {_ties(lists[name]['items'])}")
    if lists[name].get("knows"):
        st.caption(f"{md(_named(name))} knows {md(lists[name]['knows'])}. {demonstrations_know(run.result)}")
    two_lists(pair(lists[name]["items"], run.result["items"]), "bump-peer", (_named(name), WITH))
    st.markdown(md(words.peers(run.result, {_named(name): lists[name] for name in names})))
    for entry in result["lists"]:
        if "missing" in entry:
            st.caption(f"{md(_named(entry['name']))} is not here: {md(entry['missing'])}")


def demonstrations_know(result: Mapping[str, Any]) -> str:
    """What demonstrations found in the data hold nothing of: of the target's moment, where there are any."""
    if result["target"]["timestamp"] is None:
        return "Demonstrations hold nothing that is held out, of other users either."
    return "Demonstrations hold nothing from the target's moment on either."


def _about(name: str) -> str:
    return OTHER_LISTS[name].about if name in OTHER_LISTS else name


def _ties(items: Sequence[Mapping[str, Any]]) -> str:
    """How many items have the score of another one."""
    counts = Counter(row["score"] for row in items)
    tied = sum(count for count in counts.values() if count > 1)
    return f"{tied} of {len(items)} have the score of another one; their order means nothing." if tied else ""


def _named(name: str) -> str:
    return values.label(OTHER_LISTS, name)


def _catalogue(result: Mapping[str, Any], run: Run) -> None:
    """The best titles of all, without and with demonstrations."""
    search = result["search"]
    st.caption(
        f"The {TOP} likeliest of {plural(search['titles'], 'title')}, without demonstrations (left) and with "
        f"the desk's (right), by the likelihood of the title. Searched in "
        f"{seconds(result['timings_ms']['total'] / 1000)}."
    )
    two_lists(pair(result["zero_shot"], result["items"]), "bump-catalogue", ("without", WITH))
    st.markdown(md(words.catalogue(result, run.result["target"]["title"])))
    for note in result.get("notes") or ():
        st.caption(f":orange[Note:] {md(note)}")
