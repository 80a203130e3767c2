"""Long work that a page watches: which of the jobs of a kind is shown, the list of all, when to draw again.

Tunings, studies and optimizations are all a job with something read from it (`dashboard.state.work.Work`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import pandas as pd
import streamlit as st

from dashboard.state import session
from dashboard.state.work import Work
from db import jobs
from db.jobs import Job

FOLLOW_S = 2.0
LOOK_S = 1.0
SHOWN = 100
MANY = 9  # rows of a list; more of them scroll

W = TypeVar("W", bound=Work)


def known(kind: str, read: Callable[[Job], W]) -> list[W]:
    """All of a kind that the store knows, newest first."""
    return [read(job) for job in jobs.listing(session.store(), kinds=[kind], limit=SHOWN)]


def shown(all_of_them: Sequence[W], picked: int | None) -> W | None:
    """The one that was picked or started; else the one that runs, waits, or was filed last."""
    states = (jobs.RUNNING, jobs.QUEUED)
    order = [work for work in all_of_them if work.job.id == picked]
    order += [work for state in states for work in all_of_them if work.job.state == state]
    return next(iter([*order, *all_of_them]), None)


@dataclass(frozen=True)
class Shelf(Generic[W]):
    """All work of one kind on a page of its own; `picked`: where the session keeps which one is shown."""

    kind: str
    read: Callable[[Job], W]
    picked: str

    def known(self) -> list[W]:
        """All that the store knows, newest first."""
        return known(self.kind, self.read)

    def shown(self, all_of_them: Sequence[W]) -> W | None:
        """The one that the page is about."""
        return shown(all_of_them, st.session_state.get(self.picked))

    def pick(self, job_id: int) -> None:
        """Make this one the page's."""
        st.session_state[self.picked] = job_id

    def follow(self, drawn: W | None) -> None:
        """Draw the page again when it is about another one, or this one came into another state.

        Looks by itself: a command may have filed one, and a browser may have missed a redraw.
        """
        st.fragment(self._look, run_every=FOLLOW_S)(_mark(drawn))

    def _look(self, drawn: tuple[int, str] | None) -> None:
        if _mark(self.shown(self.known())) != drawn:
            st.rerun()

    def card(self, work: W, draw: Callable[[W], None]) -> None:
        """One of them, looked up every second while it goes on."""
        st.fragment(self._card, run_every=LOOK_S if work.open else None)(work.job.id, work.job.state, draw)

    def _card(self, job_id: int, drawn: str, draw: Callable[[W], None]) -> None:
        work = self.read(jobs.get(session.store(), job_id))
        if work.job.state != drawn:
            st.rerun()  # the list below tells the state, too
        draw(work)

    def listing(
        self,
        all_of_them: Sequence[W],
        current: W | None,
        frame: pd.DataFrame,
        config: Mapping[str, Any],
        alt: str,
    ) -> None:
        """All as a table with a row for each; a selected row becomes the page's."""
        if not all_of_them:
            st.caption("None yet.")
            return
        rows = [at for at, work in enumerate(all_of_them) if current and work.job.id == current.job.id]
        # A row that is filed moves the others: a table of its own, or the mark would stand at another one.
        key = f"{self.picked}-list-{all_of_them[0].job.id}-{current.job.id if current else 0}"

        def picked() -> None:
            chosen = st.session_state[key].selection.rows
            if chosen and chosen[0] < len(all_of_them):
                self.pick(all_of_them[chosen[0]].job.id)

        st.dataframe(
            frame,
            key=key,
            hide_index=True,
            height="content" if len(all_of_them) < MANY else 320,
            on_select=picked,
            selection_mode="single-row",
            selection_default={"selection": {"rows": rows, "columns": [], "cells": []}},
            column_config=dict(config),
            alt=alt,
        )


def _mark(work: Work | None) -> tuple[int, str] | None:
    return (work.job.id, work.job.state) if work else None
