"""The engine process: takes jobs from the store, runs them, reports progress, survives and is survived.

One worker per device (a lock file in the workspace sees to that). It owns a job while its heartbeat renews
the lease; a worker that is killed simply stops renewing, and the next one takes the job up again. Whatever a
job finishes is in the store before the job says so, so nothing finished is lost.
"""

import fcntl
import math
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import structlog

from db import datasets, jobs, workers
from db.changes import Changes
from db.errors import Conflict, DualensError, StoreAway
from db.patience import Patience
from db.settings import Settings
from db.store import Store
from db.time_left import time_left
from engine import stopping, unfinished
from engine.baselines import fitting
from engine.context import Engine
from engine.jobs import model_folders
from engine.jobs.handlers import HANDLERS
from engine.jobs.reporter import Hand, Reporter, Stopped
from engine.progress import Clock, giving_way, telling, worked
from engine.stopping import Ended


class _Log:
    """Lines on standard error, as found at each line: what a command prints is for scripts.

    A log that cannot be written (its disk is full) is no reason to end.
    """

    def msg(self, message: str) -> None:
        with suppress(OSError, ValueError, AttributeError):
            print(message, file=sys.stderr, flush=True)

    debug = info = warning = error = critical = exception = msg


structlog.configure(logger_factory=lambda *_: _Log())
log = structlog.get_logger("dualens.worker")

POLL_S = 0.03  # between the looks of an idle worker where the store cannot say that it changed
KEPT = "What was finished is kept. Run the same command again to resume."
TURN_S = 1.0  # how often an engine that waits for another one to end looks
LEASE_S = 20.0  # a job whose worker has not renewed for this long is taken over; one that died, at once


class Beat(threading.Thread):
    """Renews the leases of the jobs in hand and says that the worker is alive, every second (`BEAT_S`).

    A thread of its own because loading a model may block the main thread for longer than the lease. Several
    jobs are in hand while one gives way to more urgent ones; the last is the one that runs.
    """

    def __init__(
        self,
        store: Store,
        owner: str,
        engine: Engine,
        *,
        serves: bool = True,
        supervisor: int | None = None,
        closed: threading.Event | None = None,
    ):
        """`serves`: does more urgent jobs while one runs; a command does its own job only.

        `supervisor`: the process that starts this one again when it crashes. `closed`: set when this process
        is to end.
        """
        super().__init__(daemon=True, name="beat")
        self.store, self.owner, self.engine, self.serves = store, owner, engine, serves
        self.supervisor = supervisor
        self.hands: list[Hand] = []
        self.closed = closed or threading.Event()

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
            supervisor=self.supervisor,
        )

    def once(self) -> None:
        """One heartbeat; a stop asked for (or a lease lost) is passed on to the job."""
        if self.serves:
            workers.beat(self.store, self.describe())
        hands = list(self.hands)
        for hand in hands:
            partial, hand.partial = hand.partial, None  # what is stored already is not written again
            left = hand.left.range(worked()) if hand is hands[-1] else None  # the others wait
            if not jobs.heartbeat(
                self.store,
                hand.job.id,
                self.owner,
                hand.progress,
                hand.message,
                LEASE_S,
                partial=partial,
                left=left,
            ):
                hand.stop_asked.set()

    def run(self) -> None:
        """Beat until closed; a store that is away (it was waited for) is no reason to die."""
        while not self.closed.wait(workers.BEAT_S):
            try:
                self.store.again(self.once)
            except Exception as error:
                if not self.closed.is_set():
                    log.warning("heartbeat failed", error=str(error))


def run_job(engine: Engine, beat: Beat, job: jobs.Job) -> None:
    """Run one claimed job to its end and write how it ended."""
    store, owner = engine.store, beat.owner
    hand = Hand(job)
    beat.hands.append(hand)
    clock = Clock()

    def serve(priority: int) -> bool:
        """Do the next job of a better priority; False if there is none."""
        more_urgent = jobs.claim(store, owner, LEASE_S, list(HANDLERS), better_than=priority)
        if more_urgent is not None:
            run_job(engine, beat, more_urgent)
        return more_urgent is not None

    reporter = Reporter(engine, owner, hand, list(HANDLERS), beat.closed, serve if beat.serves else None)

    def attempt() -> dict[str, Any]:
        reporter.begin()
        return HANDLERS[job.kind](engine, job.payload, reporter)

    try:
        with giving_way(reporter.give_way), telling(reporter):
            # Anew where the store goes away in its midst: what was finished by then is served from it.
            result = store.again(attempt)
        store.again(lambda: jobs.finish(store, job.id, owner, result))
        log.info("done", job=job.id, kind=job.kind, seconds=round(clock.seconds, 3))
    except (Stopped, Ended) as end:
        stopping.caught()
        # STOPPED if that was asked for, else QUEUED again; with the partial result since the last beat.
        store.again(lambda: jobs.release(store, job.id, owner, hand.latest))
        log.info("stopped", job=job.id, kind=job.kind)
        if isinstance(end, Ended):
            raise
    except StoreAway:  # it was waited for in vain: the lease runs out, and whoever comes next resumes
        raise
    except DualensError as error:
        _failed(store, job, owner, str(error))
        log.info("refused", job=job.id, kind=job.kind, reason=str(error))
    except Exception as error:
        log.exception("failed", job=job.id, kind=job.kind)
        _failed(
            store,
            job,
            owner,
            f"The engine met an error it does not know: {type(error).__name__}: {error}. Nothing was stored "
            "for this job. The engine's log has the details.",
        )
    finally:
        beat.hands.remove(hand)


