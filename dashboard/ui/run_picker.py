"""Finding stored runs again: the two pickers of the Compare page."""

import time
from collections.abc import Callable, Sequence
from functools import partial

import streamlit as st

from dashboard.state import session
from dashboard.text.formats import ARROW, ago, plural
from dashboard.text.literal import plain
from dashboard.ui.notices import problem
from db import runs
from db.errors import NotFound
from db.runs import Run, RunSummary

MOST = 300  # newest runs offered; older ones open by their link


def chosen(known: Sequence[RunSummary]) -> tuple[Run | None, Run | None]:
    """The runs of the address bar (`a`, `b`: a key or its beginning); without any, the newest two alike."""
    picked: list[Run | None] = []
    for name in ("a", "b"):
        key = st.query_params.get(name) or st.session_state.get(f"compare-{name}")
        run = None
        if key:
            try:
                run = runs.get(session.store(), key)
            except NotFound as error:
                problem(f"Run {name.upper()}: {error} Choose another one below.")
        picked.append(run)
    asked = bool(st.query_params.get("a") or st.query_params.get("b"))
    if picked == [None, None] and not asked:
        newest, partner = propose(known)
        picked = [runs.by_key(session.store(), key) if key else None for key in (partner, newest)]
    return picked[0], picked[1]


def propose(known: Sequence[RunSummary]) -> tuple[str | None, str | None]:
    """The newest run that has an older one of the same user, and that one; else the two newest."""
    for at, newer in enumerate(known):
        for older in known[at + 1 :]:
            if (older.dataset, older.user_id) == (newer.dataset, newer.user_id):
                return newer.key, older.key
    keys = [summary.key for summary in known[:2]]
    return (keys[0] if keys else None), (keys[1] if len(keys) > 1 else None)


def pickers(known: Sequence[RunSummary], a: Run | None, b: Run | None) -> None:
    """Two select boxes that search by typing, and a swap."""
    cells = st.container(key="pickers").columns((1, 0.16, 1), vertical_alignment="bottom", gap="xsmall")
    for cell, name, run in ((cells[0], "a", a), (cells[2], "b", b)):
        with cell:
            select(f"Run {name.upper()}", f"pick-run-{name}", known, run, partial(_picked, name))
    with cells[1]:
        st.button("Swap", on_click=_swap, args=(a, b), disabled=a is None or b is None, width="stretch")


def select(
    title: str, key: str, known: Sequence[RunSummary], run: Run | None, picked: Callable[[str], None]
) -> None:
    """A select box of runs that searches by typing; another choice is handed on by `picked(key)`."""
    labels = {summary.key: label(summary, time.time()) for summary in known}
    if run is not None:
        labels.setdefault(run.key, f"run {run.key[:10]}")
    session.put(key, run.key if run else None)
    st.selectbox(
        title,
        list(labels),
        key=key,
        format_func=labels.__getitem__,
        placeholder="choose a run: type a user, a model, a title",
        filter_mode="contains",
        on_change=picked,
        args=(key,),
    )


def label(run: RunSummary, now: float) -> str:
    """What tells one run from another, as one line of plain text."""
    metrics = run.metrics
    ranks = f"rank {metrics['zero_shot']['rank']} {ARROW} {metrics['rank']}"
    count = plural(run.demonstrations, "demonstration")
    where = f"{plain(run.dataset, 24)} · {plain(run.model, 24)} · {run.key[:6]}"
    return f"{plain(run.user_id, 24)} · {count} · {ranks} · {ago(run.created_at, now)} · {where}"


def _picked(name: str, key: str) -> None:
    _set(name, st.session_state[key])


def _swap(a: Run, b: Run) -> None:
    _set("a", b.key)
    _set("b", a.key)


def _set(name: str, key: str | None) -> None:
    st.session_state[f"compare-{name}"] = key
    if key:
        st.query_params[name] = key
