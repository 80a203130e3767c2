"""What a task says of itself while it runs: how far it is, how long its parts took, how long is left.

And where it gives way: `give_way` is called between any two units of work of a second or less (one layer of
one pass of the model, one batch of a training, one table read), so that a more urgent job of the same process
waits for one unit at most, and a stopped job ends after one.
Lowest in the engine: everything that takes time imports it, and it imports nothing of ours.
"""

import math
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import pairwise

# (progress 0..1 or None, message, partial result or None) -> None; may raise to end the work.
Report = Callable[..., None]


def quiet(progress: float | None = None, message: str = "", partial: dict | None = None) -> None:
    """A report that nobody reads."""


def counted(number: int, noun: str) -> str:
    """Such as "1 step" or "2 steps"."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def part(report: Report, start: float, stop: float) -> Report:
    """A report for one part of the work, whose progress 0 to 1 is `start` to `stop` of the whole."""

    def reported(progress: float | None, message: str = "", partial: dict | None = None) -> None:
        report(None if progress is None else start + (stop - start) * progress, message, partial)

    return reported


class Tally:
    """Work counted in tokens taken through one layer of a model: reported as a share of what is planned.

    What is planned is about right at best: tokens that are cached are not computed.
    """

    REPORT_EVERY_S = 0.2

    def __init__(self, report: Report, message: str):
        self._report, self.message = report, message
        self._planned = self._done = 0
        self._reported = 0.0

    def plan(self, tokens: int) -> None:
        """So many more are to go through a layer."""
        self._planned += tokens

    def add(self, tokens: int) -> None:
        """So many more are through a layer. May raise, as `Report` may."""
        self._done += tokens
        if self._planned and time.perf_counter() - self._reported > self.REPORT_EVERY_S:
            self._reported = time.perf_counter()
            self._report(min(1.0, self._done / self._planned), self.message)


_tally: ContextVar[Tally | None] = ContextVar("tally", default=None)


@contextmanager
def counting(report: Report, message: str) -> Iterator[Tally]:
    """Report what is done inside the block as a share of what the code inside says it plans (`plan`)."""
    tally = Tally(report, message)
    token = _tally.set(tally)
    try:
        yield tally
    finally:
        _tally.reset(token)


def plan(tokens: int) -> None:
    """Say that so many tokens times layers are to be computed, to whoever counts them (`counting`)."""
    if (tally := _tally.get()) is not None:
        tally.plan(tokens)


_listener: ContextVar[tuple[Report, list[float]] | None] = ContextVar("listener", default=None)


@contextmanager
def telling(report: Report) -> Iterator[None]:
    """Makes `report` hear what code inside the block has to `tell` without having been given a report."""
    token = _listener.set((report, [-math.inf]))
    try:
        yield
    finally:
        _listener.reset(token)


def tell(progress: float | None, message: str, *, begins: bool = False) -> None:
    """Report, once a second at most, to whoever listens (`telling`). May raise, as `Report` may.

    `begins`: another part of the work begins, which is said at once.
    """
    if (listener := _listener.get()) is None:
        return
    report, last = listener
    if begins or time.perf_counter() - last[0] >= 1.0:
        last[0] = time.perf_counter()
        report(progress, message)


def announce(message: str) -> None:
    """Tell whoever listens what begins now and takes a while. May raise, as `Report` may."""
    if (listener := _listener.get()) is not None:
        listener[1][0] = -math.inf
        tell(None, message)


_between_units: ContextVar[Callable[[], None] | None] = ContextVar("between_units", default=None)
_aside_s = 0.0  # seconds that this process spent on more urgent jobs


def give_way(tokens: int = 0) -> None:
    """Let a more urgent job run, and end this one if it was stopped: by an exception, as `Report` may.

    Call it only where nothing is half done: outside transactions, and with nothing but local state changed.
    `tokens`: how many go through a layer now, for a `Tally`.
    """
    hook, tally = _between_units.get(), _tally.get()
    if tally is not None:
        tally.add(tokens)
    if hook is not None:
        hook()


@contextmanager
def giving_way(hook: Callable[[], None] | None) -> Iterator[None]:
    """Makes `hook` what `give_way` calls inside the block; None: nothing is let in there."""
    token = _between_units.set(hook)
    try:
        yield
    finally:
        _between_units.reset(token)


@contextmanager
def aside() -> Iterator[None]:
    """What is done inside the block is another job's work: for this one the clock (`worked`) stands still."""
    global _aside_s
    before, start = _aside_s, time.perf_counter()
    try:
        yield
    finally:
        _aside_s = before + time.perf_counter() - start


def worked() -> float:
    """Seconds on a clock that stands still while more urgent jobs run; only differences mean something."""
    return time.perf_counter() - _aside_s


class Clock:
    """Milliseconds of named parts, and of everything since the clock was made; work of others not counted."""

    def __init__(self) -> None:
        self._start = worked()
        self.parts: dict[str, float] = {}

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Time a part: `with clock("load"): ...`. One that comes again is added up."""
        start = worked()
        yield
        self.parts[name] = round(self.parts.get(name, 0.0) + (worked() - start) * 1000, 3)

    @property
    def seconds(self) -> float:
        """Since the clock was made."""
        return worked() - self._start

    def read(self) -> dict[str, float]:
        """The parts and `total`, in milliseconds."""
        return {**self.parts, "total": round(self.seconds * 1000, 3)}


class TimeLeft:
    """How long work still takes, as a range, from the units that were done in this attempt.

    A unit is an advance of the progress; advances within half a second count as one. `note` is given the
    progress (0 to 1) and the time in seconds of work (`worked`); what was done before the first note took no
    time here. The range is that of the mean unit of the last few, two standard errors to either side, and at
    least a tenth; there is none before enough units were done, or when one takes far longer than the others.
    """

    UNIT_S = 0.5
    ENOUGH = 4  # units
    LAST = 24  # units looked at
    LATE = 4.0  # times the mean unit after which the next one says that the others mean nothing

    def __init__(self) -> None:
        self._marks: deque[tuple[float, float]] = deque(maxlen=self.LAST + 1)  # (progress, seconds)

    def note(self, progress: float | None, seconds: float) -> None:
        """Progress at a time; None says nothing. Going back means that another count has begun."""
        if progress is None:
            return
        if self._marks and progress < self._marks[-1][0]:
            self._marks.clear()
        if not self._marks or (progress > self._marks[-1][0] and seconds - self._marks[-1][1] >= self.UNIT_S):
            self._marks.append((progress, seconds))

    def range(self, seconds: float) -> tuple[float, float] | None:
        """The fewest and the most seconds left at a time, or None while that is unknown."""
        marks = list(self._marks)
        units = len(marks) - 1
        if units < self.ENOUGH:
            return None
        shares = [after[0] - before[0] for before, after in pairwise(marks)]
        times = [after[1] - before[1] for before, after in pairwise(marks)]
        pace = sum(times) / sum(shares)  # seconds for all of the work
        unit = sum(times) / units
        since = seconds - marks[-1][1]
        if since > self.LATE * max(times):
            return None
        spread = sum((t - pace * share) ** 2 for t, share in zip(times, shares, strict=True)) / (units - 1)
        ahead = pace * (1 - marks[-1][0])
        more = ahead / unit  # units to come
        error = max(2 * math.sqrt(spread * (more + more * more / units)), ahead / 10)
        return max(0.0, ahead - error - since), max(0.0, ahead + error - since)
