"""Demonstrations in a person's own words: written from scratch, or one of the pool or the desk edited."""

from collections.abc import Sequence

import streamlit as st

from dashboard.state import demonstrations, session
from dashboard.text.formats import plural
from dashboard.text.literal import plain
from dashboard.ui import dialogs
from dashboard.ui.notices import problem, told
from db import demonstrations as stored
from db.datasets import DatasetInfo
from db.demonstrations import MOST_TITLES
from db.errors import BadInput
from db.requests import Chosen

NAME = "edit"  # of the dialog
FOUND = 6  # titles a search shows
HISTORY_PX = 148


def write(info: DatasetInfo) -> str | None:
    """The form for a new one; returns its id once it was saved."""
    st.caption(
        "Titles of any kind: of the catalogue, or made up. Nothing can check whether such purchases were "
        "known before the target, so a run that shows one says so."
    )
    history, answer = _fields(info, "write")
    if st.button(
        "Save and put on the desk", type="primary", key="write-save", disabled=not (history and answer)
    ):
        return _saved(info, history, answer, None)
    return None


def shown(info: DatasetInfo) -> None:
    """The dialog that edits one on the desk, as long as it is open."""
    about = dialogs.about(NAME)
    if about is not None:
        _edit(about[0], info, about[1])


@st.dialog("Edit a demonstration", width="large", on_dismiss=dialogs.close)
@told()
def _edit(name: str, info: DatasetInfo, weight: float) -> None:
    """Change the titles of one on the desk; the changed one takes its place and its weight."""
    found = edited(name, info)
    if found is not None:
        session.replace_chosen(name, found, weight)
        dialogs.close()
        st.rerun()


def edited(name: str, info: DatasetInfo) -> str | None:
    """The form with the titles of a stored one; returns the id of the changed one once it was saved."""
    original = stored.get_many(session.store(), [name], info.id).get(name)
    view = demonstrations.of([Chosen(name)], info)[0]
    if original is None or not view:
        problem("This demonstration is not in the store yet. Press Run first, then edit it.")
        return None
    st.caption("The window stays that user's and known when it was; only its words change.")
    key = f"edit-{name}"
    titles = [_line(item["title"]) for item in (*view[0]["history"], view[0]["answer"])]
    st.session_state.setdefault(f"{key}-history", "\n".join(titles[:-1]))
    st.session_state.setdefault(f"{key}-answer", titles[-1])
    history, answer = _fields(info, key)
    same = [*history, answer] == titles
    if st.button(
        "Use these words", type="primary", key=f"{key}-save", disabled=same or not (history and answer)
    ):
        return _saved(info, history, answer, original)
    return None


def _fields(info: DatasetInfo, key: str) -> tuple[list[str], str]:
    """The titles as they stand in the fields, empty lines left out."""
    left, right = st.columns((1, 1.15), gap="medium")
    with right:
        _search(info, key)  # first: its buttons fill the fields, which are drawn after it
    with left:
        text = st.text_area(
            f"Bought, oldest first, one title a line (1 to {MOST_TITLES})",
            key=f"{key}-history",
            height=HISTORY_PX,
        )
        answer = st.text_input("Then bought", key=f"{key}-answer")
    lines = [" ".join(line.split()) for line in (text or "").splitlines()]
    return [line for line in lines if line], " ".join((answer or "").split())


def _line(title: str) -> str:
    """A title as a field takes it: itself on one line, without what `plain` adds for showing it."""
    return " ".join(title.split()) or plain(title)


def _search(info: DatasetInfo, key: str) -> None:
    words = st.text_input(
        "Find in the catalogue",
        key=f"{key}-search",
        type="search",
        placeholder="words of a title",
        live="300ms",
    )
    found, total = demonstrations.search(info, words or "", FOUND)
    if not found:
        st.caption("No title has these words. Write it on the left.")
    for at, title in enumerate(found):
        with st.container(horizontal=True, vertical_alignment="center", gap="small", key=f"{key}-found-{at}"):
            st.text(plain(title), wrap=False, width="stretch")
            for label, field in (("Bought", "history"), ("Then bought", "answer")):
                st.button(
                    label,
                    key=f"{key}-{field}-{at}",
                    on_click=_take,
                    args=(f"{key}-{field}", _line(title), field == "history"),
                )
    if total > len(found):
        st.caption(f"{plural(total, 'title')} in all; more words narrow them down.")


def _take(field: str, title: str, append: bool) -> None:
    """Put a title of the catalogue into a field."""
    lines = [line for line in st.session_state.get(field, "").splitlines() if line.strip()] if append else []
    st.session_state[field] = "\n".join([*lines, title])


def _saved(
    info: DatasetInfo, history: Sequence[str], answer: str, original: stored.Demonstration | None
) -> str | None:
    """The id the words are stored under; None, with the reason told, where they make no demonstration."""
    try:
        made = stored.hand_written(info, history, answer, original)
    except BadInput as error:
        problem(str(error))
        return None
    stored.save_many(session.store(), [made])
    return made.id
