"""Waiting for a store that is away: one mechanism for every process, around every access.

A server restarts, another program holds the lock, a disk fills: each passes by itself or by what an
administrator does. Whoever uses the store waits with growing pauses, says so once, and goes on. `Store.read`
and `Store.write` wait before their blocks begin; what fails in the midst of a block is undone by the database
and done again by `Store.again`, around work that may be repeated.
"""

import errno
import math
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

from db.errors import DualensError, StoreAway

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.05, 2.0
SILENT_S = 2.0  # a shorter wait is not worth a word
WORK_S = 30.0  # an attempt that lasted longer was work, not part of the wait
KEPT = "What was stored before is kept."
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})  # the disk, a quota, `ulimit -f`

T = TypeVar("T")


class Patience:
    """How long one process waits, whom it tells, and how it pauses. Shared by the threads of the process.

    `seconds`: at most so long for one outage; `math.inf`: as long as it takes. `say`: hears a sentence when
    a wait begins and when it has ended. `pause`: sleeps for some seconds; true ends the wait, because the
    process is to end. `advice`: what to do when the wait was in vain.
    """

    def __init__(
        self,
        seconds: float,
        *,
        say: Callable[[str], None] = lambda _: None,
        pause: Callable[[float], object] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        advice: str = KEPT,
    ) -> None:
        self.seconds, self.advice = seconds, advice
        self._say, self._pause, self._clock = say, pause, clock
        self._lock = threading.Lock()
        self._waiting = 0  # calls that have said that they wait
        self._back_at = self._in_vain_at = -math.inf

    def keep_trying(self, action: Callable[[], T]) -> T:
        """The value of `action`, tried again while the store is away. Raises StoreAway when that lasts."""
        wait = _Wait(self)
        try:
            while True:
                started = self._clock()
                try:
                    return action()
                except Exception as error:
                    away = as_away(error)
                    if away is None or away.waited:
                        raise
                    if not wait.goes_on(away, started):
                        raise StoreAway(away.happened, advice=self.advice, waited=True) from error
        finally:
            wait.end()

    def back_within(self, seconds: float) -> bool:
        """Whether the store was away for this process less than so many seconds ago."""
        return self._clock() - self._back_at < seconds


class _Wait:
    """The waiting of one call of `keep_trying`."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._since: float | None = None
        self._pause = FIRST_PAUSE_S
        self._told = False

    def goes_on(self, away: StoreAway, started: float) -> bool:
        """Pause after an attempt that began at `started`; False where there is no more time to wait."""
        patience = self._patience
        now = patience._clock()
        if self._since is None or now - started > WORK_S:
            if now - patience._in_vain_at < LONGEST_PAUSE_S:
                self._since = -math.inf  # this process has waited long enough for this outage
            else:
                self._since = now if now - started > WORK_S else started
            self._pause = FIRST_PAUSE_S
        left = patience.seconds - (now - self._since)
        if left <= 0:
            patience._in_vain_at = now
            return False
        if not self._told and now - self._since >= SILENT_S:
            self._tell(away)
        pause, self._pause = min(self._pause, left), min(2 * self._pause, LONGEST_PAUSE_S)
        return not patience._pause(pause)

    def _tell(self, away: StoreAway) -> None:
        patience, self._told = self._patience, True
        with patience._lock:
            patience._waiting += 1
            first = patience._waiting == 1
        if first:
            limit = "" if patience.seconds == math.inf else f" for up to {patience.seconds:g} s"
            patience._say(f"{away.happened} Waiting{limit}; what was computed is kept.")

    def end(self) -> None:
        patience = self._patience
        if self._since is None:
            return
        now = patience._clock()
        if self._since > -math.inf and now - self._since > SILENT_S:
            patience._back_at = now
        if self._told:
            with patience._lock:
                patience._waiting -= 1
                last = patience._waiting == 0
            if last and now - patience._in_vain_at > LONGEST_PAUSE_S:
                patience._say("The store can be used again: going on.")


def as_away(error: BaseException) -> StoreAway | None:
    """The error as a StoreAway, if it is one or says that a disk has no room left; else None."""
    if isinstance(error, StoreAway):
        return error
    if isinstance(error, DualensError):
        return None
    full = isinstance(error, OSError) and error.errno in _NO_ROOM
    if full or "No space left on device" in str(error):  # some libraries write files and lose the number
        file: Any = getattr(error, "filename", None)
        where = f"The disk of {file}" if file else "The disk"
        return StoreAway(f"{where} has no room left ({error}). Free some space.")
    return None
