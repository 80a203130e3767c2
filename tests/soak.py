"""`python -m tests.soak --minutes 60`: work under random faults comes to what it comes to undisturbed.

Two workspaces get the same studies, imports and rankings. In one nothing happens. In the other the worker,
the dashboard and the PostgreSQL server are killed, the store is locked and the disk fills, at random and
again and again, while the work runs. At the end the store must pass `check`, and every table must be equal.
"""

import argparse
import json
import os
import random
import resource
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import sqlalchemy as sa

from db import datasets, jobs, schema, workers
from db.errors import DualensError
from db.integrity import check
from db.patience import Patience
from db.requests import ExperimentRequest, RunRequest, StudyRequest
from db.settings import Settings
from db.store import Store
from tests.db import postgres

ROOT = Path(__file__).resolve().parents[1]
CLOCKS = {"seconds", "timings_ms", "seconds_per_user", "ms", "created_at", "tokens_per_second", "timings"}
SHORTEST_S, LONGEST_S = 2.0, 15.0  # between two faults
LOCKED_S, FULL_S, DOWN_S = (1.0, 90.0), (2.0, 30.0), (0.5, 10.0)
TABLES = {  # what must be equal, by table: the columns that say what was computed
    schema.datasets: ("name", "fingerprint", "users", "items", "interactions", "content"),
    schema.runs: ("key", "dataset", "user_id", "model", "request", "summary", "result"),
    schema.effects: ("effects_key", "run_key", "options", "result"),
    schema.candidate_lists: ("user", "target_position", "kind", "size", "seed", "fingerprint", "items"),
    schema.demonstrations: ("id", "source", "user_id", "history", "answer"),
    schema.optimizations: ("key", "user_id", "result"),
    schema.texts: ("hash", "text"),
    schema.experiment_cells: ("setting", "user_id", "draw", "cell"),
    schema.jobs: ("kind", "payload", "state", "result"),
}


def work(home: Path, size: int) -> list[tuple[str, dict[str, Any]]]:
    """The jobs of both workspaces; `size` grows with the minutes."""
    filed: list[tuple[str, dict[str, Any]]] = []
    for number in range(size):
        study = StudyRequest.from_json(
            {
                "study": "faithfulness",
                "dataset": "simulated",
                "users": 3,
                "seed": number,
                "demos": "recent:2",
                "candidates": 5,
            }
        )
        filed.append(("study", study.to_json()))
        grid = ExperimentRequest(
            "simulated",
            users=6,
            seed=number,
            demos=("none", "random:2"),
            draws=2,
            candidates=5,
            copies=("copy",),
        )
        filed.append(("experiment", grid.to_json()))
        filed.append(("import", {"path": str(table(home.parents[1], number)), "name": f"shop-{number}"}))
        for user in range(6):
            user_id = f"s{(97 * number + 31 * user) % 2000:04d}"
            request = RunRequest(dataset="simulated", user=user_id, model="embedded", seed=number)
            kind = "effects" if number % 8 == 7 and not user else "rank"  # effects take many rankings' time
            filed.append((kind, {"request": request.to_json()}))
    return filed


def table(folder: Path, number: int) -> Path:
    """A file of interactions to import, the same for both workspaces."""
    path = folder / f"shop-{number}.csv"
    if not path.exists():
        draw = random.Random(number)
        rows = [
            f"customer{user},product{draw.randrange(4000)},Product number {draw.randrange(4000)},{at}"
            for user in range(2000)
            for at in sorted(draw.sample(range(10**9, 2 * 10**9), 25))
        ]
        titles: dict[str, str] = {}
        lines = ["user_id,item_id,title,timestamp"]
        for row in rows:
            user, item, title, at = row.split(",")
            lines.append(f"{user},{item},{titles.setdefault(item, title)},{at}")
        path.write_text("\n".join(lines) + "\n")
    return path


class Workspace:
    """A home, its store and the processes that work in it."""

    def __init__(self, home: Path, url: str | None) -> None:
        self.settings = Settings(home=home, device="cpu", database_url=url or f"sqlite:///{home}/dualens.db")
        self.environment = {
            **os.environ,
            "DUALENS_HOME": str(home),
            "DUALENS_DATABASE_URL": self.settings.database_url,
            "DUALENS_DEVICE": "cpu",
            "OMP_NUM_THREADS": "1",
        }
        self.log = home.with_suffix(".log")
        self.dashboard: subprocess.Popen[bytes] | None = None

    def run(self, *words: str) -> subprocess.Popen[bytes]:
        with open(self.log, "ab") as log:
            command = [sys.executable, "-m", *words]
            return subprocess.Popen(command, cwd=ROOT, env=self.environment, stdout=log, stderr=log)

    def open(self) -> Store:
        return Store.open(self.settings, Patience(600))

    def engines(self) -> list[psutil.Process]:
        """The worker processes of this workspace."""
        found = []
        with suppress(DualensError), self.open() as store:
            for worker in workers.listing(store):
                if worker.host == socket.gethostname() and worker.runs(time.time()):
                    with suppress(psutil.Error):
                        found.append(psutil.Process(worker.pid))
        return found

    def keep_running(self, port: int) -> None:
        """Start the dashboard, which starts its worker, unless it is there."""
        if self.dashboard is None or self.dashboard.poll() is not None:
            self.dashboard = self.run("dashboard", "--no-browser", "--port", str(port))

    def close(self) -> None:
        if self.dashboard is not None:
            self.dashboard.terminate()
            with suppress(subprocess.TimeoutExpired):
                self.dashboard.wait(30)
        for engine in self.engines():
            engine.terminate()


