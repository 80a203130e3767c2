"""Finding stored runs again: a search over the whole store, and select boxes of what it lists.

A select box sends the label of an option, so a label says only what never changes about a run.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import streamlit as st

from dashboard.state import session, widgets
from dashboard.text import values
from dashboard.text.formats import ARROW, count, moment, plural, rank_number
from dashboard.text.literal import md, plain
from dashboard.ui.remembered import remembered
from db import runs
from db.runs import CUSTOM_SET, Run, RunSummary

PAGE = 100
"""Runs listed at first, and added by each press of "List older runs"."""


@dataclass(frozen=True)
class Listed:
    """The newest runs that hold the words searched for, and how many there are in all."""

    words: str
    runs: Sequence[RunSummary]
    total: int

    @property
    def sentence(self) -> str:
        """Which runs the select boxes offer. Plain text."""
        shown = len(self.runs)
        if self.words:
            found = f"{plural(self.total, 'run')} {'matches' if self.total == 1 else 'match'} “{self.words}”"
            return f"{found}; the newest {shown} are listed." if shown < self.total else f"{found}."
        if shown < self.total:
            return f"The newest {shown} of {count(self.total)} runs are listed. Search to find others."
        return f"{plural(self.total, 'run')}, newest first."


def listed(page: str, *, with_demonstrations: bool = False) -> Listed:
    """What a page's pickers offer, by the words of its search field."""
    words = " ".join(widgets.kept(f"{page}-search", "").split())
    most = widgets.kept(f"{page}-listed", PAGE)
    store = session.store()
    wanted = runs.Filter(search=words, with_demonstrations=with_demonstrations)
    found, total = runs.listing(store, wanted, most), runs.count(store, wanted)
    return Listed(words, found, max(total, len(found)))


def search(page: str) -> None:
    """The field whose words narrow what the page's pickers offer."""
    remembered(
        st.text_input,
        "Find runs",
        f"{page}-search",
        "",
        "value",
        placeholder="user, target title, strategy, model, data set, note or tag",
    )


def summary(page: str, known: Listed) -> Any:
    """Which runs are listed, and a way to list older ones; returns the row, which has room for a button."""
    row = st.container(horizontal=True, vertical_alignment="center", key=f"{page}-runs-listed", gap="small")
    with row:
        st.caption(md(known.sentence), width="content")
        if len(known.runs) < known.total:
            st.button("List older runs", on_click=_more, args=(page,))
    return row


def select(title: str, name: str, known: Listed, run: Run | None, picked: Callable[[str], None]) -> None:
    """A select box that shows `run`; another choice is passed on by `picked(its key)`."""
    zone = time_zone()
    labels = {each.key: label(each, zone) for each in known.runs}
    if run is not None and run.key not in labels:
        labels = {run.key: label(runs.summary(run), zone), **labels}
    options = list(labels)
    key = widgets.showing(name, run.key if run else None)
    st.selectbox(
        title,
        options,
        index=options.index(run.key) if run else None,
        key=key,
        format_func=lambda option: labels.get(option, str(option)),
        placeholder="Choose a run" if labels else "No run matches",
        filter_mode="contains",
        help=md(labels[run.key]) if run else None,  # the box may cut it
        on_change=lambda: picked(st.session_state[key]),
        disabled=not labels,
    )


def label(run: RunSummary, zone: tzinfo = UTC) -> str:
    """What tells one run from another, as one line of plain text that stays the same."""
    ranks = f"rank {rank_number(run.metrics['zero_shot']['rank'])} {ARROW} {rank_number(run.metrics['rank'])}"
    parts = [plain(run.user_id, 24), chosen_by(run), ranks, plain(run.title, 40)]
    parts += [moment(run.created_at, zone), plain(run.dataset, 24), plain(run.model, 24), run.key[:6]]
    return " · ".join(parts)


def chosen_by(run: RunSummary) -> str:
    """BM25 (4), named set good-ones (2), custom set (3), no demonstrations. Plain text."""
    if not run.demonstrations:
        return values.strategy("none")
    name = CUSTOM_SET if run.strategy is None else values.strategy_name(run.strategy)
    return f"{name} ({run.demonstrations})"


def time_zone() -> tzinfo:
    """That of the browser; UTC where it does not say."""
    try:
        return ZoneInfo(st.context.timezone or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        return UTC


def _more(page: str) -> None:
    widgets.keep(f"{page}-listed", widgets.kept(f"{page}-listed", PAGE) + PAGE)
