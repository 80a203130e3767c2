"""Which demonstrations show the target's item: marked in gold, and left out with one click.

The target reports, it chooses nothing: marks appear once a run of this user is shown, as the target does.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st
from pandas.io.formats.style import Styler

from dashboard.screens.recommend.history import target_position
from dashboard.state import session
from dashboard.state.view import View
from dashboard.text import words
from dashboard.text.formats import plural
from dashboard.text.literal import md
from dashboard.ui.theme import Palette
from db.datasets import Interaction
from db.demonstrations import ANSWER, HISTORY, shows
from db.runs import Run

MARKS = {ANSWER: "target is the answer", HISTORY: "target in the history"}
COLUMN = "shows the target"
CELLS = {ANSWER: "as its answer", HISTORY: "in its history", None: ""}

HELP = (
    "Ranks again without them, to see what remains. It takes knowledge of the target: a check, and no way to "
    "choose demonstrations."
)

Row = Mapping[str, Any]


def known_target(view: View, past: Sequence[Interaction], run: Run | None) -> Interaction | None:
    """The target, where it may be named: a run of this user was shown in this session (`run`: now).

    None as well where there is no such item.
    """
    seen = st.session_state.setdefault("targets_shown", set())
    question = view.dataset, view.user, view.options.target
    if run is not None:
        seen.add(question)
    return _target(view, past) if question in seen else None


def _target(view: View, past: Sequence[Interaction]) -> Interaction | None:
    at = target_position(len(past), view.options.target)
    return past[at] if at >= 0 else None


def place(row: Row, target: Interaction | None) -> str | None:
    """Where a demonstration shows the target: as its answer, in its history, or nowhere (None)."""
    if target is None:
        return None
    history = [(item["item"], item["title"]) for item in row.get("history") or []]
    return shows(history, (row["answer"]["item"], row["answer"]["title"]), (target.item_id, target.title))


def remaining(view: View, rows: Sequence[Any], past: Sequence[Interaction]) -> list[Any]:
    """The rows that a run of this view shows: without the target's item, where the view leaves it out."""
    if not view.options.exclude_target_item:
        return list(rows)
    return [row for row in rows if place(row, _target(view, past)) is None]


def line(row: Row, target: Interaction | None) -> str:
    """Where a row comes from, after a gold mark if it shows the target. Markdown."""
    where, source = place(row, target), md(words.source_line(row))
    return source if where is None else f":yellow-badge[{MARKS[where]}] {source}"


def choice(view: View, rows: Sequence[Row], target: Interaction | None, excluded: int) -> bool:
    """How many rows show the target and a button that leaves them out; or how many are left out (`excluded`)
    and one that puts them back. Whether there was anything to say."""
    if view.options.exclude_target_item:
        _line(f"Left out: {_many(excluded, 'that ')} the target's item.", "Put back", exclude=False)
        return True
    places = [place(row, target) for row in rows]
    shown = [where for where in places if where is not None]
    if shown:
        answers = shown.count(ANSWER)
        parts = [f"{answers} as the answer"] * bool(answers)
        parts += [f"{len(shown) - answers} in the history"] * (len(shown) > answers)
        _line(f"{_many(len(shown))} the target's item (gold): {', '.join(parts)}.", "Leave out", exclude=True)
    return bool(shown)


def _many(count: int, that: str = "") -> str:
    return f"{plural(count, 'demonstration')} {that}{'shows' if count == 1 else 'show'}"


def _line(text: str, label: str, *, exclude: bool) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall", key="target-line"):
        st.caption(f":yellow[{md(text)}]", width="content")
        st.button(
            label,
            key="target-exclude" if exclude else "target-include",
            on_click=_exclude,
            args=(exclude,),
            help=HELP if exclude else "Ranks again with them.",
        )


def _exclude(exclude: bool) -> None:
    session.show(session.view().asking(exclude_target_item=exclude))


def styled(frame: pd.DataFrame, places: Sequence[str | None], colours: Palette) -> pd.DataFrame | Styler:
    """The pool's table with a column that says where each row shows the target, and those rows in gold."""
    if not any(places):
        return frame
    marked = frame.copy()
    marked.insert(0, COLUMN, [CELLS[where] for where in places])
    gold = f"background-color: {colours.target_surface}; color: {colours.target_text}"
    return marked.style.apply(lambda row: [gold if row[COLUMN] else ""] * len(row), axis=1)