def _failed(store: Store, job: jobs.Job, owner: str, reason: str) -> None:
    store.again(lambda: jobs.fail(store, job.id, owner, reason))


@contextmanager
def device_lock(home: Path, device: str, wait: Callable[[str], bool] | None = None) -> Iterator[None]:
    """Hold the workspace's lock for one device; `Conflict` if another worker holds it.

    `wait`: pauses, is told why, and says whether to try again instead.

    The operating system drops the lock with the process, so a killed worker leaves nothing to clean up.
    """
    path = home / f"engine-{device.replace(':', '-')}.lock"
    with open(path, "a+") as handle:
        with suppress(OSError):  # one that an earlier version made
            os.fchmod(handle.fileno(), 0o600)
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError as error:
                handle.seek(0)
                holder = handle.read().strip() or "unknown"
                reason = (
                    f"Another engine (process {holder}) already works on {device} for the workspace {home}. "
                    "One engine per device is enough: the dashboard and the command line share it."
                )
                if wait is None or not wait(reason):
                    raise Conflict(reason) from error
        with suppress(OSError):  # a full disk: who holds the lock stays unsaid
            handle.truncate(0)
            handle.write(str(os.getpid()))
            handle.flush()
        yield


def bury_predecessors(store: Store, device: str, owner: str) -> None:
    """Take over at once what a killed worker of this device left: we hold the lock, so it has ended."""
    host, _, _ = owner.partition(":")
    for worker in workers.listing(store):
        if worker.host == host and worker.device == device and worker.owner != owner:
            jobs.expire(store, worker.owner)
            workers.gone(store, worker.owner)


def expire_ended(store: Store) -> None:
    """End the leases of jobs whose process was on this host and has ended, so that they are taken over."""
    now = time.time()
    for job in jobs.listing(store, states=[jobs.RUNNING]):
        if job.owner and workers.owner_ended(job.owner, job.heartbeat_at or job.created_at, now):
            jobs.expire(store, job.owner)


def claimed(
    store: Store, owner: str, closed: threading.Event, alive: Callable[[], bool]
) -> Iterator[jobs.Job]:
    """Jobs as they come, until closed; looks when the store has changed, and every so often in any case."""
    checked = 0.0
    with closing(Changes(store)) as changes:
        while not closed.is_set() and alive():
            if time.monotonic() - checked > workers.BEAT_S:
                store.again(lambda: expire_ended(store))
                checked = time.monotonic()
            job = store.again(lambda: jobs.claim(store, owner, lease_s=LEASE_S, kinds=list(HANDLERS)))
            if job:
                yield job
            else:
                changes.wait(POLL_S, workers.BEAT_S, closed)


def work(settings: Settings, *, with_parent: bool = False, once: bool = False) -> None:
    """Work until told to stop (Ctrl-C, SIGTERM), or until the parent process is gone if `with_parent`.

    A store that is away is waited for as long as it takes. `once` ends after the first job, for scripts and
    tests. Raises `Conflict` if this device has a worker, and `Ended` when it was told to stop.
    """
    os.umask(0o077)  # all that it writes lies in the workspace
    # Who started it says who that is: one that has ended by now is no longer this process's parent.
    parent = int(os.environ.pop("DUALENS_PARENT", os.getppid()))
    closed = threading.Event()
    patience = Patience(math.inf, say=log.warning, pause=closed.wait)
    with stopping.gently(closed.set, kept="Open jobs are kept; the next engine resumes them."):
        try:
            with Store.open(settings, patience) as store:
                _work(store, closed, parent if with_parent else None, once=once)
        except StoreAway:
            if not closed.is_set():
                raise
        stopping.check()


