"""Baselines and a model on the same users and lists: the numbers of each alone, in pairs."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from db import datasets
from db.errors import BadInput, NotFound
from db.requests import RunRequest
from db.settings import Settings
from db.store import Store
from engine.baselines import fitting, sasrec
from engine.baselines.sasrec_training import Recipe
from engine.context import Engine
from engine.tasks.compared_baselines import compared
from engine.tasks.hints import known_to, scores_of
from engine.tasks.rank import rank
from tests.engine.baselines.shop import cycle_columns

torch.set_num_threads(1)


@pytest.fixture
def engine(
    store: Store, settings: Settings, model_folder: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> Engine:
    monkeypatch.setattr(
        sasrec,
        "Recipe",
        lambda loss, seed: Recipe(loss=loss, seed=seed, width=8, blocks=1, epochs=2, steps=1),
    )
    columns = cycle_columns(12)
    datasets.insert(store, "shop", columns, kind="generic", source="test", fingerprint="shop", report={})
    made = Engine(store, settings)
    made.register("tiny", str(model_folder("llama")))
    return made


def test_all_rows_are_of_the_same_users_and_lists(engine: Engine) -> None:
    found = compared(
        engine, "shop", ["sasrec", "itemknn"], 5, candidates=8, model="tiny", demos=("none", "neighbours:2")
    )
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert [row["name"] for row in found["rows"]] == ["sasrec", "itemknn", "tiny, none", "tiny, neighbours:2"]
    users = [set(row["ranks"]) for row in found["rows"]]
    assert users == [users[0]] * 4
    assert all(int(user[1:]) >= 6 for user in users[0]), "those whom SASRec may be asked about"
    assert found["users"] == 5
    for row in found["rows"][2:]:
        demos = row["name"].split(", ")[1]
        ranks = {}
        for user in users[0]:
            request = RunRequest("shop", user, "tiny", demos=demos, candidates=8)
            ranks[user] = rank(engine, request).result["metrics"]["rank"]
        assert row["ranks"] == ranks
    means = {row["name"]: row["metrics"]["ndcg10"]["mean"] for row in found["rows"]}
    assert len(found["tests"]) == 6
    for test in found["tests"]:
        expected = means[test["better"]] - means[test["than"]]
        assert test["ndcg10"]["mean"] == pytest.approx(expected)
        assert test["ndcg10"]["p_holm"] >= test["ndcg10"]["p"]
    assert "nothing at or after a target's moment" in found["rule"]


def test_without_what_is_trained_once_everybody_may_be_asked(engine: Engine) -> None:
    found = compared(engine, "shop", ["itemknn", "itemknn-popularity"], 12, candidates=8)
    assert found["users"] == 12
    assert [row["knows"] for row in found["rows"]] == ["purchases before each target's moment"] * 2
    with pytest.raises(BadInput, match="kind is 'svd'"):
        compared(engine, "shop", ["itemknn", "svd"], 12)


def test_what_knows_the_future_of_a_user_gives_them_no_list(engine: Engine) -> None:
    dataset = datasets.get(engine.store, "shop")
    columns = datasets.columns(engine.store, dataset.id)
    fitting.fitted(dataset, lambda: columns, "sasrec", settings=engine.settings)
    assert known_to(engine, dataset, "sasrec", "test") == (
        "purchases before 1970-01-09. Its training did not reach its early stop: 2 epochs are done. With "
        "more it may do better"
    )
    assert known_to(engine, dataset, "itemknn", "test") == "purchases before each target's moment"
    assert scores_of(engine, dataset, "sasrec", "u6", "test", [1, 2, 3]).shape == (3,)
    with pytest.raises(NotFound, match="from after this user's target"):
        scores_of(engine, dataset, "sasrec", "u5", "test", [1, 2, 3])
    assert np.isfinite(scores_of(engine, dataset, "itemknn", "u5", "test", [1, 2, 3])).all()
