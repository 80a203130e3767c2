"""The engine process: takes jobs from the store, runs them, reports progress, survives and is survived.

One worker per device (a lock file in the workspace sees to that). It owns a job while its heartbeat renews
the lease; a worker that is killed simply stops renewing, and the next one takes the job up again. Whatever a
job finishes is in the store before the job says so, so nothing finished is lost.
"""

import fcntl
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import structlog

from db import datasets, jobs, workers
from db.errors import Conflict, DualensError
from db.settings import Settings
from db.store import Store
from engine import handlers
from engine.handlers import Stopped
from engine.session import Engine

log = structlog.get_logger("dualens.worker")

POLL_S = 0.03  # how long an idle worker sleeps between looks: adds at most this to a slider's answer
BEAT_S = 2.0  # heartbeat of the worker and of its job
LEASE_S = 20.0  # a job whose worker has not renewed for this long is taken over


class Beat(threading.Thread):
    """Renews the lease of the job in hand and says that the worker is alive, every `BEAT_S` seconds.

    A thread of its own because a forward pass may block the main thread for longer than the lease.
    """

    def __init__(self, store: Store, owner: str, engine: Engine):
        super().__init__(daemon=True, name="beat")
        self.store, self.owner, self.engine = store, owner, engine
        self.job: jobs.Job | None = None
        self.progress: float | None = None
        self.message = ""
        self.stop_asked = threading.Event()
        self.closed = threading.Event()

    def describe(self) -> workers.Worker:
        """The line the dashboard shows at the foot of its navigation."""
        job = self.job
        return workers.Worker(
            owner=self.owner,
            pid=os.getpid(),
            host=socket.gethostname(),
            device=self.engine.device(),
            dtype=self.engine.dtype,
            state="busy" if job else "ready",
            message=f"{job.kind} {self.message}".strip() if job else "",
            models=self.engine.loaded_models(),
            beat_at=time.time(),
        )

    def once(self) -> None:
        """One heartbeat; a stop asked for (or a lease lost) is passed on to the job."""
        workers.beat(self.store, self.describe())
        job = self.job
        if job and not jobs.heartbeat(
            self.store, job.id, self.owner, progress=self.progress, message=self.message, lease_s=LEASE_S
        ):
            self.stop_asked.set()

    def run(self) -> None:
        """Beat until closed; a store that is busy for a moment is no reason to die."""
        while not self.closed.wait(BEAT_S):
            try:
                self.once()
            except Exception as error:
                log.warning("heartbeat failed", error=str(error))

    def report(self, progress: float | None, message: str = "") -> None:
        """What a running job calls; raises `Stopped` when the job is to end."""
        self.progress, self.message = progress, message
        if self.stop_asked.is_set() or self.closed.is_set():
            raise Stopped


Handler = Callable[[Engine, dict[str, Any], Callable[..., None]], dict[str, Any]]

HANDLERS: dict[str, Handler] = {
    "rank": handlers.rank_job,
    "effects": handlers.effects_job,
    "pool": handlers.pool_job,
    "preview": handlers.preview_job,
    "import": handlers.import_job,
    "register_model": handlers.register_job,
    "setup": handlers.setup_job,
}


def run_job(engine: Engine, beat: Beat, job: jobs.Job) -> None:
    """Run one claimed job to its end and write how it ended."""
    store, owner = engine.store, beat.owner
    beat.job, beat.progress, beat.message = job, None, ""
    beat.stop_asked.clear()
    started = time.perf_counter()
    try:
        result = HANDLERS[job.kind](engine, job.payload, beat.report)
        jobs.finish(store, job.id, owner, result)
        log.info("done", job=job.id, kind=job.kind, seconds=round(time.perf_counter() - started, 3))
    except Stopped:
        jobs.release(store, job.id, owner)  # STOPPED if that was asked for, else QUEUED again
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
        beat.job = None


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
    for worker in workers.alive(store, within_s=24 * 3600):
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
