"""Asking the engine for something and waiting a little for it.

Boundary: jobs in, `Answer` out. A page never blocks for long: what is not there after the short wait is
watched by `widgets.progress`, which looks again every half second.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from db import jobs
from db.jobs import Job
from db.store import Store

POLL_S = 0.03
ENDED = frozenset({"COMPLETED", "STOPPED", "ERROR"})
STATES = {  # in the words of pages
    "QUEUED": "waiting",
    "RUNNING": "running",
    "COMPLETED": "done",
    "STOPPED": "stopped",
    "ERROR": "failed",
}


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
        if self.job.state == "STOPPED":
            return "Stopped before it was finished. Nothing was stored; start it again when you want it."
        return None

    @property
    def pending(self) -> bool:
        return self.job.state not in ENDED


def ask(store: Store, kind: str, payload: Mapping[str, Any], wait_s: float = 0.0) -> Answer:
    """File a job and wait up to `wait_s` seconds for it to end."""
    return wait(store, jobs.submit(store, kind, dict(payload)), wait_s)


def wait(store: Store, job: Job, wait_s: float) -> Answer:
    """Look at a job until it has ended or `wait_s` seconds have passed."""
    deadline = time.monotonic() + wait_s
    while job.state not in ENDED and time.monotonic() < deadline:
        time.sleep(POLL_S)
        job = jobs.get(store, job.id)
    return Answer(job)
