"""Which two runs the Compare page shows: its pickers, its address, and what it proposes at first."""

from collections.abc import Sequence

import streamlit as st

from dashboard.state import links, session
from dashboard.ui import address, run_picker
from dashboard.ui.notices import RECOMMEND, empty, problem
from db import runs
from db.errors import NotFound
from db.runs import Run, RunSummary

PAGE = "compare"
SIDES = ("a", "b")


def choose() -> tuple[Run, Run] | None:
    """Draw the pickers; the two runs to compare, or None after saying what to do."""
    known = run_picker.listed(PAGE)
    stored = known.total if not known.words else runs.count(session.store())
    if stored < 2:
        _too_few(stored)
        return None
    a, b = _chosen()
    _pickers(known, a, b)
    if a is None or b is None:
        empty("Choose two runs", "The list moves from A to B; the differences stand beside it.", 200)
        return None
    address.complete(PAGE, {"a": a.key, "b": b.key})
    return a, b


def _too_few(stored: int) -> None:
    if stored == 0:
        about = "Every run on Recommend is stored and can be compared here."
        empty("No stored runs yet", about, 200, RECOMMEND)
    else:
        about = "Change a demonstration, a weight or an option on Recommend and run again."
        empty("Only one run is stored so far", about, 200, RECOMMEND)


def _chosen() -> tuple[Run | None, Run | None]:
    """The runs of the address (`a`, `b`: a key or its beginning) or picked last, else proposed ones."""
    params = st.query_params.to_dict() or links.kept(PAGE)
    asked = {side: params.get(side) for side in SIDES}
    if not any(asked.values()):
        earlier, newer = propose(runs.listing(session.store()))
        return runs.by_key(session.store(), earlier), runs.by_key(session.store(), newer)
    a, b = (_found(side, key) for side, key in asked.items())
    return a, b


def _found(side: str, key: str | None) -> Run | None:
    if not key:
        return None
    try:
        return runs.get(session.store(), key)
    except NotFound as error:
        problem(f"Run {side.upper()}: {error} Choose another one below.")
        return None


def propose(known: Sequence[RunSummary]) -> tuple[str, str]:
    """Of two runs at least, newest first: the newest that has an older one of the same user, after that one;
    else the two newest."""
    for at, newer in enumerate(known):
        for older in known[at + 1 :]:
            if (older.dataset, older.user_id) == (newer.dataset, newer.user_id):
                return older.key, newer.key
    return known[1].key, known[0].key


def _pickers(known: run_picker.Listed, a: Run | None, b: Run | None) -> None:
    """A search, two select boxes of what it finds, and a swap."""
    cells = st.container(key="pickers").columns((1, 1, 0.6), vertical_alignment="bottom", gap="xsmall")
    for cell, side, run in ((cells[0], "a", a), (cells[1], "b", b)):

        def picked(key: str | None, side: str = side) -> None:
            _show({"a": a.key if a else None, "b": b.key if b else None} | {side: key})

        with cell:
            run_picker.select(f"Run {side.upper()}", f"pick-run-{side}", known, run, picked)
    with cells[2]:
        run_picker.search(PAGE)
    with run_picker.summary(PAGE, known):
        if a is not None and b is not None:
            st.button("Swap A and B", on_click=_show, args=({"a": b.key, "b": a.key},))


def _show(keys: dict[str, str | None]) -> None:
    """Write both runs to the address at once: one step in the browser's history."""
    params = {side: key for side, key in keys.items() if key}
    st.query_params.from_dict(params)
    links.keep(PAGE, params)  # only what a person picked: else the navigation opens the newest runs
