"""What a study has measured so far: reported to its job now and then, so that a killed study resumes.

Boundary: JSON values by key; what they mean is the study's business.
"""

import math
from collections.abc import Callable
from typing import Any

from engine.progress import Report, worked

# Seconds between reports of what was measured, and how much longer for every value: a large study must not
# spend its time on reporting.
REPORT_EVERY_S = 2.0
REPORT_EVERY_S_PER_VALUE = 0.002


class Checkpoint:
    """Measured values by key, those of an earlier attempt among them if it was the same study.

    `identity`: a digest of all the values depend on. `before`: what `partial` was at the end of an earlier
    attempt, or None. `summary`: of the values, for people who look while it runs. `seconds`: of work, over
    all attempts.
    """

    def __init__(
        self,
        identity: str,
        total: int,
        report: Report,
        before: dict[str, Any] | None,
        summary: Callable[[dict[str, Any]], dict[str, Any]],
    ) -> None:
        same = before is not None and before.get("identity") == identity
        self._values: dict[str, Any] = dict(before["measured"]) if before and same else {}
        self._worked = float(before["seconds"]) if before and same else 0.0
        self._identity, self._total, self._report, self._summary = identity, total, report, summary
        self._started = worked()
        self._reported_at, self._message = -math.inf, ""
        self._new = self._new_reported = 0  # values measured by this attempt, and those reported

    @property
    def seconds(self) -> float:
        return self._worked + worked() - self._started

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def __getitem__(self, key: str) -> Any:
        return self._values[key]

    def measured(self, key: str, measure: Callable[[], Any], message: str) -> Any:
        """The value of `key`, measured if it is new, with a report of how far the study is."""
        if key not in self._values:
            self.report(message)
            self._values[key] = measure()
            self._new += 1
        return self._values[key]

    def report(self, message: str, share: float = 0.0) -> None:
        """Report. May raise, to end the study. `share`: done of what is being measured."""
        self._message = message
        done = (len(self._values) + share) / max(self._total, 1)
        now = worked()
        soon = now - self._reported_at < REPORT_EVERY_S + REPORT_EVERY_S_PER_VALUE * len(self._values)
        if soon or self._new == self._new_reported:
            self._report(done, message)
            return
        self._reported_at, self._new_reported = now, self._new
        self._report(done, message, self.partial())

    def further(self, share: float) -> None:
        """Report the same message again. `share`: done of what is being measured."""
        self.report(self._message, share)

    def partial(self) -> dict[str, Any]:
        """All an equal study needs to resume from here; a copy, as another thread may write it down."""
        return {
            "identity": self._identity,
            "seconds": self.seconds,
            "so_far": self._summary(self._values),
            "measured": dict(self._values),
        }
