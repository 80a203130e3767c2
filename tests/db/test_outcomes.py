"""How often demonstrations helped: counted over the users that studies measured last, and read cheaply."""

from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import event

from db import datasets, jobs, models, outcomes
from db.datasets import DatasetInfo
from db.jobs import BACKGROUND
from db.models import ModelInfo
from db.outcomes import MOST_USERS, Outcomes
from db.store import Store

MODEL = ModelInfo("embedded", "models/embedded", "r1", "LlamaForCausalLM", 9, 2048)


@pytest.fixture
def model(store: Store) -> ModelInfo:
    """A registered model."""
    models.register(store, MODEL)
    return MODEL


def study(store: Store, turned: dict[str, str] | None, **asked: Any) -> int:
    """A finished study of strategies; its number."""
    request = {"study": "strategies", "dataset": "toy", "model": "embedded", "seed": 0, **asked}
    job = jobs.submit(store, "study", request, BACKGROUND)
    assert jobs.claim(store, "me", job_id=job.id)
    result = {"best": "bm25", "model": {"model": "embedded", "revision": "r1"}}
    jobs.finish(store, job.id, "me", {**result, **({"turned": turned} if turned is not None else {})})
    return job.id


def test_nothing_measured(store: Store, toy: DatasetInfo, model: ModelInfo) -> None:
    assert outcomes.newest(store) == 0
    assert outcomes.measured(store, toy, model, "bm25") is None
    study(store, None)  # by an earlier version
    assert outcomes.measured(store, toy, model, "bm25") is None


def test_one_study(store: Store, toy: DatasetInfo, model: ModelInfo) -> None:
    number = study(store, {"bm25": "++-=", "neighbours": "----"})
    assert outcomes.newest(store) == number
    assert outcomes.measured(store, toy, model, "bm25") == Outcomes("bm25", 2, 1, 1, (number,))
    assert outcomes.measured(store, toy, model, "neighbours") == Outcomes("neighbours", 0, 4, 0, (number,))
    assert outcomes.measured(store, toy, model, "custom") == Outcomes("bm25", 2, 1, 1, (number,)), "the best"


def test_the_newest_users_count_and_no_user_of_a_seed_twice(
    store: Store, toy: DatasetInfo, model: ModelInfo
) -> None:
    old = study(store, {"bm25": "-" * MOST_USERS}, seed=1)
    study(store, {"bm25": "=" * 90}, seed=2)
    again = study(store, {"bm25": "+" * 150}, seed=2, users=150)
    found = outcomes.measured(store, toy, model, "bm25")
    assert found == Outcomes("bm25", 150, MOST_USERS - 150, 0, (again, old))
    assert found is not None
    assert found.users == MOST_USERS


@pytest.mark.parametrize(
    "asked",
    [{"dataset": "other"}, {"model": "other"}, {"study": "drift"}],
    ids=lambda asked: next(iter(asked)),
)
def test_what_is_of_something_else_does_not_count(
    store: Store, toy: DatasetInfo, model: ModelInfo, asked: dict[str, str]
) -> None:
    study(store, {"bm25": "+"}, **asked)
    assert outcomes.measured(store, toy, model, "bm25") is None


def test_studies_of_replaced_models_and_data_do_not_count(
    store: Store, toy: DatasetInfo, model: ModelInfo
) -> None:
    study(store, {"bm25": "+"})
    assert outcomes.measured(store, toy, ModelInfo(**{**vars(MODEL), "revision": "r2"}), "bm25") is None
    with store.write() as connection:
        connection.execute(sa.text("UPDATE datasets SET created_at = created_at + 1000"))
    assert outcomes.measured(store, datasets.get(store, "toy"), model, "bm25") is None


def test_it_reads_few_rows_whatever_else_was_done(store: Store, toy: DatasetInfo, model: ModelInfo) -> None:
    """Rankings fill the table of jobs: they are passed by, by an index."""
    if store.dialect != "sqlite":
        pytest.skip("the plan of SQLite")
    asked: list[str] = []
    event.listen(store._engine, "before_cursor_execute", lambda *call: asked.append(call[2]))
    study(store, {"bm25": "+"})
    asked.clear()
    outcomes.newest(store)
    outcomes.measured(store, toy, model, "bm25")
    with store.read() as connection:
        for query in [each for each in asked if each.startswith("SELECT") and "FROM jobs" in each]:
            values = ("COMPLETED", BACKGROUND, "study", 50, 0)[: query.count("?")]
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}", values).all()
            assert "SCAN" not in str(plan), plan
