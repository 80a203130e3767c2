"""Asking the engine for something and waiting a little for it.

Boundary: jobs in, `Answer` out. A page never blocks for long: what is not there after the short wait is
watched by `ui.progress`, which looks again every half second. What a page asks for itself is wanted only
while somebody looks: each look renews the job for `WANTED_S`, so that a page that is gone ends its work.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from db import jobs
from db.jobs import Job
from db.store import Store

POLL_S = 0.03
WANTED_S = 10.0  # a job that no page has looked at for this long is dropped
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
    jobs.want(store, job_id, WANTED_S)
    return jobs.get(store, job_id)


def wait(store: Store, job: Job, wait_s: float) -> Answer:
    """Look at a job until it has ended or `wait_s` seconds have passed."""
    jobs.want(store, job.id, WANTED_S)
    deadline = time.monotonic() + wait_s
    while job.state not in ENDED and time.monotonic() < deadline:
        time.sleep(POLL_S)
        job = jobs.get(store, job.id)
    return Answer(job)
