"""Asking the engine for something and waiting a little for it.

Boundary: jobs in, `Answer` out. A page never blocks for long: what is not there after the short wait is
watched by `ui.progress`. What a page asks for itself is wanted only while that page is open (`state.live`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dashboard.state import live
from dashboard.state.live import WANTED_S
from dashboard.state.work import ENDED
from db import jobs
from db.jobs import Job
from db.store import Store


@dataclass(frozen=True)
class Answer:
    """How a job stands: `result` once it is done, `error` once it failed, else it is still `pending`."""

    job: Job

    @property
    def result(self) -> Mapping[str, Any] | None:
        return self.job.result if self.job.state == "COMPLETED" else None

    @property
    def error(self) -> str | None:
        if self.job.state == "ERROR":
            return self.job.error or "The engine gave no reason."
        if self.job.dropped:
            return "Nobody was watching any more, so this was not finished. Run it again."
        if self.job.state == "STOPPED":
            return "Stopped before it was finished. Nothing was stored; start it again when you want it."
        return None

    @property
    def pending(self) -> bool:
        return self.job.state not in ENDED


def ask(store: Store, kind: str, payload: Mapping[str, Any], wait_s: float = 0.0) -> Answer:
    """File a job that is wanted while a page looks at it, and wait up to `wait_s` seconds for it to end."""
    return wait(store, jobs.submit(store, kind, dict(payload), wanted_s=WANTED_S), wait_s)


def seen(store: Store, job_id: int) -> Job:
    """How a job stands, and that a page still wants it. Raises NotFound."""
    _want(store, job_id)
    return jobs.get(store, job_id)


def wait(store: Store, job: Job, wait_s: float) -> Answer:
    """Look at a job until it has ended or `wait_s` seconds have passed."""
    if job.state not in ENDED:
        _want(store, job.id)
        if wait_s > 0:
            live.watch(store).wait(job.id, wait_s)
            job = jobs.get(store, job.id)
    return Answer(job)


def let_go(store: Store, job_id: int) -> None:
    """Want a job no longer; it is dropped unless another page wants it."""
    here = live.here()
    if here is None or not live.watch(store).unwant(here, job_id):
        jobs.let_go(store, job_id)


def _want(store: Store, job_id: int) -> None:
    here = live.here()
    if here is not None:  # renewed while the page is open
        live.watch(store).want(here, job_id)
    jobs.want(store, job_id, WANTED_S)
