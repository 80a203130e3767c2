"""What stands on the desk, and each thing that a person does to it.

The rows are those the page drew last (`rows`); a change makes new ones of them at once, so that the next
callback before a redraw sees it, and asks for their run (`session.show`). Locks belong to the view: no run
depends on them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import streamlit as st

from dashboard.state import session
from dashboard.state.view import View
from db.requests import Chosen
from db.requests.keep import Kept, write_kept

Row = Mapping[str, Any]


def rows() -> list[dict[str, Any]]:
    """The demonstrations on the desk in prompt order, as drawn last or as changed since."""
    return st.session_state.get("desk", [])


def drawn(shown: Sequence[dict[str, Any]] | None) -> None:
    """Note what the page draws; None: what there is comes with the run."""
    st.session_state.desk = list(shown or [])


def locked(view: View) -> list[dict[str, Any]]:
    """The locked rows in prompt order."""
    return [row for row in rows() if row["id"] in view.locked]


def kept(view: View) -> str | None:
    """The locked rows at their places, as requests name them; None where nothing is locked."""
    places = {row["id"]: place for place, row in enumerate(rows(), 1)}
    return write_kept(Kept(row["id"], float(row["weight"]), places[row["id"]]) for row in locked(view))


def weigh(name: str, weight: float) -> None:
    """Give a demonstration another weight. One that is not there was on the desk before."""
    _change(name, lambda at, all_: [*all_[:at], {**all_[at], "weight": weight}, *all_[at + 1 :]])


def move(name: str, step: int) -> None:
    """Move a demonstration one place up (-1) or down (1)."""
    st.session_state.desk_moved = name

    def placed(at: int, all_: list[dict[str, Any]]) -> list[dict[str, Any]]:
        others = all_[:at] + all_[at + 1 :]
        others.insert(min(len(others), max(0, at + step)), all_[at])
        return others

    _change(name, placed)


def moved() -> str | None:
    """The demonstration that was moved last."""
    return st.session_state.get("desk_moved")


def drop(name: str) -> None:
    """Take a demonstration off the desk."""
    _change(name, lambda at, all_: all_[:at] + all_[at + 1 :])


def lock(name: str) -> None:
    """Lock a demonstration, or unlock it."""
    view = session.view()
    others = tuple(other for other in view.locked if other != name)
    session.show(replace(view, locked=others if name in view.locked else (*view.locked, name)))


def clear() -> None:
    """Take all but the locked ones off the desk."""
    _show(locked(session.view()))


def add(names: Sequence[str]) -> None:
    """Put demonstrations behind those on the desk, the last one next to the query."""
    session.show(replace(session.view(), chosen=(*chosen(rows()), *(Chosen(name, 1.0) for name in names))))


def put(name: str, other: str, weight: float) -> None:
    """Put demonstration `other` in the place of `name`; behind all where `name` is not there."""
    view = session.view()
    others = [demo for demo in chosen(rows()) if demo.id != other]
    new = [Chosen(other, weight) if demo.id == name else demo for demo in others]
    if all(demo.id != other for demo in new):
        new.append(Chosen(other, weight))
    locks = tuple(other if each == name else each for each in view.locked)
    session.show(replace(view, chosen=tuple(new), locked=locks))


def step(*, forward: bool) -> None:
    """Undo the last change, or redo the one undone last."""
    session.step(forward=forward)
    known = {row["id"]: row for row in rows()}
    # Until the page is drawn: what is not on it any more is moved by nothing.
    st.session_state.desk = [
        {**known.get(demo.id, {"id": demo.id}), "weight": demo.weight} for demo in session.view().chosen or ()
    ]


def _change(name: str, change: Callable[[int, list[dict[str, Any]]], list[dict[str, Any]]]) -> None:
    present = list(rows())
    at = next((at for at, row in enumerate(present) if row["id"] == name), None)
    if at is not None:
        _show(change(at, present))


def _show(new: list[dict[str, Any]]) -> None:
    """Make these rows the desk, also for the callbacks of what else was moved before the page is drawn."""
    st.session_state.desk = new
    view, names = session.view(), {row["id"] for row in new}
    stay = tuple(name for name in view.locked if name in names)
    session.show(replace(view, chosen=chosen(new), locked=stay))


def chosen(some: Sequence[Row]) -> tuple[Chosen, ...]:
    """Rows as a request names them."""
    return tuple(Chosen(row["id"], float(row["weight"])) for row in some)
