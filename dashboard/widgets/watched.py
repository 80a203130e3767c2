"""Long work that a page watches: which of the jobs of a kind is shown, and when to draw the page again.

Tunings and studies are both a job with something read from it (`.job`).
"""

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

import streamlit as st

from dashboard import session
from db import jobs
from db.jobs import Job

FOLLOW_S = 2.0
SHOWN = 100


class Watched(Protocol):
    """What is read from a job."""

    @property
    def job(self) -> Job:
        """The job itself."""
        ...


W = TypeVar("W", bound=Watched)


def known(kind: str, read: Callable[[Job], W]) -> list[W]:
    """All of a kind that the store knows, newest first."""
    return [read(job) for job in jobs.listing(session.store(), kinds=[kind], limit=SHOWN)]


def shown(all_of_them: Sequence[W], picked: int | None) -> W | None:
    """The one that was picked or started; else the one that runs, waits, or was filed last."""
    states = (jobs.RUNNING, jobs.QUEUED)
    order = [each for each in all_of_them if each.job.id == picked]
    order += [each for state in states for each in all_of_them if each.job.state == state]
    return next(iter([*order, *all_of_them]), None)


def follow(drawn: Watched | None, now: Callable[[], Watched | None]) -> None:
    """Draw the page again when `now` is another than what was drawn, or came into another state.

    Looks by itself: a command may have filed one, and a browser may have missed a redraw.
    """
    st.fragment(_look, run_every=FOLLOW_S)(_mark(drawn), now)


def _look(drawn: tuple[int, str] | None, now: Callable[[], Watched | None]) -> None:
    if _mark(now()) != drawn:
        st.rerun()


def _mark(one: Watched | None) -> tuple[int, str] | None:
    return (one.job.id, one.job.state) if one else None
