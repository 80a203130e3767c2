"""Speed of the store: insertion, histories, search, claims. Prints numbers, asserts nothing.

python -m tests.benchmarks.store                      # the size of Amazon Video Games
python -m tests.benchmarks.store --interactions 10000000
python -m tests.benchmarks.store --url postgresql://...
"""

import argparse
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from db import datasets, jobs
from db.datasets import DatasetColumns, DatasetInfo
from db.settings import Settings
from db.store import Store

WORDS = ("red", "old", "new", "lost", "last", "dark", "star", "moon", "dragon", "party", "world", "zelda")


def synthetic(interactions: int, users: int, items: int, seed: int = 0) -> DatasetColumns:
    """Purchases with a popular head, sorted by user and time; titles of five words."""
    rng = np.random.default_rng(seed)
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
    """Resident memory in MiB since the object was made: where it stood, and its highest since."""

    def __init__(self) -> None:
        # Linux forgets the highest mark on request; elsewhere it is that of the whole process.
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


def timed(what: str, calls: list[Callable[[], object]]) -> None:
    """Print the median and the 95th percentile of these calls in milliseconds."""
    took = []
    for call in calls:
        begin = time.perf_counter()
        call()
        took.append(1000 * (time.perf_counter() - begin))
    late = sorted(took)[int(0.95 * (len(took) - 1))]
    print(f"{what:<44} median {statistics.median(took):8.2f} ms   p95 {late:8.2f} ms")


def measure_reads(store: Store, info: DatasetInfo) -> None:
    """Histories, windows, occurrences and searches at random places."""
    rng = np.random.default_rng(1)
    people = rng.integers(0, info.users, 200).tolist()
    items = rng.integers(0, info.items, 200).tolist()
    timed("history", [lambda user=user: datasets.history(store, info.id, user) for user in people])
    spans = [(user, 0, 6) for user in rng.integers(0, info.users, 1000).tolist()]
    timed("windows, 1000 of 6", [lambda: datasets.windows(store, info.id, spans)] * 5)
    timed(
        "occurrences, 10 items",
        [
            lambda at=at: datasets.occurrences(store, info.id, items[at : at + 10], seed=at)
            for at in range(20)
        ],
    )
    timed(
        "occurrences, the 10 most popular items",
        [lambda: datasets.occurrences(store, info.id, range(10))] * 5,
    )
    for search in ("", "A00000001", "zelda dragon", "zelda", "no such title"):
        timed(f"users, search {search!r}", [lambda search=search: datasets.users(store, info.id, search)] * 5)
    timed(
        "random user", [lambda seed=seed: datasets.random_user(store, info.id, seed, 5) for seed in range(5)]
    )
    timed("catalogue", [lambda: datasets.catalogue(store, info.id)] * 3)


def measure_jobs(store: Store) -> None:
    """File, claim, renew and finish 200 jobs."""
    timed("submit", [lambda n=n: jobs.submit(store, "rank", {"n": n}) for n in range(200)])
    claimed: list[int] = []

    def claim() -> None:
        job = jobs.claim(store, "benchmark")
        assert job is not None
        claimed.append(job.id)

    timed("claim", [claim] * 200)
    timed("heartbeat", [lambda n=n: jobs.heartbeat(store, n, "benchmark", 0.5, "half") for n in claimed])
    timed("finish", [lambda n=n: jobs.finish(store, n, "benchmark", {"n": n}) for n in claimed])
    timed("claim, nothing to do", [lambda: jobs.claim(store, "benchmark")] * 50)


def main() -> None:
    """Measure one size on one database."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("--interactions", type=int, default=440_264)
    options.add_argument("--users", type=int)
    options.add_argument("--items", type=int)
    options.add_argument("--url", help="database URL; a SQLite file in a temporary folder if left out")
    chosen = options.parse_args()
    users = chosen.users or max(1, chosen.interactions // 8)
    items = chosen.items or max(100, users // 5)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        url = chosen.url or f"sqlite:///{home}/dualens.db"
        columns = synthetic(chosen.interactions, users, items)
        with Store.open(Settings(home=home, database_url=url)) as store:
            memory, begin, busy = Memory(), time.perf_counter(), time.process_time()
            info = datasets.insert(
                store, "synthetic", columns, kind="synthetic", source="", fingerprint="synthetic", report={}
            )
            took, cpu = time.perf_counter() - begin, time.process_time() - busy
            print(f"{info.interactions:,} interactions, {users:,} users, {items:,} items on {store.dialect}")
            print(f"insert {took:.2f} s, of which CPU {cpu:.2f} s")
            print(f"memory {memory.before:.0f} MiB before, {memory.peak():.0f} MiB at most")
            if not chosen.url:
                print(f"database file {(home / 'dualens.db').stat().st_size / 2**20:.0f} MiB")
            del columns
            measure_reads(store, info)
            measure_jobs(store)


if __name__ == "__main__":
    main()
