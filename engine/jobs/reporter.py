"""One job in hand: what it reports, when it gives way to more urgent jobs, and when it is ended.

Boundary: between a task, which only knows `engine.progress`, and the jobs in the store.
"""

import math
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from contextvars import Context
from dataclasses import dataclass, field

from db import jobs
from engine.context import Engine
from engine.progress import TimeLeft, aside, worked

# A running job looks for a stop or a more urgent job between two units of work, once the store has changed;
LOOK_S = 0.05  # this often where the store cannot say so
LEFT_S = 0.5  # this often in any case: that nobody wants a job any more is written nowhere


class Stopped(Exception):
    """Raised in a job that is to end before it is done."""


@dataclass
class Hand:
    """One job in hand, and what it last reported."""

    job: jobs.Job
    progress: float | None = None
    message: str = ""
    partial: dict | None = None  # not stored yet
    latest: dict | None = None  # of this process
    stop_asked: threading.Event = field(default_factory=threading.Event)
    left: TimeLeft = field(default_factory=TimeLeft)


class Reporter:
    """What a running job reports, and `before`: what an earlier attempt had so far, or None.

    `serve`: does the most urgent of the waiting jobs that go before this one; None for a process that does
    only this job. `closed`: the process is to end.
    """

    def __init__(
        self,
        engine: Engine,
        owner: str,
        hand: Hand,
        kinds: list[str],
        closed: threading.Event,
        serve: Callable[[int], bool] | None,
    ):
        self._engine, self._owner, self._hand, self._kinds = engine, owner, hand, kinds
        self._closed, self._serve = closed, serve
        self._looked = time.monotonic()
        self._began_at: float | None = None  # the first progress reported; inf once a further one is stored
        self.before = hand.job.partial

    def begin(self) -> None:
        """Begin another attempt in this process, from what the one before had so far."""
        self.before = self._hand.latest or self._hand.job.partial

    def __call__(self, progress: float | None, message: str = "", partial: dict | None = None) -> None:
        """Say how far the job is and what it has so far. Raises `Stopped` when the job is to end."""
        hand = self._hand
        hand.progress, hand.message = progress, message
        hand.left.note(progress, worked())
        if partial is not None:
            hand.partial = hand.latest = partial
        self._store_first_gain()
        self.give_way()
        self._end_if_asked()

    def _store_first_gain(self) -> None:
        """Once this attempt got further, say so in the store at once and not with the next heartbeat: a job
        that is killed again and again within a second of its first unit would count as one that kills."""
        hand, store = self._hand, self._engine.store
        if hand.progress is None or store.writing:
            return
        if self._began_at is None:
            self._began_at = hand.progress
        elif hand.progress > self._began_at:
            self._began_at = math.inf
            partial, hand.partial = hand.partial, None
            told = hand.job.id, self._owner, hand.progress, hand.message
            store.again(lambda: jobs.heartbeat(store, *told, partial=partial))

    def give_way(self) -> None:
        """Do more urgent jobs first. Raises `Stopped` when this one is to end. Cheap: looks now and then."""
        store = self._engine.store
        if store.writing or not self._due():
            return
        goes_on, others_wait = jobs.look(store, self._hand.job, self._owner, self._kinds)
        if not goes_on:
            self._hand.stop_asked.set()
        self._end_if_asked()
        if others_wait and self._serve:
            with clean_state(self._engine):
                # In a context of its own: what this job set for the pass under way is not the other's.
                while not self._closed.is_set() and Context().run(self._serve, self._hand.job.priority):
                    pass
        self._looked = time.monotonic()

    def _due(self) -> bool:
        """Whether there may be something new to see."""
        waited = time.monotonic() - self._looked
        changed = self._engine.changes.changed()
        return waited >= LOOK_S if changed is None else changed or waited >= LEFT_S

    def _end_if_asked(self) -> None:
        if self._hand.stop_asked.is_set() or self._closed.is_set():
            raise Stopped


@contextmanager
def clean_state(engine: Engine) -> Iterator[None]:
    """Inside the block everything is as when a job begins; after it, as the interrupted job had it.

    The clock of that job stands still, its models stay in memory, and its random numbers, gradients and
    precision are set aside.
    """
    with ExitStack() as stack:
        stack.enter_context(aside())
        stack.enter_context(engine.models_kept())
        if torch := sys.modules.get("torch"):  # not imported: nothing of it to set aside
            devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()
            stack.enter_context(torch.random.fork_rng(devices=list(devices)))
            stack.enter_context(torch.inference_mode(False))
            stack.enter_context(torch.enable_grad())
            for device in ("cpu", "cuda"):
                stack.enter_context(torch.autocast(device, enabled=False))
        yield
