"""Experiments by two workers on one PostgreSQL server: one worker is killed and the server restarts in their
midst, and the tables are those of an undisturbed SQLite store."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from db import datasets, jobs, schema
from db.canonical import canonical_json
from db.patience import Patience
from db.requests import ExperimentRequest
from db.settings import Settings
from db.store import Store
from engine.context import Engine
from engine.progress import quiet
from engine.studies.experiments import run as experiments
from tests.db import postgres
from tests.toys import toy_columns

ROOT = Path(__file__).parents[3]
SMALL = ExperimentRequest(
    "toy",
    users=30,
    model=("tiny",),
    demos=("none", "neighbours:2", "random:2"),
    candidates=20,
    baselines=("popularity",),
    copies=("copy",),
)
LARGE = replace(SMALL, users=36)  # of whose cells most are those of the other, computed at the same time


@pytest.fixture
def server() -> Iterator[postgres.Server]:
    """A server of this test alone."""
    if reason := postgres.missing():
        pytest.skip(reason)
    with postgres.running() as started:
        yield started


def stocked(settings: Settings, folder: Path) -> Store:
    store = Store.open(settings, Patience(300))
    columns = toy_columns(users=40, items=60, length=8)
    datasets.insert(store, "toy", columns, kind="generic", source="test", fingerprint="toy", report={})
    Engine(store, settings).register("tiny", str(folder))
    return store


def worker(settings: Settings, home: Path) -> subprocess.Popen[bytes]:
    """A worker with a workspace of its own, as on another machine."""
    environment = {
        **os.environ,
        "DUALENS_HOME": str(home),
        "DUALENS_DATABASE_URL": settings.database_url,
        "DUALENS_DEVICE": "cpu",
        "DUALENS_DTYPE": "float32",
        "OMP_NUM_THREADS": "1",
    }
    with open(home.with_suffix(".log"), "wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "engine", "worker"], cwd=ROOT, env=environment, stdout=log, stderr=log
        )


def until(condition: Callable[[], bool], seconds: float = 300) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "the workers did not get there in time"
        time.sleep(0.02)


def cells(store: Store) -> int:
    with store.read() as connection:
        return connection.execute(
            sa.select(sa.func.count()).select_from(schema.experiment_cells)
        ).scalar_one()


def table(result: dict[str, Any]) -> str:
    """All but what clocks said."""
    return canonical_json({name: part for name, part in result.items() if name not in ("timings", "seconds")})


def test_a_killed_worker_and_a_restarted_server_change_no_table(
    server: postgres.Server, settings: Settings, saved_model: Callable[[str, str], Path], tmp_path: Path
) -> None:
    folder = saved_model("llama", "bpe")
    shared = settings.model_copy(update={"database_url": server.fresh()})
    store = stocked(shared, folder)
    filed = [jobs.submit(store, "experiment", request.to_json()).id for request in (SMALL, LARGE)]
    processes = {}
    try:
        for name in ("first", "second"):
            process = worker(shared, tmp_path / name)
            processes[process.pid] = process
        until(lambda: cells(store) >= 20 and all(jobs.get(store, n).state == jobs.RUNNING for n in filed))
        owner = jobs.get(store, filed[0]).owner
        killed = processes[int(str(owner).split(":")[1])]
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        before = cells(store)
        until(lambda: cells(store) >= before + 8)
        assert any(jobs.get(store, number).state == jobs.RUNNING for number in filed)
        server.stop(signal.SIGINT)
        logs = [tmp_path / "first.log", tmp_path / "second.log"]
        until(lambda: any("Waiting" in log.read_text(encoding="utf-8") for log in logs))
        server.start()
        until(lambda: all(jobs.get(store, number).state == jobs.COMPLETED for number in filed))
    finally:
        for process in processes.values():
            process.terminate()
            process.wait(120)
    results = [jobs.get(store, number).result or {} for number in filed]
    store.close()
    calm = stocked(settings, folder)
    engine = Engine(calm, settings)
    for request, result in zip((SMALL, LARGE), results, strict=True):
        assert table(result) == table(experiments.run(engine, request, quiet))
    calm.close()
