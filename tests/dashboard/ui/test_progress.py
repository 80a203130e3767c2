"""What pages say of work under way: how far, how long, and what becomes of it when its process has ended."""

import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from dashboard import __main__ as command
from dashboard.state.waiting import WANTED_S, Answer, ask, seen
from dashboard.ui import engine_status, progress
from db import jobs, workers
from db.store import Store
from db.workers import Worker


def test_the_line_of_a_job_whose_process_was_killed_says_what_becomes_of_it(store: Store) -> None:
    child = subprocess.Popen(["sleep", "60"])
    filed = jobs.submit(store, "study", {})
    jobs.claim(store, f"{socket.gethostname()}:{child.pid}:cpu")
    child.kill()
    child.wait()
    job = jobs.get(store, filed.id)
    assert job.heartbeat_at is not None
    now = job.heartbeat_at + 3
    says = {engine: progress.describe(job, "Measuring", now, engine) for engine in progress.LOST}
    assert "another one takes over" in says[workers.RUNS]
    assert "being restarted" in says[workers.RESTARTS]
    assert "Start it with `dualens`" in says[workers.NONE]


def test_the_foot_says_that_a_killed_engine_restarts_or_how_to_start_one() -> None:
    now = time.time()
    host = socket.gethostname()
    killed = Worker("me", 2**22, host, "cpu", "float32", "busy", beat_at=now, supervisor=os.getpid())
    assert "busy" in engine_status.state([killed], {}, now + 1)[0]
    assert "restarting" in engine_status.state([killed], {}, now + 3)[0]
    assert engine_status.state([], {}, now) == [":orange[○] **no engine**", "Start it: `dualens`"]


def test_a_page_that_looks_keeps_its_job_and_one_that_is_gone_drops_it(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time()
    monkeypatch.setattr("db.jobs.time.time", lambda: now)
    watched, left = (ask(store, "effects", {"n": n}).job for n in range(2))
    for _ in range(5):
        now += WANTED_S / 2 + 1
        assert seen(store, watched.id).state == jobs.QUEUED
    assert jobs.claim(store, "engine") == jobs.get(store, watched.id)
    assert jobs.claim(store, "engine") is None
    assert jobs.get(store, left.id).dropped
    assert "watching" in (Answer(jobs.get(store, left.id)).error or "")
    jobs.stop(store, watched.id)
    jobs.release(store, watched.id, "engine")
    assert "Stopped" in (Answer(jobs.get(store, watched.id)).error or "")


def until(true: Callable[[], bool], seconds: float) -> float:
    """Seconds until something holds."""
    started = time.monotonic()
    while not true():
        assert time.monotonic() - started < seconds
        time.sleep(0.02)
    return time.monotonic() - started


def test_a_killed_engine_is_noticed_before_it_seems_silent_and_started_again(
    home: Path, store: Store
) -> None:
    def engine() -> str:
        return workers.engine(workers.listing(store), time.time())

    page = subprocess.Popen(["sleep", "600"])
    supervisor = threading.Thread(target=command.supervise, args=(page, command.start_worker()))
    supervisor.start()
    try:
        until(lambda: engine() == workers.RUNS, 120)
        [worker] = workers.alive(store)
        job = jobs.submit(store, "import", {"path": str(home / "no such file")})
        os.kill(worker.pid, signal.SIGKILL)
        assert until(lambda: engine() == workers.RESTARTS, 120) < workers._SILENT_S
        assert "restarted" in progress.describe(jobs.get(store, job.id), "Importing", time.time(), engine())
        until(lambda: engine() == workers.RUNS, 120)
        until(lambda: jobs.get(store, job.id).state == jobs.ERROR, 120)
        assert [known.pid for known in workers.listing(store)] != [worker.pid]
    finally:
        page.kill()
        supervisor.join(60)