@contextmanager
def filled(workspace: Workspace) -> Iterator[list[int]]:
    """The workspace with its jobs filed; their numbers."""
    with workspace.open() as store:
        yield [jobs.submit(store, kind, payload).id for kind, payload in work(workspace.settings.home, SIZE)]


SIZE = 1
RESUMED: list[int] = []  # jobs that were started again


def undisturbed(workspace: Workspace) -> None:
    """Do all the work, one job after the other."""
    with filled(workspace) as numbers:
        worker = workspace.run("engine", "worker")
        try:
            wait_for(workspace, numbers, 3600)
        finally:
            worker.terminate()
            assert worker.wait(60) == 128 + signal.SIGTERM


def wait_for(workspace: Workspace, numbers: list[int], seconds: float) -> None:
    """Until these jobs have ended. Raises AssertionError where one failed or they take too long."""
    end = time.monotonic() + seconds
    while open_jobs(workspace, numbers):
        assert time.monotonic() < end, f"jobs {open_jobs(workspace, numbers)} did not end"
        time.sleep(0.5)


def open_jobs(workspace: Workspace, numbers: list[int]) -> list[int]:
    """Those that have not ended. Raises AssertionError where one failed.

    One whose engine was killed too often for it to get further is started again, as its message says.
    """
    with workspace.open() as store:
        known = [jobs.get(store, number) for number in numbers]
        for job in known:
            if job.state == jobs.ERROR and job.error == jobs.DEADLY:
                jobs.resume(store, job.id)
                RESUMED.append(job.id)
                print(f"{time.strftime('%H:%M:%S')} job {job.id} is started again", flush=True)
    ended = [job for job in known if job.state in (jobs.ERROR, jobs.STOPPED) and job.error != jobs.DEADLY]
    assert not ended, [(job.id, job.kind, job.error) for job in ended]
    return [job.id for job in known if job.state != jobs.COMPLETED]


