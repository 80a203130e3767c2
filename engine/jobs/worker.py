"""The engine process: takes jobs from the store, runs them, reports progress, survives and is survived.

One worker per device (a lock file in the workspace sees to that). It owns a job while its heartbeat renews
the lease; a worker that is killed simply stops renewing, and the next one takes the job up again. Whatever a
job finishes is in the store before the job says so, so nothing finished is lost.
"""

import fcntl
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeGuard

import psutil
import structlog

from db import datasets, jobs, workers
from db.errors import Conflict, DualensError
from db.settings import Settings
from db.store import Store
from engine.context import Engine
from engine.jobs.handlers import HANDLERS, Stopped
from engine.progress import Clock

# On standard error, as found at each line: what a command prints is for scripts.
structlog.configure(logger_factory=lambda *_: structlog.PrintLogger(sys.stderr))
log = structlog.get_logger("dualens.worker")

POLL_S = 0.03  # how long an idle worker sleeps between looks: adds at most this to a slider's answer
BEAT_S = 2.0  # heartbeat of the worker and of its job
LEASE_S = 20.0  # a job whose worker has not renewed for this long is taken over


@dataclass
class Hand:
    """One job in hand, and what it last reported."""

    job: jobs.Job
    progress: float | None = None
    message: str = ""
    partial: dict | None = None
    stop_asked: threading.Event = field(default_factory=threading.Event)


class Beat(threading.Thread):
    """Renews the leases of the jobs in hand and says that the worker is alive, every `BEAT_S` seconds.

    A thread of its own because a forward pass may block the main thread for longer than the lease. Several
    jobs are in hand while a background job waits for interactive ones; the last is the one that runs.
    """

    def __init__(self, store: Store, owner: str, engine: Engine, *, serves: bool = True):
        """`serves`: takes interactive jobs while a background one runs; a command does its own job only."""
        super().__init__(daemon=True, name="beat")
        self.store, self.owner, self.engine, self.serves = store, owner, engine, serves
        self.hands: list[Hand] = []
        self.closed = threading.Event()

    def describe(self) -> workers.Worker:
        """The line the dashboard shows at the foot of its navigation."""
        hands = self.hands[-1:]
        return workers.Worker(
            owner=self.owner,
            pid=os.getpid(),
            host=socket.gethostname(),
            device=self.engine.device(),
            dtype=self.engine.dtype,
            state="busy" if hands else "ready",
            message=f"{hands[0].job.kind} {hands[0].message}".strip() if hands else "",
            models=self.engine.loaded_models(),
            beat_at=time.time(),
        )

    def once(self) -> None:
        """One heartbeat; a stop asked for (or a lease lost) is passed on to the job."""
        if self.serves:
            workers.beat(self.store, self.describe())
        for hand in list(self.hands):
            partial, hand.partial = hand.partial, None  # what is stored already is not written again
            if not jobs.heartbeat(
                self.store, hand.job.id, self.owner, hand.progress, hand.message, LEASE_S, partial=partial
            ):
                hand.stop_asked.set()

    def run(self) -> None:
        """Beat until closed; a store that is busy for a moment is no reason to die."""
        while not self.closed.wait(BEAT_S):
            try:
                self.once()
            except Exception as error:
                log.warning("heartbeat failed", error=str(error))


class Reporter:
    """What a running job reports, and `before`: what an earlier attempt had so far, or None.

    A background job lets interactive ones go first here, so that nobody at a page waits for a tuning.
    """

    def __init__(self, beat: Beat, hand: Hand):
        self._beat, self._hand = beat, hand
        self._looked = 0.0
        self.before = hand.job.partial

    def __call__(self, progress: float | None, message: str = "", partial: dict | None = None) -> None:
        """Say how far the job is and what it has so far. Raises `Stopped` when the job is to end."""
        hand, beat = self._hand, self._beat
        hand.progress, hand.message = progress, message
        if partial is not None:
            hand.partial = partial
        if beat.serves and time.monotonic() - self._looked > POLL_S:
            self._serve()
            self._looked = time.monotonic()
        if hand.stop_asked.is_set() or beat.closed.is_set():
            raise Stopped

    def _serve(self) -> None:
        beat = self._beat
        while not beat.closed.is_set():
            better_than = self._hand.job.priority
            urgent = jobs.claim(
                beat.store, beat.owner, lease_s=LEASE_S, kinds=list(HANDLERS), better_than=better_than
            )
            if urgent is None:
                return
            run_job(beat.engine, beat, urgent)


def run_job(engine: Engine, beat: Beat, job: jobs.Job) -> None:
    """Run one claimed job to its end and write how it ended."""
    store, owner = engine.store, beat.owner
    hand = Hand(job)
    beat.hands.append(hand)
    clock = Clock()
    try:
        result = HANDLERS[job.kind](engine, job.payload, Reporter(beat, hand))
        jobs.finish(store, job.id, owner, result)
        log.info("done", job=job.id, kind=job.kind, seconds=round(clock.seconds, 3))
    except Stopped:
        # STOPPED if that was asked for, else QUEUED again; with what was found since the last beat.
        jobs.release(store, job.id, owner, hand.partial)
        log.info("stopped", job=job.id, kind=job.kind)
    except DualensError as error:
        jobs.fail(store, job.id, owner, str(error))
        log.info("refused", job=job.id, kind=job.kind, reason=str(error))
    except Exception as error:
        log.exception("failed", job=job.id, kind=job.kind)
        jobs.fail(
            store,
            job.id,
            owner,
            f"The engine met an error it does not know: {type(error).__name__}: {error}. Nothing was stored "
            "for this job. The engine's log has the details.",
        )
    finally:
        beat.hands.remove(hand)


