"""Speed of lists of runs: every order, filters, searches and pages over runs made for the purpose."""

import hashlib
import tempfile
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from db import runs
from db.choices import ORDERS
from db.requests import RunRequest
from db.runs import Filter, Run, index, records
from db.schema import run_index
from db.schema import runs as run_table
from db.settings import Settings
from db.store import Store
from engine.benchmarks.store_speed import WORDS, timed
from engine.data.draws import generator

AT_ONCE = 2_000  # runs inserted together
CALLS = 9
BAR_MS = 50.0
DATASETS, MODELS = ("movielens", "games", "beauty"), ("embedded", "smollm2", "qwen")
STRATEGIES = ("none", "random", "bm25", "neighbours", "proximal", "greedy")
SCORINGS, TEMPLATES = ("sum", "calibrated", "listwise"), ("plain", "films", "llmrank-icl")


def run_lists(count: int, url: str | None = None) -> dict[str, Any]:
    """Store so many runs, then time what the page of runs asks; times in milliseconds.

    url: an empty database; by default an SQLite file in a temporary folder.
    """
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        settings = Settings(home=home, database_url=url or f"sqlite:///{home}/dualens.db")
        with Store.open(settings) as store:
            made = synthetic(count)
            while part := list(islice(made, AT_ONCE)):
                _insert(store, part)
            if url:
                with store.write() as connection:
                    connection.execute(sa.text("ANALYZE"))
            rows = _queries(store, count)
            size = None if url else (home / "dualens.db").stat().st_size / 2**20
            return {
                "bench": "runs",
                "database": store.dialect,
                "runs": count,
                "file_mib": size,
                "rows": rows,
                "bars": [_bar(rows, "median_ms", ""), _bar(rows, "cpu_ms", ", of the processor's time")],
            }


def _bar(rows: list[dict[str, Any]], name: str, of: str) -> dict[str, Any]:
    """Whether the slowest query is quick enough."""
    slowest = max(rows, key=lambda row: row[name])
    what = f"milliseconds of the slowest query{of}, {slowest['what']}"
    return {"what": what, "found": slowest[name], "bar": BAR_MS, "holds": slowest[name] <= BAR_MS}


def synthetic(count: int) -> Iterator[Run]:
    """Runs of 20 candidates by 20,000 users, with titles of five words; some have stars, tags and notes."""
    rng = generator(0)
    for number in range(count):
        draws = rng.integers(0, 1 << 30, 12).tolist()
        title = " ".join(WORDS[(draws[0] >> 4 * at) % len(WORDS)] for at in range(5))
        k = draws[1] % 9
        strategy = STRATEGIES[draws[2] % len(STRATEGIES)]
        request = RunRequest(
            DATASETS[draws[3] % 3],
            f"A{draws[4] % 20_000:012d}",
            MODELS[draws[5] % 3],
            demos="none" if strategy == "none" else f"{strategy}:{k}",
            scoring=SCORINGS[draws[6] % 3],
            template=TEMPLATES[draws[7] % 3],
        )
        rank = 1.0 + draws[8] % 20
        yield Run(
            key=hashlib.sha256(str(number).encode()).hexdigest(),
            request=request,
            request_digest=str(number),
            dataset_id=None,
            user_id=request.user,
            model=request.model,
            result=_result(title, rank, draws[9] / (1 << 30), 0 if strategy == "none" else k),
            timings_ms={"prepare": 1.0, "total": draws[10] % 5_000 / 10},
            created_at=1.7e9 + number,
            starred=draws[11] % 50 == 0,
            tags=["good"] if draws[11] % 10 == 1 else [],
            note="look at this one" if draws[11] % 20 == 2 else "",
        )


def _result(title: str, rank: float, draw: float, k: int) -> dict[str, Any]:
    items = [
        {
            "item": f"B{at:09d}",
            "title": f"{title} {at}",
            "rank": at + 1,
            "score": -at * draw,
            "is_target": not at,
        }
        for at in range(20)
    ]
    metrics = {"rank": rank, "ndcg10": 1 / rank, "mrr": 1 / rank}
    return {
        "items": items,
        "zero_shot": items,
        "metrics": {**metrics, "zero_shot": metrics},
        "loss": 3 + draw,
        "loss_zero_shot": 4 + draw,
        "margin": -draw,
        "target": {"item": "B0", "title": title},
        "demonstrations": [{"id": f"d{at}", "text": title * 6, "weight": 1.0} for at in range(k)],
    }


def _insert(store: Store, some: list[Run]) -> None:
    rows = [records.row(run) for run in some]
    narrow = [
        index.row(run.key, run.request, run.result, run.timings_ms, row)
        for run, row in zip(some, rows, strict=True)
    ]
    with store.write() as connection:
        connection.execute(sa.insert(run_table), rows)
        connection.execute(sa.insert(run_index), narrow)


FILTERS = {
    "a model and a strategy": Filter(model="qwen", strategy="bm25"),
    "a tag": Filter(tag="good"),
    "stars of a template": Filter(starred=True, template="films"),
    "one user": Filter(user="A000000000042"),
    "runs with a target": Filter(has_target=True),
    "no run": Filter(dataset="games", model="nothing"),
    "the bin": Filter(deleted=True),
}
SEARCHES = ("zelda", "zelda dragon", "A00000001", "bm25", "look", "zelda qwen games", "no such title")


def _queries(store: Store, count: int) -> list[dict[str, Any]]:
    """Pages in every order, from the beginning, the middle and the end; filters; searches; counts."""
    middle = hashlib.sha256(str(count // 2).encode()).hexdigest()

    def page(wanted: Filter | None = None, order: str = "when", **how: Any) -> list[Callable[[], object]]:
        return [lambda: runs.page(store, wanted or Filter(), order, **how)] * CALLS

    rows = []
    for order, row in ORDERS.items():
        rows.append(timed(f"by {row.label}, first page", page(order=order)))
        rows.append(timed(f"by {row.label}, a page in the middle", page(order=order, after=middle)))
    rows.append(timed("by margin, the page before", page(order="margin", before=middle)))
    for name, wanted in FILTERS.items():
        rows.append(timed(f"{name}, by margin", page(wanted, "margin")))
        rows.append(timed(f"{name}, counted", [lambda wanted=wanted: runs.count(store, wanted)] * CALLS))
    for words in SEARCHES:
        wanted = Filter(search=words)
        rows.append(timed(f"search {words!r}, newest first", page(wanted)))
        rows.append(timed(f"search {words!r}, by margin", page(wanted, "margin")))
        rows.append(
            timed(f"search {words!r}, counted", [lambda wanted=wanted: runs.count(store, wanted)] * CALLS)
        )
    for what in ("dataset", "strategy", "tag"):
        rows.append(timed(f"every {what} there is", [lambda what=what: runs.values(store, what)] * CALLS))
    return rows
