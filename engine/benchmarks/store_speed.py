"""Speed of the store: insertion, histories, search and claims of jobs, on purchases drawn at random."""

import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from db import datasets, jobs
from db.datasets import DatasetColumns, DatasetInfo
from db.settings import Settings
from db.store import Store
from engine.data.draws import generator

INTERACTIONS = 440_264  # as many as Amazon Video Games has after 5-core filtering
WORDS = ("red", "old", "new", "lost", "last", "dark", "star", "moon", "dragon", "party", "world", "zelda")


def store_speed(
    interactions: int, users: int | None = None, items: int | None = None, url: str | None = None
) -> dict[str, Any]:
    """Insert so many interactions, then time reads and jobs; times in milliseconds, memory in MiB.

    users, items: by default an eighth of the interactions, and a fifth of that. url: a database; by default
    an SQLite file in a temporary folder.
    """
    users = users or max(1, interactions // 8)
    items = items or max(100, users // 5)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        columns = synthetic(interactions, users, items)
        settings = Settings(home=home, database_url=url or f"sqlite:///{home}/dualens.db")
        with Store.open(settings) as store:
            memory, started, busy = Memory(), time.perf_counter(), time.process_time()
            info = datasets.insert(
                store, "synthetic", columns, kind="synthetic", source="", fingerprint="synthetic", report={}
            )
            insert_s, cpu_s = time.perf_counter() - started, time.process_time() - busy
            peak = memory.peak()
            size = None if url else (home / "dualens.db").stat().st_size / 2**20
            del columns
            return {
                "bench": "store",
                "database": store.dialect,
                "interactions": info.interactions,
                "users": users,
                "items": items,
                "insert_s": insert_s,
                "insert_cpu_s": cpu_s,
                "memory_before_mib": memory.before,
                "memory_peak_mib": peak,
                "file_mib": size,
                "rows": [*_reads(store, info), *_jobs(store)],
            }


def synthetic(interactions: int, users: int, items: int) -> DatasetColumns:
    """Purchases with a popular head, sorted by user and time; titles of five words."""
    rng = generator(0)
    user = np.sort(rng.integers(0, users, interactions, dtype=np.int32))
    item = (items * rng.random(interactions, dtype=np.float32) ** 3).astype(np.int32)
    start = np.searchsorted(user, np.arange(users))
    position = np.arange(interactions) - start[user]
    picks = rng.integers(0, len(WORDS), (items, 5)).tolist()
    return DatasetColumns(
        item_ids=[f"B{number:09d}" for number in range(items)],
        titles=[f"{' '.join(WORDS[pick] for pick in row)} {number}" for number, row in enumerate(picks)],
        categories=["Games"] * items,
        brands=[None] * items,
        attributes=None,
        user_ids=[f"A{number:012d}" for number in range(users)],
        user=user,
        item=np.minimum(item, items - 1),
        timestamp=1_300_000_000 + 86_400 * position.astype(np.int64),
        rating=rng.integers(1, 6, interactions).astype(np.float32),
        tie=np.zeros(users, dtype=bool),
    )


class Memory:
    """Resident memory in MiB: when the object was created, and its maximum since."""

    def __init__(self) -> None:
        # Linux resets the peak on request; elsewhere it is that of the whole process.
        forget = Path("/proc/self/clear_refs")
        if forget.exists():
            forget.write_text("5")
        self.before = self.peak()

    @staticmethod
    def peak() -> float:
        status = Path("/proc/self/status")
        if not status.exists():
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        marks = [line for line in status.read_text().splitlines() if line.startswith("VmHWM")]
        return int(marks[0].split()[1]) / 1024


def timed(what: str, calls: list[Callable[[], object]]) -> dict[str, Any]:
    """The median and the 95th percentile of these calls in milliseconds, and the median of the processor
    time, which depends less on what else the machine does."""
    took, busy = [], []
    for call in calls:
        started, before = time.perf_counter(), time.process_time()
        call()
        took.append(1000 * (time.perf_counter() - started))
        busy.append(1000 * (time.process_time() - before))
    p95 = sorted(took)[int(0.95 * (len(took) - 1))]
    medians = {"median_ms": statistics.median(took), "cpu_ms": statistics.median(busy)}
    return {"what": what, **medians, "p95_ms": p95, "calls": len(calls)}


def _reads(store: Store, info: DatasetInfo) -> list[dict[str, Any]]:
    """Histories, windows, occurrences and searches at random places."""
    rng = generator(1)
    people = rng.integers(0, info.users, 200).tolist()
    items = rng.integers(0, info.items, 200).tolist()
    spans = [(user, 0, 6) for user in rng.integers(0, info.users, 1000).tolist()]

    def found_by(search: str) -> Callable[[], object]:
        return lambda: datasets.users(store, info.id, search)

    return [
        timed("history", [lambda user=user: datasets.history(store, info.id, user) for user in people]),
        timed("windows, 1000 of 6", [lambda: datasets.windows(store, info.id, spans)] * 5),
        timed(
            "occurrences, 10 items",
            [
                lambda at=at: datasets.occurrences(store, info.id, items[at : at + 10], seed=at)
                for at in range(20)
            ],
        ),
        timed(
            "occurrences, the 10 most popular items",
            [lambda: datasets.occurrences(store, info.id, range(10))] * 5,
        ),
        *(
            timed(f"users, search {search!r}", [found_by(search)] * 5)
            for search in ("", "A00000001", "zelda dragon", "zelda", "no such title")
        ),
        timed(
            "random user",
            [lambda seed=seed: datasets.random_user(store, info.id, seed, 5) for seed in range(5)],
        ),
        timed("catalogue", [lambda: datasets.catalogue(store, info.id)] * 3),
    ]


def _jobs(store: Store) -> list[dict[str, Any]]:
    """File, claim, renew and finish 200 jobs."""
    claimed: list[int] = []

    def claim() -> None:
        job = jobs.claim(store, "benchmark")
        assert job is not None
        claimed.append(job.id)

    def renew(job_id: int) -> Callable[[], object]:
        return lambda: jobs.heartbeat(store, job_id, "benchmark", 0.5, "half")

    def finish(job_id: int) -> Callable[[], object]:
        return lambda: jobs.finish(store, job_id, "benchmark", {"n": job_id})

    return [
        timed("submit", [lambda n=n: jobs.submit(store, "rank", {"n": n}) for n in range(200)]),
        timed("claim", [claim] * 200),
        timed("heartbeat", [renew(job_id) for job_id in claimed]),
        timed("finish", [finish(job_id) for job_id in claimed]),
        timed("claim, nothing to do", [lambda: jobs.claim(store, "benchmark")] * 50),
    ]
