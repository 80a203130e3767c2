"""Long work as pages read it: a job with what was asked and whether it goes on. No Streamlit, no store."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dashboard.state.waiting import ENDED
from db.jobs import Job


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
