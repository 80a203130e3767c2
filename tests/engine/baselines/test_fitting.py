"""Baselines end to end: no leakage, deterministic, saved and loaded, on the stored candidate lists."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from db import candidates as stored_lists
from db import datasets
from db.choices import BASELINES
from db.datasets import DatasetColumns
from db.errors import BadInput, ModelError, NotFound
from db.store import Store
from engine.baselines import fitting, itemknn, sasrec
from engine.baselines.fitting import baseline, learnable
from engine.baselines.ranks import Evaluation, evaluate, run_baseline
from engine.baselines.sasrec_training import Recipe
from engine.baselines.scorer import FitJob, Scorer, visible
from engine.evaluation.metrics import Standing
from engine.evaluation.users import drawn_users
from tests.engine.baselines.shop import ITEMS, LENGTH, cycle_columns, stored
from tests.toys import toy_columns

torch.set_num_threads(1)
SIMPLE = {"users": 12, "seed": 2, "candidates": 8}
EVERY_KIND = pytest.mark.parametrize("kind", BASELINES)


@pytest.fixture(autouse=True)
def _small_recipe(monkeypatch: pytest.MonkeyPatch) -> None:
    def small(loss: str, seed: int) -> Recipe:
        return Recipe(
            loss=loss,
            seed=seed,
            width=16,
            blocks=1,
            longest=8,
            batch=32,
            epochs=4,
            steps=1,
            learning_rate=5e-3,
        )

    monkeypatch.setattr(sasrec, "Recipe", small)


def fitted(columns: DatasetColumns, kind: str, target: str) -> Scorer:
    return baseline(kind).fit(FitJob(kind, columns, learnable(columns, kind, target)))


@EVERY_KIND
@pytest.mark.parametrize("target", ["test", "probe"])
@pytest.mark.parametrize("timestamps", [True, False])
def test_what_is_not_known_yet_changes_no_score(kind: str, target: str, timestamps: bool):
    """Change every interaction from the target's moment on (or everybody's held-out ones): same scores."""
    columns = cycle_columns(40, timestamps=timestamps)
    place = LENGTH - (1 if target == "test" else 2)
    unknown = np.tile(np.arange(LENGTH) >= place, 40)
    changed = replace(columns, item=np.where(unknown, (columns.item + 11) % ITEMS, columns.item))
    # User 0 buys first each day, so exactly the `unknown` purchases are not before the target's moment.
    before = None if columns.timestamp is None else int(columns.timestamp[place])
    history = columns.item[:place].tolist()
    first = fitted(columns, kind, target).scores(history, range(ITEMS), before)
    second = fitted(changed, kind, target).scores(history, range(ITEMS), before)
    np.testing.assert_array_equal(first, second)
    if kind != "bm25":  # what is known does count
        earlier = np.tile(np.arange(LENGTH) == place - 1, 40)
        other = replace(columns, item=np.where(earlier, (columns.item + 11) % ITEMS, columns.item))
        assert not np.array_equal(first, fitted(other, kind, target).scores(history, range(ITEMS), before))


def test_the_scorer_is_given_the_history_before_the_target_and_no_more(store: Store):
    columns = cycle_columns(10)
    dataset = stored(store, columns)
    seen = []

    class Spy:
        def scores(self, history, candidates, before=None):
            seen.append((list(history), before))
            return np.zeros(len(candidates))

    evaluation = evaluate(Spy(), store, dataset, ["u3", "u0"], 8, target="probe")  # type: ignore[arg-type]
    start = 3 * LENGTH
    assert columns.timestamp is not None
    assert seen[0] == (
        columns.item[start : start + LENGTH - 2].tolist(),
        columns.timestamp[start + LENGTH - 2],
    )
    assert evaluation.ranks == {"u3": 4.5, "u0": 4.5}  # equal scores are worth what chance is worth
    assert evaluation.summary()["hr1"]["mean"] == 1 / 8
    assert evaluation.tied == 1


@EVERY_KIND
def test_an_equal_request_gives_equal_ranks_and_json(store: Store, kind: str):
    dataset = stored(store, cycle_columns(40))
    first = run_baseline(store, "shop", kind, **SIMPLE)
    second = json.loads(json.dumps(run_baseline(store, "shop", kind, **SIMPLE), allow_nan=False))
    assert first["ranks"] == second["ranks"]
    assert first["metrics"] == second["metrics"]
    assert first["users"] == len(first["ranks"]) == 12
    low, high = first["metrics"]["ndcg10"]["interval"]
    assert low <= first["metrics"]["ndcg10"]["mean"] <= high
    user = datasets.user(store, dataset.id, next(iter(first["ranks"])))
    assert stored_lists.find(store, dataset.id, user.user, LENGTH - 1, "random", 8, 2) is not None


@EVERY_KIND
def test_a_kept_baseline_is_loaded_and_scores_the_same(
    store: Store, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    stored(store, cycle_columns(40))
    first = run_baseline(store, "shop", kind, folder=tmp_path / "kept", **SIMPLE)
    assert [path.suffix for path in (tmp_path / "kept").iterdir()] == [".safetensors"]

    monkeypatch.delattr(baseline(kind), "fit")  # fitting again would fail
    second = run_baseline(store, "shop", kind, folder=tmp_path / "kept", **SIMPLE)
    assert (first["loaded"], second["loaded"]) == (False, True)
    assert first["ranks"] == second["ranks"]
    assert first["fit"] == second["fit"]


def test_a_damaged_file_and_one_of_another_kind_are_refused(tmp_path: Path):
    path = tmp_path / "it.safetensors"
    path.write_bytes(b"\x80\x04not safetensors")
    with pytest.raises(ModelError, match="cannot be read"):
        itemknn.load(path)
    columns = cycle_columns(10)
    fitted(columns, "popularity", "test").save(path)
    with pytest.raises(ModelError, match="holds popularity, not itemknn"):
        itemknn.load(path)
    with pytest.raises(ModelError, match="cannot be read"):
        itemknn.load(tmp_path / "none.safetensors")


def test_users_without_the_target_are_not_drawn(store: Store):
    columns = toy_columns(users=4, length=2)
    assert drawn_users(columns, 9, 0, "probe") == []
    assert sorted(drawn_users(columns, 9, 0, "test")) == ["u0", "u1", "u2", "u3"]
    stored(store, columns)
    with pytest.raises(BadInput, match="Nobody in 'shop'"):
        run_baseline(store, "shop", "popularity", target="probe")


def test_wrong_requests_are_refused(store: Store):
    stored(store, cycle_columns(10))
    with pytest.raises(BadInput, match="kind is 'svd'; it must be one of popularity, itemknn, bm25"):
        run_baseline(store, "shop", "svd")
    with pytest.raises(BadInput, match="users is 0"):
        run_baseline(store, "shop", "bm25", users=0)
    with pytest.raises(NotFound):
        run_baseline(store, "shopp", "bm25")
    with pytest.raises(BadInput, match="no timestamps"):
        visible(cycle_columns(10, timestamps=False), before=5)


def test_a_model_frozen_at_a_moment_sees_nothing_from_then_on():
    columns = cycle_columns(10)
    assert columns.timestamp is not None
    assert columns.timestamp[visible(columns, before=3 * 86_400)].max() < 3 * 86_400


def test_a_frozen_scorer_is_kept_apart_from_one_that_knows_all(store: Store, tmp_path: Path):
    columns = cycle_columns(40)
    dataset = stored(store, columns)
    whole = fitting.fitted(dataset, columns, "sasrec", folder=tmp_path / "kept")
    frozen = fitting.fitted(dataset, columns, "sasrec", folder=tmp_path / "kept", before=4 * 86_400)
    assert len(list((tmp_path / "kept").iterdir())) == 2
    assert not np.array_equal(whole.scorer.scores([1, 2], range(9)), frozen.scorer.scores([1, 2], range(9)))
    assert fitting.fitted(dataset, columns, "sasrec", folder=tmp_path / "kept", before=4 * 86_400).loaded


def test_measures_are_those_of_the_ranks() -> None:
    assert Evaluation(["a", "b"], [Standing(0), Standing(2)], 0).values("ndcg10").tolist() == [1, 0.5]