@contextmanager
def device_lock(home: Path, device: str) -> Iterator[None]:
    """Hold the workspace's lock for one device; `Conflict` if another worker holds it.

    The operating system drops the lock with the process, so a killed worker leaves nothing to clean up.
    """
    path = home / f"engine-{device.replace(':', '-')}.lock"
    with open(path, "a+") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            handle.seek(0)
            holder = handle.read().strip() or "unknown"
            raise Conflict(
                f"Another engine (process {holder}) already works on {device} for the workspace {home}. "
                "One engine per device is enough: the dashboard and the command line share it."
            ) from error
        handle.truncate(0)
        handle.write(str(os.getpid()))
        handle.flush()
        yield


def bury_predecessors(store: Store, device: str, owner: str) -> None:
    """Take over at once what a killed worker of this device left: we hold the lock, so it is dead."""
    host, _, _ = owner.partition(":")
    for worker in workers.listing(store):
        if worker.host == host and worker.device == device and worker.owner != owner:
            jobs.expire(store, worker.owner)
            workers.gone(store, worker.owner)


def claimed(
    store: Store, owner: str, closed: threading.Event, alive: Callable[[], bool]
) -> Iterator[jobs.Job]:
    """Jobs as they come, until closed; polls because SQLite has no way to be told."""
    while not closed.is_set() and alive():
        job = jobs.claim(store, owner, lease_s=LEASE_S, kinds=list(HANDLERS))
        if job:
            yield job
        else:
            closed.wait(POLL_S)


def work(settings: Settings, *, with_parent: bool = False, once: bool = False) -> None:
    """Work until told to stop (Ctrl-C, SIGTERM), or until the parent process is gone if `with_parent`.

    `once` ends after the first job, for scripts and tests. Raises `Conflict` if this device has a worker.
    """
    parent = os.getppid()
    store = Store.open(settings)
    engine = Engine(store, settings)
    device = engine.device()
    owner = f"{socket.gethostname()}:{os.getpid()}:{device}"
    with device_lock(settings.home, device):
        bury_predecessors(store, device, owner)
        beat = Beat(store, owner, engine)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: beat.closed.set())
        beat.once()
        beat.start()
        log.info("ready", owner=owner, home=str(settings.home))
        try:
            if not once and any(info.name == "simulated" for info in datasets.listing(store)):
                engine.warm_up()
            for job in claimed(store, owner, beat.closed, lambda: not with_parent or os.getppid() == parent):
                run_job(engine, beat, job)
                if once:
                    break
        finally:
            beat.closed.set()
            beat.join(timeout=BEAT_S)
            workers.gone(store, owner)
            store.close()
            log.info("gone", owner=owner)


def run_here(
    engine: Engine, kind: str, payload: dict[str, Any], say: Callable[[str], None]
) -> dict[str, Any]:
    """File a background job and do it in this process; the result, as the store has it.

    An equal job that another process works on is followed to its end instead; one whose process is dead is
    taken over. Ctrl-C ends it as STOPPED, and the same call goes on from what was found. Raises DualensError
    with the job's own words where it fails.
    """
    store = engine.store
    owner = f"{socket.gethostname()}:{os.getpid()}:command"
    beat = Beat(store, owner, engine, serves=False)
    job = jobs.submit(store, kind, payload)
    ended = threading.Event()

    def end(*_: object) -> None:
        ended.set()
        for hand in beat.hands:
            hand.stop_asked.set()

    previous = signal.signal(signal.SIGINT, end)
    beat.start()
    try:
        said = ""
        while True:
            if ended.is_set():
                jobs.stop(store, job.id)
            if job.state == jobs.RUNNING and _dead(job.owner):
                jobs.expire(store, job.owner)
            mine = jobs.claim(store, owner, lease_s=LEASE_S, job_id=job.id)
            if mine:
                with _spoken(beat, say):
                    run_job(engine, beat, mine)
            job = jobs.get(store, job.id)
            if job.state == jobs.COMPLETED:
                return job.result or {}
            if job.state == jobs.ERROR:
                raise DualensError(job.error or "The job failed.")
            if job.state == jobs.STOPPED:
                raise DualensError("Stopped. The same command goes on from where it was.")
            if job.message != said:
                said = job.message
                say(said)
            time.sleep(0.5)
    finally:
        signal.signal(signal.SIGINT, previous)
        beat.closed.set()
        beat.join(timeout=BEAT_S)


def _dead(owner: str | None) -> TypeGuard[str]:
    """Whether this owner was a process of this machine that is no more: its lease need not be waited for."""
    host, pid = [*(owner or "").split(":"), ""][:2]
    return host == socket.gethostname() and pid.isdigit() and not psutil.pid_exists(int(pid))


@contextmanager
def _spoken(beat: Beat, say: Callable[[str], None]) -> Iterator[None]:
    """Say what the job in hand last said of itself, whenever it says something new."""
    done = threading.Event()

    def tell() -> None:
        last = ""
        while not done.wait(0.5):
            message = beat.hands[0].message if beat.hands else ""
            if message and message != last:
                last = message
                say(message)

    speaker = threading.Thread(target=tell, daemon=True, name="say")
    speaker.start()
    try:
        yield
    finally:
        done.set()
        speaker.join(timeout=1)