def _work(store: Store, closed: threading.Event, parent: int | None, *, once: bool) -> None:
    engine = Engine(store, store.settings)
    device = engine.device()
    owner = workers.owner_name(device)
    with device_lock(store.settings.home, device, _in_turn(closed, parent) if parent else None):
        store.settings.tighten()
        store.again(lambda: bury_predecessors(store, device, owner))
        store.again(lambda: datasets.sweep(store))
        unfinished.sweep(store.settings.models)
        fitting.sweep(store.settings)
        beat = Beat(store, owner, engine, supervisor=parent, closed=closed)
        store.again(beat.once)
        beat.start()
        threading.Thread(
            target=model_folders.keep_checking, args=(store, closed), daemon=True, name="models"
        ).start()
        log.info("ready", owner=owner, home=str(store.settings.home))
        try:
            if not once and any(info.name == "simulated" for info in datasets.listing(store)):
                store.again(engine.warm_up)
            for job in claimed(store, owner, closed, lambda: parent is None or os.getppid() == parent):
                run_job(engine, beat, job)
                if once:
                    break
        finally:
            closed.set()
            beat.join(timeout=2 * workers.BEAT_S)
            with suppress(StoreAway):  # the row says that a process was there which no longer is
                workers.gone(store, owner)
            log.info("gone", owner=owner)


def _in_turn(closed: threading.Event, parent: int) -> Callable[[str], bool]:
    """A second dashboard's engine says once that there is one, and waits until that has ended."""
    said = False

    def wait(reason: str) -> bool:
        nonlocal said
        if not said:
            said = True
            log.info("waiting", reason=f"{reason} This one takes over when that ends.")
        closed.wait(TURN_S)
        return not closed.is_set() and os.getppid() == parent

    return wait


def run_here(
    engine: Engine, kind: str, payload: dict[str, Any], say: Callable[[str], None]
) -> dict[str, Any]:
    """File a background job and do it in this process; the result, as the store has it.

    An equal job that another process works on is followed to its end instead; one whose process has ended is
    taken over. A signal (`engine.stopping`) ends it as STOPPED, and the same call resumes from its partial
    result. Raises DualensError with the job's own words where it fails, and Ended.
    """
    store = engine.store
    owner = workers.owner_name("command")
    beat = Beat(store, owner, engine, serves=False)
    # Taken as it is filed: a dashboard's engine, which also looks for work, would do it in its own way.
    job = store.again(lambda: jobs.submit(store, kind, payload, owner=owner, lease_s=LEASE_S))

    def ask() -> None:
        for hand in beat.hands:
            hand.stop_asked.set()

    def at_last() -> None:
        jobs.stop(store, job.id)
        for hand in beat.hands:
            jobs.release(store, hand.job.id, owner, hand.partial)

    beat.start()
    try:
        with stopping.gently(ask, at_last, KEPT):
            return _to_its_end(beat, job, say)
    except Ended:
        stopping.caught()
        store.again(lambda: jobs.stop(store, job.id))
        store.again(lambda: jobs.release(store, job.id, owner))  # taken, and never begun
        raise
    finally:
        beat.closed.set()
        beat.join(timeout=2 * workers.BEAT_S)


def _to_its_end(beat: Beat, job: jobs.Job, say: Callable[[str], None]) -> dict[str, Any]:
    """The result of a job, done here or, if another process has it, followed. Raises DualensError, Ended."""
    store, said, number = beat.store, "", job.id
    mine = job if (job.owner, job.state) == (beat.owner, jobs.RUNNING) else None
    while True:
        stopping.check()
        if mine is None:
            store.again(lambda: expire_ended(store))
            mine = store.again(lambda: jobs.claim(store, beat.owner, lease_s=LEASE_S, job_id=number))
        if mine is not None:
            with _spoken(beat, say):
                run_job(beat.engine, beat, mine)
            mine = None
            stopping.check()
        job = store.again(lambda: jobs.get(store, number))
        if job.state == jobs.COMPLETED:
            return job.result or {}
        if job.state == jobs.ERROR:
            raise DualensError(job.error or "The job failed.")
        if job.state == jobs.STOPPED:
            raise DualensError("It was stopped elsewhere. Run the same command again to resume.")
        if job.message != said:
            said = job.message
            say(" · ".join(filter(None, (said, time_left(job.left_low_s, job.left_high_s)))))
        time.sleep(0.5)


@contextmanager
def _spoken(beat: Beat, say: Callable[[str], None]) -> Iterator[None]:
    """Say what the job in hand last reported and how long is left, whenever it reports something new."""
    done = threading.Event()

    def tell() -> None:
        last = ""
        while not done.wait(0.5):
            hand = beat.hands[0] if beat.hands else None
            if hand and hand.message and hand.message != last:
                last = hand.message
                left = time_left(*(hand.left.range(worked()) or (None, None)))
                say(" · ".join(filter(None, (last, left))))

    speaker = threading.Thread(target=tell, daemon=True, name="say")
    speaker.start()
    try:
        yield
    finally:
        done.set()
        speaker.join(timeout=1)
