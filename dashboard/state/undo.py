"""Undo and redo of what a person does on the desk.

What is remembered are states of the desk, not actions: whatever changes the desk, by hand, by a strategy, by
a set or by the browser's Back, is one step. It belongs to one user of one data set and lives as long as the
session: a visit to another page keeps it, a reload of the browser does not (its Back leads there).
"""

from dataclasses import dataclass, field, replace
from typing import Any

import streamlit as st

from dashboard.state.view import View

MOST = 100
"""Steps that can be undone."""

OPTIONS = ("demos", "weights", "prompts", "prescore", "keep")
"""Options that say what is on the desk; all others stay as they are."""

State = tuple[Any, ...]


@dataclass
class _Trail:
    """States of one user's desk before the present one and, where some were undone, after it."""

    whose: tuple[str | None, str | None]
    before: list[State] = field(default_factory=list)
    after: list[State] = field(default_factory=list)


def note(old: View, new: View) -> None:
    """Remember the desk of `old` where `new` has another one."""
    trail = _trail(old)
    if _whose(new) != trail.whose:
        st.session_state.desk_trail = _Trail(_whose(new))
    elif _state(old) != _state(new):
        trail.before.append(_state(old))
        del trail.before[:-MOST]
        trail.after.clear()


def step(view: View, *, forward: bool) -> View | None:
    """The view with its desk one step back, or forward; None where there is none."""
    trail = _trail(view)
    source, target = (trail.after, trail.before) if forward else (trail.before, trail.after)
    if not source:
        return None
    target.append(_state(view))
    chosen, locked, *options = source.pop()
    wanted = replace(view.options, **dict(zip(OPTIONS, options, strict=True)))
    return replace(view, chosen=chosen, locked=locked, options=wanted)


def possible(view: View) -> tuple[int, int]:
    """How many steps can be undone, and how many redone."""
    trail = _trail(view)
    return len(trail.before), len(trail.after)


def _trail(view: View) -> _Trail:
    trail: _Trail | None = st.session_state.get("desk_trail")
    if trail is None or trail.whose != _whose(view):
        trail = st.session_state.desk_trail = _Trail(_whose(view))
    return trail


def _whose(view: View) -> tuple[str | None, str | None]:
    return view.dataset, view.user


def _state(view: View) -> State:
    return view.chosen, view.locked, *(getattr(view.options, name) for name in OPTIONS)
