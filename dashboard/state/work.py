"""Work as pages list it: a job with what was asked, how it stands and when. No Streamlit, no store."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dashboard.text.formats import ago
from db.jobs import Job

ENDED = frozenset({"COMPLETED", "STOPPED", "ERROR"})
STATES = {  # in the words of pages
    "QUEUED": "waiting",
    "RUNNING": "running",
    "COMPLETED": "done",
    "STOPPED": "stopped",
    "ERROR": "failed",
}


@dataclass(frozen=True)
class Work:
    """One job of a kind that a page watches; each kind adds how to read its result."""

    job: Job

    @property
    def asked(self) -> Mapping[str, Any]:
        """The job's payload."""
        return self.job.payload

    @property
    def open(self) -> bool:
        """Whether it waits or runs."""
        return self.job.state not in ENDED

    @property
    def state(self) -> str:
        """How it stands, in the words of pages."""
        return STATES.get(self.job.state, self.job.state)

    def filed(self, now: float) -> str:
        """When it was asked for. `now`: seconds since 1970."""
        return ago(self.job.created_at, now)

    def took(self, now: float) -> float | None:
        """Seconds from its start to its end, or until now; None before its start."""
        started = self.job.started_at
        return None if started is None else (self.job.finished_at or now) - started
