"""Lists of runs: filters, every order, pages that neither lose nor repeat a run, and older stores."""

import itertools
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from db import runs
from db.choices import ORDERS
from db.errors import BadInput, NotFound
from db.requests import Chosen, RunRequest
from db.runs import CUSTOM_SET, Filter, Run
from db.store import Store
from tests.db.newer import NEWER
from tests.db.test_runs import keys, make

STRATEGIES = ("bm25:4", "none", "neighbours:2")


def various(number: int) -> Run:
    """Runs with many equal and many missing values."""
    request = RunRequest(
        ("toy", "Games")[number % 2],
        f"u{number % 3}",
        ("embedded", "big")[number % 2],
        demos=STRATEGIES[number % 3],
        scoring=("sum", "listwise")[number % 2],
        template=("plain", "chat")[number // 2 % 2],
    )
    rank = 1.0 + number % 4
    metrics: dict[str, Any] = {"rank": rank, "ndcg10": 1 / rank, "zero_shot": {"rank": 4.0}}
    result = {
        **make().result,
        "metrics": {} if number % 5 == 0 else metrics,
        "margin": None if number % 4 == 1 else -float(number % 3),
        "demonstrations": [{"id": f"d{at}"} for at in range(number % 3)],
    }
    made = {"request": request, "user_id": request.user, "model": request.model, "result": result}
    return make(
        number,
        **made,
        created_at=1000.0 + number // 2,
        starred=number % 4 == 0,
        timings_ms={} if number % 6 == 0 else {"total": 100.0 * (number % 3)},
        tags=["good"] if number % 2 else [],
    )


@pytest.fixture
def many(store: Store) -> list[Run]:
    """Seventeen of them."""
    return [runs.save(store, various(number)) for number in range(17)]


COLUMNS = {
    "when": lambda run: run.created_at,
    "dataset": lambda run: run.dataset,
    "user": lambda run: run.user_id,
    "model": lambda run: run.model,
    "strategy": lambda run: runs_strategy(run),
    "k": lambda run: run.demonstrations,
    "scoring": lambda run: run.request.scoring,
    "template": lambda run: run.request.template,
    "rank": lambda run: run.metrics.get("rank"),
    "margin": lambda run: run.margin,
    "ndcg10": lambda run: run.metrics.get("ndcg10"),
    "seconds": lambda run: run.timings_ms.get("total"),
    "starred": lambda run: run.starred,
}


def runs_strategy(run: runs.RunSummary) -> str:
    return run.request.demos.partition(":")[0]


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("order", ORDERS)
def test_pages_show_every_run_once_in_order_there_and_back(
    store: Store, many: list[Run], order: str, reverse: bool
) -> None:
    listed: list[runs.RunSummary] = []
    last, pages = None, []
    while True:
        page = runs.page(store, order=order, reverse=reverse, limit=5, after=last)
        assert page.before == bool(listed)
        listed += page.runs
        pages.append(keys(page.runs))
        last = page.runs[-1].key
        if not page.behind:
            break
    assert sorted(keys(listed)) == list(range(17))
    values = [COLUMNS[order](run) for run in listed]
    known = [value for value in values if value is not None]
    assert values == known + [None] * (len(values) - len(known)), "what is missing comes last"
    assert known == sorted(known, reverse=ORDERS[order].largest_first != reverse)
    for one, other in itertools.pairwise(listed):
        if order != "when" and COLUMNS[order](one) == COLUMNS[order](other):
            assert one.created_at >= other.created_at, "equal ones newest first"
    for at in range(len(pages) - 1, 0, -1):
        page = runs.page(store, order=order, reverse=reverse, limit=5, before=f"{pages[at][0]:064x}")
        assert keys(page.runs) == pages[at - 1]
        assert (page.before, page.behind) == (at > 1, True)


def test_a_page_stays_where_it_is_when_others_store_and_delete(store: Store, many: list[Run]) -> None:
    first = runs.page(store, limit=4)
    runs.save(store, make(99, created_at=5000.0))
    last = first.runs[-1].key
    assert keys(runs.page(store, limit=4, after=last).runs) == [12, 11, 10, 9]
    runs.delete(store, last)
    assert keys(runs.page(store, limit=4, after=last).runs) == [12, 11, 10, 9]
    assert keys(runs.page(store, limit=2, after="nothing").runs) == [99, 16]
    with pytest.raises(BadInput, match="no order"):
        runs.page(store, order="colour")


def test_filters_narrow_and_are_counted(store: Store, many: list[Run]) -> None:
    wanted = {
        Filter(dataset="Games"): lambda n: n % 2 == 1,
        Filter(user="u2"): lambda n: n % 3 == 2,
        Filter(model="big", starred=False): lambda n: n % 2 == 1,
        Filter(strategy="bm25"): lambda n: n % 3 == 0,
        Filter(template="chat"): lambda n: n // 2 % 2 == 1,
        Filter(tag="good"): lambda n: n % 2 == 1,
        Filter(starred=True): lambda n: n % 4 == 0,
        Filter(has_target=True): lambda n: n % 5 != 0,
        Filter(has_target=False): lambda n: n % 5 == 0,
        Filter(with_demonstrations=True): lambda n: n % 3 != 0,
        Filter(deleted=True): lambda n: False,
        Filter(search="games u1", starred=True): lambda n: False,
    }
    for narrowed, holds in wanted.items():
        expected = [number for number in range(16, -1, -1) if holds(number)]
        assert sorted(keys(runs.listing(store, narrowed)), reverse=True) == expected, narrowed
        assert runs.count(store, narrowed) == len(expected), narrowed


def test_what_there_is_to_filter_by(store: Store, many: list[Run]) -> None:
    chosen = RunRequest("toy", "u1", demonstrations=(Chosen("d1"),))
    runs.save(store, make(20, request=chosen, tags=["x", "a"]))
    there = {
        "dataset": ["Games", "toy"],
        "model": ["big", "embedded"],
        "strategy": ["bm25", CUSTOM_SET, "neighbours", "none"],
        "template": ["chat", "plain"],
        "tag": ["a", "good", "x"],
    }
    assert {what: runs.values(store, what) for what in there} == there
    assert keys(runs.listing(store, Filter(strategy=CUSTOM_SET))) == [20]
    runs.delete(store, f"{20:064x}")
    assert runs.values(store, "tag") == ["good"]


def test_a_tag_is_found_whole_whatever_it_holds(store: Store) -> None:
    tags = ['a"b', "b", "x,b", '["b', "100%", "_", "<b>", "'; DROP TABLE runs"]
    for number, tag in enumerate(tags):
        runs.save(store, make(number, tags=[tag, "z"]))
    for number, tag in enumerate(tags):
        assert keys(runs.listing(store, Filter(tag=tag))) == [number], tag
    assert runs.values(store, "tag") == sorted([*tags, "z"])


def test_notes_and_deleting_reach_the_index(store: Store) -> None:
    one, two = (runs.save(store, make(number)).key for number in (1, 2))
    runs.annotate(store, one, note="look here", tags=["t"], starred=True)
    assert keys(runs.listing(store, Filter(tag="t", starred=True, search="look"))) == [1]
    runs.delete(store, one, two)
    assert runs.count(store) == 0
    assert sorted(keys(runs.listing(store, Filter(deleted=True)))) == [1, 2]
    runs.delete(store, one)  # somebody else had done so
    runs.restore(store, two)
    runs.restore(store, two)
    assert keys(runs.listing(store)) == [2]
    assert keys(runs.listing(store, Filter(deleted=True, tag="t"))) == [1]
    with pytest.raises(NotFound):
        runs.delete(store, two, "other")
    assert keys(runs.listing(store)) == [2], "all or none"


def test_purging_removes_only_what_is_deleted(store: Store) -> None:
    one, two = (runs.save(store, make(number)).key for number in (1, 2))
    runs.save_effects(store, one, "e1", {}, {"measure": "margin"}, {})
    runs.delete(store, one)
    runs.purge(store, one, two, "other")
    assert runs.find_effects(store, "e1") is None
    assert runs.count(store, Filter(deleted=True)) == 0
    assert keys(runs.listing(store)) == [2]
    with pytest.raises(NotFound):
        runs.restore(store, one)
    assert not runs.save(store, make(1)).cached


def test_an_older_store_gets_the_index(store: Store, many: list[Run]) -> None:
    runs.annotate(store, many[3].key, note="mine", tags=["t"], starred=True)
    runs.delete(store, many[4].key)
    kept = sa.text("SELECT * FROM run_index ORDER BY run_key")
    with store.read() as connection:
        before = [tuple(row) for row in connection.execute(kept)]
    with store.write() as connection:
        for table in NEWER:
            connection.execute(sa.text(f"DROP TABLE {table}"))
        for column in ("layer", "layer_of"):
            connection.execute(sa.text(f"ALTER TABLE datasets DROP COLUMN {column}"))
        damaged = "UPDATE runs SET result = '{' WHERE key = :key"
        connection.execute(sa.text(damaged), {"key": many[16].key})
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '0008'"))
    with Store.open(store.settings) as newer, newer.read() as connection:
        after = [tuple(row) for row in connection.execute(kept)]
    assert after[:-1] == before[:-1]
    assert after[-1][1] == many[16].key, "a damaged run hides no other one"


def test_a_run_that_comes_back_is_listed_once(store: Store) -> None:
    run = runs.save(store, make())
    runs.delete(store, run.key)
    runs.save(store, replace(run, note="other"))
    assert [each.note for each in runs.listing(store)] == [""]
