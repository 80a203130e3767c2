"""Workers: alive while they report, forgotten after a day of silence."""

import os
import socket
import subprocess
from dataclasses import replace

import pytest

from db import workers
from db.store import Store
from db.workers import Worker


def test_workers_beat_and_go(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    first = Worker("host:1", 1, "host", "cpu", "float32", "ready")
    workers.beat(store, first)
    workers.beat(store, replace(first, state="busy", message="rank", models=["embedded"]))
    alive = workers.alive(store)
    assert [(worker.owner, worker.state, worker.message, worker.models) for worker in alive] == [
        ("host:1", "busy", "rank", ["embedded"])
    ]
    now = alive[0].beat_at
    workers.beat(store, replace(first, owner="host:2"))
    workers.gone(store, "host:2")
    workers.gone(store, "host:2")
    assert len(workers.alive(store)) == 1
    monkeypatch.setattr("db.workers.time.time", lambda: now + 60)
    assert workers.alive(store) == []
    assert len(workers.listing(store)) == 1


def test_workers_silent_for_a_day_are_forgotten(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    first = Worker("host:1", 1, "host", "cpu", "float32", "ready")
    workers.beat(store, first)
    now = workers.alive(store)[0].beat_at
    monkeypatch.setattr("db.workers.time.time", lambda: now + 25 * 3600)
    workers.beat(store, replace(first, owner="host:2"))
    assert [worker.owner for worker in workers.listing(store)] == ["host:2"]


def test_a_killed_worker_is_noticed_within_three_seconds(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = socket.gethostname()
    child = subprocess.Popen(["sleep", "60"])
    here = Worker(f"{host}:1", child.pid, host, "cpu", "float32", "ready", supervisor=os.getpid())
    elsewhere = replace(here, owner="far:1", host="far")
    for worker in (here, elsewhere):
        workers.beat(store, worker)
    now = workers.listing(store)[0].beat_at
    monkeypatch.setattr("db.workers.time.time", lambda: now + 3)
    assert [worker.host for worker in workers.alive(store)] == ["far", host]
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # left a zombie: that does no work, either
    assert [worker.host for worker in workers.alive(store)] == ["far"]
    child.wait()
    assert [worker.host for worker in workers.alive(store)] == ["far"]
    assert workers.engine(workers.listing(store), now + 3) == workers.RUNS
    workers.gone(store, "far:1")
    assert workers.engine(workers.listing(store), now + 3) == workers.RESTARTS
    assert workers.engine([], now) == workers.NONE
    killed = next(worker for worker in workers.listing(store) if worker.host == host)
    assert killed.restarts(now + 60)
    assert not replace(killed, supervisor=child.pid).restarts(now + 60)
    assert not replace(killed, supervisor=None).restarts(now + 60)
    assert workers.owner_ended(f"{host}:{child.pid}:cpu", now, now + 3)
    assert not workers.owner_ended(f"{host}:{child.pid}:cpu", now, now + 1), "it may be another container's"
    assert not workers.owner_ended(f"{host}:{os.getpid()}:cpu", now, now + 3)
    assert not workers.owner_ended(f"far:{child.pid}:cpu", now, now + 3), (
        "another host's processes are unknown"
    )
    assert not workers.owner_ended(None, now, now + 3)
    assert workers.owner_ended(f"{host}:{os.getpid()}:cpu", now - 1e6, now), "the number was given to another"
