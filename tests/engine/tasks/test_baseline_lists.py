"""Conventional recommenders beside a run: its own candidates in another order, nothing fitted by surprise."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from db import datasets
from db.choices import COPIES, OTHER_LISTS
from db.requests import Chosen, RunRequest
from db.settings import Settings
from db.store import Store
from engine.context import Engine
from engine.jobs import handlers
from engine.progress import quiet
from engine.tasks.hints import scores_of
from engine.tasks.rank import rank
from tests.toys import toy_columns

torch.set_num_threads(1)


@pytest.fixture
def engine(store: Store, settings: Settings, model_folder: Callable[..., Path]) -> Engine:
    columns = toy_columns(users=12, items=30, length=8)
    datasets.insert(store, "toy", columns, kind="generic", source="test", fingerprint="toy", report={})
    made = Engine(store, settings)
    made.register("tiny", str(model_folder("llama")))
    return made


def test_peers_rank_the_runs_candidates_by_their_own_scores(engine: Engine) -> None:
    run = rank(engine, RunRequest(dataset="toy", user="u8", model="tiny", candidates=10))
    lists = {
        one["name"]: one for one in handlers.baseline_lists_job(engine, {"run": run.key}, quiet)["lists"]
    }
    assert list(lists) == list(OTHER_LISTS)
    wanted = sorted(row["item"] for row in run.result["items"])
    for name in ("itemknn", "bm25", "popularity"):
        items = lists[name]["items"]
        assert sorted(row["item"] for row in items) == wanted
        assert [row["rank"] for row in items] == list(range(1, 11))
        scores = [row["score"] for row in items]
        assert scores == sorted(scores, reverse=True)
        assert [row["item"] for row in items if row["is_target"]] == [run.result["target"]["item"]]
        assert items == sorted(items, key=lambda row: (-row["score"], row["item"]))
        own = next(row["score"] for row in items if row["is_target"])
        above, level = sum(score > own for score in scores), scores.count(own)
        assert (lists[name]["tied"], lists[name]["rank"]) == (level - 1, above + (level + 1) / 2)
    offered = [int(row["item"][1:]) for row in lists["itemknn"]["items"]]
    again = scores_of(engine, datasets.get(engine.store, "toy"), "itemknn", "u8", "test", offered)
    assert again.tolist() == [row["score"] for row in lists["itemknn"]["items"]]


def test_what_must_be_trained_first_is_named_and_not_trained(engine: Engine) -> None:
    run = rank(engine, RunRequest(dataset="toy", user="u8", model="tiny", candidates=10))
    lists = {
        each["name"]: each for each in handlers.baseline_lists_job(engine, {"run": run.key}, quiet)["lists"]
    }
    for name in ("sasrec", "sasrec-scaled"):
        assert "has not been fitted" in lists[name]["missing"]
        assert "items" not in lists[name]


def test_copies_count_the_run_s_own_demonstrations_at_their_weights(engine: Engine) -> None:
    plain = RunRequest(dataset="toy", user="u8", model="tiny", candidates=10, demos="none")
    [first, *_] = rank(engine, replace(plain, demos="neighbours:1")).result["demonstrations"]
    offered = [row["item"] for row in rank(engine, plain).result["items"]]
    assert all("no demonstrations" in each["missing"] for each in copied(engine, plain).values())
    weighted = replace(plain, demonstrations=(Chosen(first["id"], 2.0),))
    lists = copied(engine, weighted)
    for name, items in {
        "copy": [first["answer"]["item"]],
        "copy-histories": [row["item"] for row in (*first["history"], first["answer"])],
    }.items():
        scores = {row["item"]: row["score"] for row in lists[name]["items"]}
        assert scores == {item: 2.0 * items.count(item) for item in offered}


def copied(engine: Engine, request: RunRequest) -> dict[str, Any]:
    """The copies beside the run of a request, by name."""
    found = handlers.baseline_lists_job(engine, {"run": rank(engine, request).key}, quiet)["lists"]
    return {each["name"]: each for each in found if each["name"] in COPIES}


def test_the_whole_catalogue_as_a_job(engine: Engine) -> None:
    request = RunRequest(dataset="toy", user="u8", model="tiny", scoring="sum").to_json()
    found = handlers.catalogue_job(engine, {"request": request, "top": 5}, quiet)
    assert len(found["items"]) == 5
    assert len(found["zero_shot"]) == 5
