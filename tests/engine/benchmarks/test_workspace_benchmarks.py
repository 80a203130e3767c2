"""Benchmarks that read a workspace or make a store: what they report adds up. Times are never asserted."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from db import datasets
from db.choices import ORDERS
from db.errors import BadInput
from db.requests import RunRequest
from db.settings import Settings
from db.store import Store
from engine.benchmarks.catalogue_search import catalogue_search
from engine.benchmarks.giving_way import giving_way
from engine.benchmarks.method_gains import method_gains
from engine.benchmarks.run_lists import run_lists
from engine.benchmarks.store_speed import store_speed
from engine.context import Engine
from engine.evaluation.users import drawn_users
from engine.tasks.rank import rank
from engine.tasks.setup import register_embedded
from tests.toys import toy_columns


def silent(message: str) -> None:
    """Progress for nobody."""


@pytest.fixture
def engine(store: Store, settings: Settings) -> Engine:
    columns = toy_columns(users=12, items=30, length=8)
    datasets.insert(store, "toy", columns, kind="generic", source="test", fingerprint="toy", report={})
    return Engine(store, settings)


def test_a_search_as_wide_as_the_catalogue_finds_the_list_of_all_titles_scored_alone(
    engine: Engine, model_folder: Callable[..., Path]
) -> None:
    engine.register("tiny", str(model_folder("llama")))
    report = catalogue_search(engine, "toy", "tiny", "neighbours:2", 2, [1, 100], True, silent)
    assert (report["titles"], report["users"]) == (30, 2)
    assert [checked["equals_all_titles_scored"] for checked in report["checked"]] == [True, True]
    narrow, wide = report["rows"]
    assert narrow["recall"] <= wide["recall"] == wide["least_recall"] == 1.0
    assert (wide["first_found"], wide["proven"]) == (2, 2)
    assert wide["request_s"]["total"] > 0


def test_gains_of_methods_are_those_of_the_runs_they_rank(engine: Engine) -> None:
    register_embedded(engine)
    report = method_gains(engine, "toy", "embedded", "neighbours:2", 2, 3, ["ridge:0.5"], False, silent)
    plain, ridge = report["rows"]
    assert (plain["method"], plain["difference"], plain["p"]) == ("plain", None, None)
    assert ridge["difference"] == pytest.approx(ridge["ndcg10"] - plain["ndcg10"])
    users = drawn_users(toy_columns(users=12, items=30, length=8), 2, 3)
    requests = [RunRequest("toy", user, demos="neighbours:2", seed=3) for user in users]
    losses = [rank(engine, request).result["loss"] for request in requests]
    assert plain["loss"] == pytest.approx(sum(losses) / 2)


def test_methods_that_do_not_exist_and_users_who_disliked_nothing_are_refused(engine: Engine) -> None:
    with pytest.raises(BadInput, match="Unknown method 'ridge'; the methods are ridge:0"):
        method_gains(engine, "toy", "embedded", "neighbours:2", 2, 0, ["ridge"], False, silent)
    liked = replace(toy_columns(), rating=np.full(25, 5, np.float32))
    datasets.insert(engine.store, "liked", liked, kind="generic", source="", fingerprint="l", report={})
    register_embedded(engine)
    with pytest.raises(BadInput, match="No user of 'liked' can be ranked"):
        method_gains(engine, "liked", "embedded", "neighbours:2", 2, 0, ["negatives:0.5"], True, silent)


def test_the_store_is_measured_at_the_size_asked_for() -> None:
    report = store_speed(500, users=50)
    assert (report["interactions"], report["users"], report["items"]) == (500, 50, 100)
    assert report["database"] == "sqlite"
    names = {row["what"] for row in report["rows"]}
    assert {"history", "catalogue", "claim", "finish"} <= names
    assert all(row["median_ms"] <= row["p95_ms"] for row in report["rows"] if row["calls"] > 20)


def test_lists_of_runs_are_measured_in_every_order() -> None:
    report = run_lists(60)
    assert (report["runs"], report["database"]) == (60, "sqlite")
    names = {row["what"] for row in report["rows"]}
    assert {f"by {row.label}, first page" for row in ORDERS.values()} <= names
    assert [bar["bar"] for bar in report["bars"]] == [50, 50]


def test_rankings_are_measured_beside_longer_work() -> None:
    found = giving_way(1.0, ["optimize"], silent)
    assert [row["beside"] for row in found["rows"]] == ["nothing", "optimize"]
    assert all(row["rankings"] and row["longest_s"] >= row["median_s"] > 0 for row in found["rows"])
