"""The phases of a tuning, named and counted, under one limit of time for all of them.

Boundary: times and words; whoever runs a phase says what it does.
"""

import math
from typing import Any

from engine.progress import Report, worked

# Name of each phase and where it begins on the bar; where time is limited, the bar is the time as well.
PHASES = (
    ("loading the data", 0.0),
    ("loading the model", 0.03),
    ("training", 0.08),
    ("saving", 0.9),
    ("choosing how it scores", 0.94),
)
AFTER_TRAINING = 0.15  # of the limit, kept for the phases after the training
AT_MOST_AFTER = 0.4


class Phases:
    """Where a tuning stands. `seconds`: the limit for all phases together, None for no limit.

    The clock stands still while more urgent jobs run. `partial` is reported with every phase.
    """

    def __init__(self, report: Report, seconds: float | None) -> None:
        self._report, self._limit, self._began = report, seconds, worked()
        self._number, self._phase_began = 0, self._began
        self._took: dict[str, float] = {}
        self._shown = 0.0
        self.partial: dict[str, Any] | None = None

    @property
    def spent(self) -> float:
        """Seconds since the start."""
        return worked() - self._began

    @property
    def left(self) -> float:
        """Seconds until the limit, infinite without one; negative past it."""
        return math.inf if self._limit is None else self._limit - self.spent

    def begin(self, name: str) -> None:
        """Enter a phase and say so."""
        now = worked()
        self._took[PHASES[self._number][0]] = now - self._phase_began
        self._number = [phase for phase, _ in PHASES].index(name)
        self._phase_began = now
        self.say(0.0)

    def say(self, share: float, message: str = "") -> None:
        """Report that this share of the phase is done, with what it is doing."""
        name, start = PHASES[self._number]
        stop = PHASES[self._number + 1][1] if self._number + 1 < len(PHASES) else 1.0
        text = f"phase {self._number + 1} of {len(PHASES)}, {name}{f': {message}' if message else ''}"
        time_share = 0.0 if self._limit is None else min(0.99, self.spent / self._limit)
        # Never back: a share of the training falls where its last validation will take longer than thought.
        self._shown = max(self._shown, start + (stop - start) * share, time_share)
        self._report(self._shown, text, self._with_time())

    def for_training(self) -> float | None:
        """Seconds that training may take, so that the phases after it fit into the limit, too.

        Saving and loading again are taken to last as long as loading did.
        """
        if self._limit is None:
            return None
        after = max(AFTER_TRAINING * self._limit, 2 * self._took.get("loading the model", 0.0))
        return max(self.left - min(after, AT_MOST_AFTER * self._limit), 0.05 * self._limit)

    def _with_time(self) -> dict[str, Any] | None:
        return None if self.partial is None else {**self.partial, "spent": round(self.spent, 1)}
