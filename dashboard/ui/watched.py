"""Long work that a page watches: which of the jobs of a kind is shown, the list of all, when to draw again.

Tunings, studies and optimizations are all a job with something read from it (`dashboard.state.work.Work`).
The one that a person picked is part of the page's address: a link opens it, a reload keeps it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import pandas as pd
import streamlit as st

from dashboard.state import links, session
from dashboard.state import live as looking
from dashboard.state.work import Work
from dashboard.ui import live
from db import jobs
from db.errors import NotFound
from db.jobs import Job

SHOWN = 100
MANY = 9  # rows of a list; more of them scroll

W = TypeVar("W", bound=Work)


def known(kind: str, read: Callable[[Job], W], *, results: bool = True) -> list[W]:
    """All of a kind that the store knows, newest first; `results`: as `jobs.listing` takes it."""
    found = jobs.listing(session.store(), kinds=[kind], limit=SHOWN, results=results)
    return [read(job) for job in found]


def shown(all_of_them: Sequence[W], picked: int | None) -> W | None:
    """The one that was picked or started; else the one that runs, waits, or was filed last."""
    states = (jobs.RUNNING, jobs.QUEUED)
    order = [work for work in all_of_them if work.job.id == picked]
    order += [work for state in states for work in all_of_them if work.job.state == state]
    return next(iter([*order, *all_of_them]), None)


@dataclass(frozen=True)
class Shelf(Generic[W]):
    """All work of one kind on a page of its own.

    `param`: the parameter of the page's address that names the one shown, by its job's number. `page`: the
    page's name. `results`: whether the list of all needs what they found.
    """

    kind: str
    read: Callable[[Job], W]
    param: str
    page: str
    results: bool = True

    def known(self) -> list[W]:
        """All that the store knows, newest first."""
        return known(self.kind, self.read, results=self.results)

    def picked(self) -> int | None:
        """The number in the address, else the one picked last in this session."""
        text = st.query_params.get(self.param) or links.kept(self.page).get(self.param, "")
        number = links.number(text)
        if number is not None:
            links.keep(self.page, {self.param: text})
        return number

    def shown(self, all_of_them: Sequence[W]) -> W | None:
        """The one that the page is about; an old one that was picked need not be in the list."""
        picked = self.picked()
        if picked is not None and all(work.job.id != picked for work in all_of_them):
            try:
                job = jobs.get(session.store(), picked)
            except NotFound:
                return shown(all_of_them, None)
            if job.kind == self.kind:
                return self.read(job)
        return shown(all_of_them, picked)

    def pick(self, job_id: int) -> None:
        """Make this one the page's, and put it into the address."""
        links.keep(self.page, {self.param: str(job_id)})
        st.query_params[self.param] = str(job_id)

    def resume(self, job_id: int) -> None:
        """Let a stopped or failed one continue; a button's callback, since a redraw can lose a click."""
        self.pick(jobs.resume(session.store(), job_id).id)

    def follow(self, drawn: W | None) -> None:
        """Draw the page again when it is about another one, or this one came into another state.

        Looks by itself: a command may have filed one, and a browser may have missed a redraw.
        """
        live.part(self._look, _mark(drawn), look=looking.of_jobs, of=(self.kind,))

    def _look(self, drawn: tuple[int, str] | None) -> None:
        if _mark(self.shown(self.known())) != drawn:
            st.rerun()

    def card(self, work: W, draw: Callable[[W], None]) -> None:
        """One of them, drawn again while it is open."""
        picked = self.picked()
        if picked not in (None, work.job.id):
            st.caption(f":orange[Note:] the store holds no {self.param} {picked}. This is another one.")
        live.part(
            self._card,
            work.job.id,
            work.job.state,
            draw,
            look=looking.of_job,
            of=(work.job.id,),
            job=work.job.id,
        )

    def _card(self, job_id: int, drawn: str, draw: Callable[[W], None]) -> None:
        work = self.read(jobs.get(session.store(), job_id))
        if work.job.state != drawn:
            st.rerun()  # the list below shows the state, too
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
        key = f"{self.param}-list-{all_of_them[0].job.id}-{current.job.id if current else 0}"

        def select() -> None:
            rows = st.session_state[key].selection.rows
            if rows and rows[0] < len(all_of_them):
                self.pick(all_of_them[rows[0]].job.id)

        st.dataframe(
            frame,
            key=key,
            hide_index=True,
            height="content" if len(all_of_them) < MANY else 320,
            on_select=select,
            selection_mode="single-row",
            selection_default={"selection": {"rows": rows, "columns": [], "cells": []}},
            column_config=dict(config),
            alt=alt,
        )


def _mark(work: Work | None) -> tuple[int, str] | None:
    return (work.job.id, work.job.state) if work else None
