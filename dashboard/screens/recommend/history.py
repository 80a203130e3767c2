"""The history as a row of cards, oldest first; the target stands last, in gold."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from dashboard.screens.recommend import forgetting
from dashboard.state.view import View
from dashboard.text.domain import Domain
from dashboard.text.formats import day, plural, stars
from dashboard.text.literal import plain
from dashboard.ui import titles
from dashboard.ui.notices import card
from db import datasets
from db.datasets import DatasetInfo, Interaction, UserInfo
from db.ratings import Scale
from db.store import Store

CARDS = 5  # past items shown as cards; the table behind the button holds the others
READ = 1_000  # newest items that a page reads: what it costs does not grow with a longer history


def newest(store: Store, info: DatasetInfo, user: UserInfo) -> list[Interaction]:
    """The newest `READ` items of the user, the target among them, oldest first."""
    return datasets.windows(store, info.id, [(user.user, max(0, user.length - READ), user.length)])[0]


def timeline(
    view: View, user: UserInfo, past: Sequence[Interaction], words: Domain, info: DatasetInfo
) -> Any:
    """Draw the past items; returns the cell of the target, for `target_card` once the run is known."""
    before = past[: max(0, target_position(len(past), view.options.target))]
    scale = info.scale
    with card("history"):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            with st.container(gap=None):
                st.subheader("History", anchor=False)
                st.caption(about(view, user, words))
            forgetting.listed(info)
            label = f"All {plural(user.length, 'item')}"
            if len(past) < user.length:
                label = f"The newest {len(past):,} of {user.length:,} items"
            with st.popover(label, type="tertiary"):
                st.dataframe(
                    table(past, target_position(user.length, view.options.target), scale),
                    hide_index=True,
                    height=320,
                    width=620,
                    column_config={"title": st.column_config.TextColumn(width=340)},
                    alt="The history",
                )
        cells = st.columns(CARDS + 1, gap="xsmall")
        shown = before[-CARDS:]
        for cell, entry in zip(cells, shown, strict=False):
            with cell:
                line = _line(entry, user.length, scale)
                _card(f"past-{entry.position}", entry.title, line, partial(forgetting.opener, entry, user))
        return cells[len(shown)]


def target_card(cell: Any, view: View, past: Sequence[Interaction], words: Domain, *, revealed: bool) -> None:
    """The gold card. `revealed`: a run is shown, so the target may be named."""
    at = target_position(len(past), view.options.target)
    if at < 0:
        return
    with cell:
        if revealed:
            _card("past-target", past[at].title, f"target · {_when(past[at], past[-1].position + 1)}")
        else:
            _card("past-target", f"? next {words.event}", "known, shown after the run")


def target_position(length: int, target: str) -> int:
    """The position of the target: the last item, or for `probe` the one before."""
    return length - (1 if target == "test" else 2)


def about(view: View, user: UserInfo, words: Domain) -> str:
    """The muted sentence of the card."""
    before = max(0, target_position(user.length, view.options.target))
    if not before:
        return (
            f"Too short to rank: nothing stands before the {words.event} to predict. Choose another user, or "
            "undo what is forgotten."
        )
    used = min(view.options.history, before)
    which = {
        "semantic": f"the {used} most similar to the candidates",
        "clusters": f"{used} spread over the whole history",
    }
    entered = which.get(view.options.history_by, f"the newest {used}")
    text = f"What this user {words.past}, oldest first; {entered} of {before} enter the prompt."
    if view.options.target == "probe":
        text += f" The {words.event} before the last is the target; the model never sees the last one."
    else:
        text += f" The model does not see the next {words.event}."
    if user.tie:
        text += " The last two have the same time stamp, so their order is uncertain."
    return text


def table(past: Sequence[Interaction], at: int, scale: Scale) -> pd.DataFrame:
    """These items, oldest first, with the target (at position `at`) named."""
    frame = pd.DataFrame(
        {
            "": ["target" if entry.position == at else str(entry.position + 1) for entry in past],
            "title": [plain(entry.title) for entry in past],
            "when": [day(entry.timestamp) for entry in past],
            "rating": [stars(entry.rating, scale) for entry in past],
        }
    )
    empty = [name for name in ("when", "rating") if set(frame[name]) <= {"", "–"}]
    return frame.drop(columns=empty)


def _line(entry: Interaction, length: int, scale: Scale) -> str:
    when = _when(entry, length)
    return f"{when} · {rating}" if (rating := stars(entry.rating, scale)) else when


def _when(entry: Interaction, length: int) -> str:
    return day(entry.timestamp) if entry.timestamp is not None else f"{entry.position + 1} of {length}"


def _card(key: str, title: str, line: str, action: Callable[[], None] | None = None) -> None:
    with st.container(border=True, key=key, gap=None):
        titles.title(title, lines=2, strong=key == "past-target")
        with st.container(horizontal=True, vertical_alignment="center", gap=None, key=f"row-{key}"):
            st.caption(line, wrap=False, width="stretch")
            if action is not None:
                action()
