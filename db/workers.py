"""Engine processes: each beats every second, and its row is removed when it shuts down.

A row that is left behind says that its process was killed, and which process starts it again, if any does.
"""

import json
import os
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import psutil
import sqlalchemy as sa

from db.canonical import canonical_json
from db.schema import workers as table
from db.store import Store

RUNS, SILENT, LOCKED, RESTARTS, NONE = "RUNS", "SILENT", "LOCKED", "RESTARTS", "NONE"

BEAT_S = 1.0  # how often a worker beats
_FRESH_S = 2.0  # a beat this old proves that the process was there a moment ago
_SILENT_S = 10.0  # a process that has not beaten for longer counts as gone, even if it may exist
_RESTART_S = 60.0  # a supervisor on another host starts a worker again within this
_FORGET_S = 24 * 3600
_CLOCKS_S = 5.0  # by which a process's start time and the time of a beat may disagree


@dataclass(frozen=True)
class Worker:
    """One engine process. `owner` is the name it claims jobs under; `models` those it holds in memory.

    `supervisor`: the process that starts it again when it crashes; None if none does.
    """

    owner: str
    pid: int
    host: str
    device: str
    dtype: str
    state: str
    message: str = ""
    models: list[str] = field(default_factory=list)
    beat_at: float = 0.0
    supervisor: int | None = None

    def runs(self, now: float) -> bool:
        """Whether the process is there: by its last beat, and on this host by the process table."""
        age = now - self.beat_at
        return age < _FRESH_S or (age < _SILENT_S and not ended(self.host, self.pid, self.beat_at))

    def silent(self, now: float) -> bool:
        """Whether a process of this host is there that has given no sign for a while: it cannot write."""
        here = self.host == socket.gethostname() and now - self.beat_at >= _SILENT_S
        return here and not ended(self.host, self.pid, self.beat_at)

    def restarts(self, now: float) -> bool:
        """Whether a process is there that starts this worker again once it has ended."""
        if self.supervisor is None:
            return False
        if self.host != socket.gethostname():  # whose processes are unknown here: it has a while to do so
            return now - self.beat_at < _RESTART_S
        return not ended(self.host, self.supervisor, self.beat_at)


def beat(store: Store, worker: Worker) -> None:
    """Store that the worker is there now and what it does. Workers silent for a day are removed."""
    now = time.time()
    values = {**vars(worker), "models": canonical_json(worker.models), "beat_at": now}
    with store.write() as connection:
        insert = store.insert(table).values(**values)
        connection.execute(insert.on_conflict_do_update(index_elements=["owner"], set_=values))
        connection.execute(sa.delete(table).where(table.c.beat_at < now - _FORGET_S))


def listing(store: Store) -> list[Worker]:
    """Workers that have not shut down, those that were killed among them, by name."""
    with store.read() as connection:
        rows = connection.execute(sa.select(table).order_by(table.c.owner))
        return [Worker(**{**row._asdict(), "models": json.loads(row.models)}) for row in rows]


def alive(store: Store) -> list[Worker]:
    """Workers whose process is there, by name."""
    now = time.time()
    return [worker for worker in listing(store) if worker.runs(now)]


def engine(known: Sequence[Worker], now: float) -> str:
    """How the engine stands: RUNS, SILENT (its process is there and gives no sign; LOCKED, where the store is
    the reason), RESTARTS (it was killed and is being started again) or NONE.

    `known`: as `listing` gives them.
    """
    if any(worker.runs(now) for worker in known):
        return RUNS
    if any(worker.silent(now) for worker in known):
        return SILENT
    return RESTARTS if any(worker.restarts(now) for worker in known) else NONE


def gone(store: Store, owner: str) -> None:
    """Remove the worker: it has shut down, or another one has taken its place."""
    with store.write() as connection:
        connection.execute(sa.delete(table).where(table.c.owner == owner))


def owner_name(role: str) -> str:
    """The name under which this process claims jobs; `role`: its device, or what it is."""
    return f"{socket.gethostname()}:{os.getpid()}:{role}"


def owner_ended(owner: str | None, seen_at: float, now: float) -> bool:
    """Whether the owner of a job, last seen at `seen_at`, was a process of this host that has ended.

    Not yet within two seconds of its last beat: another container may bear this host's name.
    """
    host, pid = [*(owner or "").split(":"), ""][:2]
    return now - seen_at > _FRESH_S and pid.isdigit() and ended(host, int(pid), seen_at)


def ended(host: str, pid: int, seen_at: float) -> bool:
    """Whether a process was on this host and has ended; one that started after `seen_at` is another one."""
    if host != socket.gethostname():
        return False
    try:
        process = psutil.Process(pid)
        return process.status() == psutil.STATUS_ZOMBIE or process.create_time() > seen_at + _CLOCKS_S
    except psutil.NoSuchProcess:
        return True
    except psutil.AccessDenied:
        return False
