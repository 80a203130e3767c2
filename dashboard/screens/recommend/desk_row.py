"""One row of the mixing desk: what it shows, its weight, and what can be done with it."""

import re
from collections.abc import Callable
from typing import Any

import streamlit as st

from dashboard.screens.recommend import target_marks, writing
from dashboard.state import desk, widgets
from dashboard.state.view import WEIGHT_MOST
from dashboard.text.literal import plain
from dashboard.ui import dialogs, titles
from db.datasets import Interaction

ROW_PX = 78
MOVES = {
    "up": ("Move up (once moved: Alt+Up again)", "arrow_upward"),
    "down": ("Move down, nearer to the query (once moved: Alt+Down again)", "arrow_downward"),
    "lock": ("Lock: strategies and Optimize fill only the rest", "lock_open_right"),
    "unlock": ("Unlock", "lock"),
    "edit": ("Edit the titles", "edit"),
    "drop": ("Drop", "close"),
}
"""What a button does, before the first punctuation mark its label, and its icon."""
AGAIN = {"up": "Alt+Up", "down": "Alt+Down"}
"""Keys that move the demonstration moved last: its buttons lose the browser's focus with their row."""


def draw(
    index: int, row: dict[str, Any], count: int, target: Interaction | None, *, locked: bool, remote: bool
) -> Any:
    """Number, last history item, answer, source; the slider; the buttons. Always `ROW_PX` high.

    Returns the place of the source, where it is marked if it shows the target. remote: the model is behind an
    endpoint.
    """
    with st.container(height=ROW_PX, border=False, key=f"desk-row-{index}", gap=None):
        text, control = st.columns((1.6, 1), gap="xsmall")
        with text, st.container(gap=None):
            history = row.get("history") or []
            before = history[-1]["title"] if history else "no history"
            titles.title(f"{index + 1}{' locked' if locked else ''} … {plain(before)} →")
            titles.title(row["answer"]["title"], strong=True)
            last = st.empty()
            last.caption(target_marks.line(row, target), wrap=False)
        with control, st.container(gap=None, key=f"control-{index}"):
            weight = float(row["weight"])
            _weight(index, row["id"], weight, remote)
            with st.container(horizontal=True, horizontal_alignment="center", gap=None, key=f"move-{index}"):
                name = row["id"]
                _button("up", index, name, desk.move, name, -1, disabled=index == 0)
                _button("down", index, name, desk.move, name, 1, disabled=index == count - 1)
                _button("unlock" if locked else "lock", index, name, desk.lock, name)
                _button("edit", index, name, dialogs.show, writing.NAME, name, weight)
                _button("drop", index, name, desk.drop, name)
    return last


def _button(what: str, index: int, name: str, press: Callable[..., None], *args: Any, **how: Any) -> None:
    """A button of a row: an icon to see, a label with the demonstration's number to hear."""
    about, icon = MOVES[what]
    st.button(
        f"{re.split('[,:(]', about)[0].strip()}: demonstration {index + 1}",
        icon=f":material/{icon}:",
        key=f"{what.removeprefix('un')}-{name}",
        type="tertiary",
        help=about,
        shortcut=AGAIN.get(what) if name == desk.moved() else None,
        on_click=press,
        args=args,
        **how,
    )


def _weight(index: int, name: str, weight: float, remote: bool) -> None:
    """The slider; a switch for a model behind an endpoint, which reads a demonstration or does not."""
    how = {"label_visibility": "collapsed", "on_change": _weigh}
    if remote:
        key = widgets.showing(f"there-{name}", weight > 0)
        st.toggle(f"Demonstration {index + 1} is in the prompt", weight > 0, key=key, args=(name, key), **how)
        return
    key = widgets.showing(f"weight-{name}", weight)
    st.slider(
        f"Weight of demonstration {index + 1}",
        0.0,
        WEIGHT_MOST,
        weight,
        step=0.1,
        format="%.1f" if round(weight, 1) == weight else "%.2f",  # learned weights
        key=key,
        args=(name, key),
        **how,
    )


def _weigh(name: str, key: str) -> None:
    desk.weigh(name, round(float(st.session_state[key]), 1))
