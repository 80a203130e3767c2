"""Workers: alive while they report, forgotten after a day of silence."""

from dataclasses import replace

import pytest

from db import workers
from db.store import Store
from db.workers import Worker


def test_workers_beat_and_go(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = Worker("host:1", 1, "host", "cpu", "float32", "ready")
    workers.beat(store, worker)
    workers.beat(store, replace(worker, state="busy", message="rank", models=["embedded"]))
    alive = workers.alive(store)
    assert [(one.owner, one.state, one.message, one.models) for one in alive] == [
        ("host:1", "busy", "rank", ["embedded"])
    ]
    now = alive[0].beat_at
    workers.beat(store, replace(worker, owner="host:2"))
    workers.gone(store, "host:2")
    workers.gone(store, "host:2")
    assert len(workers.alive(store)) == 1
    monkeypatch.setattr("db.workers.time.time", lambda: now + 60)
    assert workers.alive(store) == []
    assert len(workers.alive(store, within_s=100)) == 1


def test_workers_silent_for_a_day_are_forgotten(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = Worker("host:1", 1, "host", "cpu", "float32", "ready")
    workers.beat(store, worker)
    now = workers.alive(store)[0].beat_at
    monkeypatch.setattr("db.workers.time.time", lambda: now + 25 * 3600)
    workers.beat(store, replace(worker, owner="host:2"))
    assert [one.owner for one in workers.alive(store, within_s=1e9)] == ["host:2"]
