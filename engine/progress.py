"""What a task says of itself while it runs: how far it is, and how long its parts took.

Lowest in the engine: everything that takes time imports it, and it imports nothing of ours.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

# (progress 0..1 or None, message, partial result or None) -> None; may raise to end the work.
Report = Callable[..., None]


def quiet(progress: float | None = None, message: str = "", partial: dict | None = None) -> None:
    """A report that nobody reads."""


class Clock:
    """Milliseconds of named parts, and of everything since the clock was made."""

    def __init__(self) -> None:
        self._start = time.perf_counter()
        self.parts: dict[str, float] = {}

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Time a part: `with clock("load"): ...`."""
        start = time.perf_counter()
        yield
        self.parts[name] = round((time.perf_counter() - start) * 1000, 3)

    @property
    def seconds(self) -> float:
        """Since the clock was made."""
        return time.perf_counter() - self._start

    def read(self) -> dict[str, float]:
        """The parts and `total`, in milliseconds."""
        return {**self.parts, "total": round(self.seconds * 1000, 3)}
