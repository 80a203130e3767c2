"""Hand-written demonstrations: new ones, and edited ones of the pool or the desk."""

from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

from dashboard.state import demonstrations, desk, session, widgets
from dashboard.text.domain import Domain
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


def write(info: DatasetInfo, words: Domain) -> str | None:
    """The form for a new demonstration; returns its id once it is saved."""
    st.caption(
        "Use titles from the catalogue or your own. Their dates are unknown, so a run with such a "
        "demonstration notes that it may reveal the target."
    )
    history, answer = _fields(info, "write", words)
    if st.button(
        "Save and put on the desk", type="primary", key="write-save", disabled=not (history and answer)
    ):
        return _saved(info, "write", history, answer, None)
    return None


def shown(info: DatasetInfo, words: Domain) -> None:
    """The dialog that edits a demonstration of the desk, as long as it is open."""
    about = dialogs.about(NAME)
    if about is not None:
        _edit(about[0], info, about[1], words)


@st.dialog("Edit a demonstration", width="large", on_dismiss=dialogs.close)
@told()
def _edit(name: str, info: DatasetInfo, weight: float, words: Domain) -> None:
    """Change the titles; the changed demonstration takes the place and the weight of the original."""
    changed = edited(name, info, words)
    if changed is not None:
        desk.put(name, changed, weight)
        dialogs.close()
        st.rerun()


def edited(name: str, info: DatasetInfo, words: Domain) -> str | None:
    """The form with the titles of a stored demonstration; returns the new id once it is saved."""
    original = stored.get_many(session.store(), [name], info.id).get(name)
    view = demonstrations.of([Chosen(name)], info)[0]
    if original is None or not view:
        problem("This demonstration is not in the store yet. Press Run, then edit it.")
        return None
    st.caption("Only the titles change. The user and the date of the window stay.")
    key = f"edit-{name}"
    titles = [_line(item["title"]) for item in (*view[0]["history"], view[0]["answer"])]
    history, answer = _fields(info, key, words, "\n".join(titles[:-1]), titles[-1])
    same = [*history, answer] == titles
    if st.button(
        "Use these titles", type="primary", key=f"{key}-save", disabled=same or not (history and answer)
    ):
        return _saved(info, key, history, answer, original)
    return None


def _fields(
    info: DatasetInfo, key: str, words: Domain, history: str = "", answer: str = ""
) -> tuple[list[str], str]:
    """The titles in the fields without empty lines; `history` and `answer`: what the fields hold at first."""
    left, right = st.columns((1, 1.15), gap="medium")
    with right:
        _search(info, key, words, history)
    with left:
        history = _field(
            st.text_area,
            f"History, oldest first, one title per line (1 to {MOST_TITLES})",
            f"{key}-history",
            history,
            height=HISTORY_PX,
        )
        answer = _field(st.text_input, f"Then {words.past}", f"{key}-answer", answer)
    lines = [" ".join(line.split()) for line in history.splitlines()]
    return [line for line in lines if line], " ".join(answer.split())


def _field(draw: Callable[..., Any], label: str, name: str, start: str, **how: Any) -> str:
    """A field whose text outlives the dialog, until it is saved."""
    text = widgets.kept(name, start)
    key = widgets.showing(name, text)
    draw(label, value=text, key=key, on_change=_typed, args=(name, key), **how)
    return text


def _typed(name: str, key: str) -> None:
    widgets.keep(name, st.session_state[key] or "")


def _line(title: str) -> str:
    """A title as a field takes it: itself on one line, without what `plain` adds for showing it."""
    return " ".join(title.split()) or plain(title)


def _search(info: DatasetInfo, key: str, words: Domain, history: str) -> None:
    text = st.text_input(
        "Find in the catalogue",
        key=f"{key}-search",
        type="search",
        placeholder="words of a title",
        live="300ms",
    )
    titles, total = demonstrations.search(info, text or "", FOUND)
    if not titles:
        st.caption("No title has these words. Write it on the left.")
    for at, title in enumerate(titles):
        with st.container(horizontal=True, vertical_alignment="center", gap="small", key=f"{key}-found-{at}"):
            st.text(plain(title), wrap=False, width="stretch")
            for label, field in (("History", "history"), (f"Then {words.past}", "answer")):
                st.button(
                    label,
                    key=f"{key}-{field}-{at}",
                    on_click=_take,
                    args=(f"{key}-{field}", _line(title), history if field == "history" else None),
                )
    if total > len(titles):
        st.caption(f"{plural(total, 'title')} match. Add words to narrow them down.")


def _take(field: str, title: str, start: str | None) -> None:
    """Put a title of the catalogue into a field; below what it holds (at first `start`), unless None."""
    text = "" if start is None else widgets.kept(field, start)
    widgets.keep(field, "\n".join([*(line for line in text.splitlines() if line.strip()), title]))


def _saved(
    info: DatasetInfo, key: str, history: Sequence[str], answer: str, original: stored.Demonstration | None
) -> str | None:
    """The id of the stored demonstration; None, and the reason on the page, where the titles make none."""
    try:
        demonstration = stored.hand_written(info, history, answer, original)
    except BadInput as error:
        problem(str(error))
        return None
    stored.save_many(session.store(), [demonstration])
    widgets.forget(f"{key}-history", f"{key}-answer")
    return demonstration.id