class Storm:
    """The faults, each a method that begins one and ends it."""

    def __init__(self, workspace: Workspace, server: postgres.Server | None, draw: random.Random) -> None:
        self.workspace, self.server, self.draw = workspace, server, draw
        self.counts: Counter[str] = Counter()
        database = [self.restart_server, self.kill_server] if server else [self.lock, self.lock_out_readers]
        self.faults: list[Callable[[], None]] = [
            self.kill_worker,
            self.end_worker,
            self.kill_dashboard,
            self.fill_disk,
            *database,
        ]

    def strike(self) -> None:
        fault = self.draw.choice(self.faults)
        print(f"{time.strftime('%H:%M:%S')} {fault.__name__}", flush=True)
        fault()
        self.counts[fault.__name__] += 1

    def kill_worker(self) -> None:
        self._signal(signal.SIGKILL)

    def end_worker(self) -> None:
        self._signal(signal.SIGTERM)

    def kill_dashboard(self) -> None:
        if self.workspace.dashboard is not None:
            self.workspace.dashboard.kill()
            self.workspace.dashboard.wait()

    def fill_disk(self) -> None:
        """No file of the worker may grow any more: what a full disk does, without needing a disk."""
        for engine in self.workspace.engines():
            with suppress(psutil.Error, OSError):
                before = resource.prlimit(engine.pid, resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
                self._wait(FULL_S)
                resource.prlimit(engine.pid, resource.RLIMIT_FSIZE, before)

    def lock(self) -> None:
        self._hold("BEGIN IMMEDIATE")

    def lock_out_readers(self) -> None:
        self._hold("BEGIN EXCLUSIVE")

    def restart_server(self) -> None:
        self._down(signal.SIGINT)

    def kill_server(self) -> None:
        self._down(signal.SIGQUIT)

    def _signal(self, number: int) -> None:
        for engine in self.workspace.engines():
            with suppress(psutil.Error):
                engine.send_signal(number)

    def _hold(self, statement: str) -> None:
        path = self.workspace.settings.database_url.removeprefix("sqlite:///")
        with (
            closing(sqlite3.connect(path, timeout=30, isolation_level=None)) as other,
            suppress(sqlite3.OperationalError),  # somebody else holds it all the time
        ):
            other.execute(statement)
            self._wait(LOCKED_S)
            other.execute("ROLLBACK")

    def _down(self, number: int) -> None:
        assert self.server is not None
        self.server.stop(number)
        self._wait(DOWN_S)
        self.server.start()

    def _wait(self, span: tuple[float, float]) -> None:
        low, high = span
        time.sleep(low * (high / low) ** self.draw.random())  # short ones more often than long ones


def disturbed(
    workspace: Workspace, server: postgres.Server | None, minutes: float, seed: int
) -> Counter[str]:
    """Do all the work in the storm, which lasts at least so long; how often each fault struck."""
    draw = random.Random(seed)
    storm = Storm(workspace, server, draw)
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    end = time.monotonic() + 60 * minutes
    RESUMED.clear()
    with filled(workspace) as numbers:
        try:
            while time.monotonic() < end:
                workspace.keep_running(port)
                time.sleep(draw.uniform(SHORTEST_S, LONGEST_S))
                storm.strike()
                if not open_jobs(workspace, numbers):
                    break
            workspace.keep_running(port)
            wait_for(workspace, numbers, 3600)
        finally:
            workspace.close()
    return storm.counts


def contents(workspace: Workspace) -> dict[str, list[str]]:
    """By table: its rows as texts, without what a clock said, in an order of their own."""
    found = {}
    with workspace.open() as store, store.read() as connection:
        names = dict(connection.execute(sa.select(schema.datasets.c.id, schema.datasets.c.name)).all())
        for of, columns in TABLES.items():
            query = sa.select(*(of.c[name] for name in columns))
            if of is schema.datasets:
                query = query.where(of.c.writing_until.is_(None))
            rows = [[_timeless(value) for value in row] for row in connection.execute(query)]
            found[of.name] = sorted(json.dumps(row, sort_keys=True) for row in rows)
    found["names"] = sorted(names.values())
    return found


def _timeless(value: Any) -> Any:
    if isinstance(value, str) and value[:1] in "{[":
        with suppress(ValueError):
            return _timeless(json.loads(value))
    if isinstance(value, dict):
        return {key: _timeless(inner) for key, inner in value.items() if key not in CLOCKS}
    return [_timeless(inner) for inner in value] if isinstance(value, list) else value


def compare(calm: Workspace, stormy: Workspace) -> list[str]:
    """What is not as it should be: findings of `check`, tables that differ."""
    with stormy.open() as store:
        datasets.sweep(store)
        problems = check(store).findings
    left, right = contents(calm), contents(stormy)
    for name in left:
        if left[name] != right[name]:
            lost, more = set(left[name]) - set(right[name]), set(right[name]) - set(left[name])
            example = next(iter(sorted(lost | more)), "the same rows, another number of times")
            problems.append(f"{name}: {len(lost)} rows lost or changed, {len(more)} others; {example[:600]}")
    return problems


def soak(minutes: float, seed: int, database: str, folder: Path) -> list[str]:
    """One storm over one database; what it left wrong."""
    with ExitStack() as stack:
        server = stack.enter_context(postgres.running()) if database == "postgresql" else None
        calm = Workspace(folder / f"{database}-calm" / "home", None)
        stormy = Workspace(folder / f"{database}-stormy" / "home", server.fresh() if server else None)
        for workspace in (calm, stormy):
            workspace.settings.home.parent.mkdir()
        started = time.monotonic()
        assert calm.run("engine", "setup").wait() == 0, calm.log.read_text()
        if server is None:
            shutil.copytree(calm.settings.home, stormy.settings.home)
        else:
            assert stormy.run("engine", "setup").wait() == 0, stormy.log.read_text()
        undisturbed(calm)
        print(f"{database}: undisturbed in {time.monotonic() - started:.0f} s", flush=True)
        counts = disturbed(stormy, server, minutes, seed)
        survived = f"{counts.total()} faults, {len(RESUMED)} jobs started again by hand"
        print(f"{database}: {survived}: {dict(counts)}", flush=True)
        return compare(calm, stormy)


def main() -> int:
    """Run it; status 1 where anything was lost."""
    global SIZE
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0, help="of the storm over each database")
    parser.add_argument("--seed", type=int, default=0, help="of the faults and their times")
    parser.add_argument("--database", choices=["sqlite", "postgresql", "both"], default="both")
    parser.add_argument("--keep", type=Path, help="a new folder for the workspaces and logs, kept afterwards")
    given = parser.parse_args()
    SIZE = max(1, round(given.minutes / 4))
    wanted = ["sqlite", "postgresql"] if given.database == "both" else [given.database]
    if "postgresql" in wanted and (reason := postgres.missing()):
        print(f"Without PostgreSQL: {reason}.")
        wanted.remove("postgresql")
    with ExitStack() as stack:
        folder = given.keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(exist_ok=True)
        problems = [
            f"{database}: {problem}"
            for database in wanted
            for problem in soak(given.minutes, given.seed, database, folder)
        ]
    print(
        "\n".join(problems)
        or "Nothing was lost: check is clean, and every table is that of the undisturbed run."
    )
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
