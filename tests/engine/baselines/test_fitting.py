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
from db.settings import Settings
from db.store import Store
from engine.baselines import fitting, sasrec, saved
from engine.baselines.fitting import baseline, knows, learnable, limit_hit, trained_until
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
    """Change every interaction from the target's moment on (or everybody's held-out ones): same scores.

    The user is the first whom what is trained once may be asked about.
    """
    columns = cycle_columns(40, timestamps=timestamps)
    place = LENGTH - (1 if target == "test" else 2)
    row = 20 * LENGTH + place  # users buy one after the other each day
    before, unknown = None, np.tile(np.arange(LENGTH) >= place, 40)
    if columns.timestamp is not None:
        before = int(columns.timestamp[row])
        unknown = columns.timestamp >= before
        assert trained_until(columns, kind, target) in (None, before)
    changed = replace(columns, item=np.where(unknown, (columns.item + 11) % ITEMS, columns.item))
    history = columns.item[row - place : row].tolist()
    first = fitted(columns, kind, target).scores(history, range(ITEMS), before)
    second = fitted(changed, kind, target).scores(history, range(ITEMS), before)
    np.testing.assert_array_equal(first, second)
    if kind != "bm25":  # what is known does count
        earlier = np.tile(np.arange(LENGTH) == place - 1, 40)
        other = replace(columns, item=np.where(earlier, (columns.item + 11) % ITEMS, columns.item))
        assert not np.array_equal(first, fitted(other, kind, target).scores(history, range(ITEMS), before))


def test_what_is_trained_once_is_asked_only_about_targets_from_its_moment_on(store: Store):
    columns = cycle_columns(40)
    stored(store, columns)
    assert columns.timestamp is not None
    until = trained_until(columns, "sasrec")
    assert until == columns.timestamp[20 * LENGTH + LENGTH - 1]
    found = run_baseline(store, "shop", "sasrec", users=40, candidates=8)
    assert sorted(found["ranks"]) == sorted(f"u{user}" for user in range(20, 40))
    assert found["fitted_on"] == "purchases before 1970-01-09"
    assert "only users whose target is at or after it" in found["rule"]
    assert len(run_baseline(store, "shop", "itemknn", users=40, candidates=8)["ranks"]) == 40
    assert drawn_users(columns, 40, 0, "test", until) == list(found["ranks"])


@pytest.mark.parametrize("kind", ["sasrec", "itemknn", "itemknn-popularity", "popularity"])
def test_a_purchase_of_the_targets_own_moment_is_not_known(kind: str):
    """Everybody buys at the same moments: what others bought then is no news from before."""
    columns = cycle_columns(40)
    assert columns.timestamp is not None
    same = replace(columns, timestamp=columns.timestamp // 86_400 * 86_400)
    assert same.timestamp is not None
    moment, row = int(same.timestamp[LENGTH - 1]), 20 * LENGTH + LENGTH - 1
    changed = replace(
        same, item=np.where(same.timestamp >= moment, (same.item + 11) % ITEMS, same.item).astype(np.int32)
    )
    history = same.item[row - LENGTH + 1 : row].tolist()
    scores = [fitted(one, kind, "test").scores(history, range(ITEMS), moment) for one in (same, changed)]
    np.testing.assert_array_equal(*scores)


@pytest.mark.parametrize("kind", ["itemknn", "bm25"])
def test_popularity_breaks_ties_and_nothing_else(kind: str):
    columns = cycle_columns(40)
    history, before = [3, 16, 9], 5 * 86_400
    plain, bought, broken = (
        fitted(columns, name, "test").scores(history, range(ITEMS), before)
        for name in (kind, "popularity", f"{kind}-popularity")
    )
    assert len(np.unique(plain)) < len(np.unique(broken)), "there were ties, and some are broken"
    for one in range(ITEMS):
        for other in range(ITEMS):
            expected = (plain[one], bought[one]) > (plain[other], bought[other])
            assert (broken[one] > broken[other]) == expected


def test_what_each_knows_is_said():
    assert knows("bm25", True) == "the catalogue's titles"
    assert knows("itemknn", True) == "purchases before each target's moment"
    assert knows("sasrec", True, until=86_400 * 365) == "purchases before 1971-01-01"
    assert knows("sasrec", False, "probe") == "all purchases but the last two of each user"


def test_a_training_that_a_limit_ended_is_named(store: Store, tmp_path: Path):
    stored(store, cycle_columns(40))
    hurried = run_baseline(
        store, "shop", "sasrec", users=6, candidates=8, settings=Settings(home=tmp_path), minutes=1e-9
    )
    assert hurried["notes"] == [
        "Its training did not reach its early stop: 1e-09 minutes are over. With more it may do better."
    ]
    capped = run_baseline(store, "shop", "sasrec", users=6, candidates=8, seed=1)
    assert "4 epochs are done" in capped["notes"][0]
    assert run_baseline(store, "shop", "itemknn", users=6, candidates=8)["notes"] == []
    scorer = fitting.loaded(next(tmp_path.rglob("*.safetensors")), "sasrec")
    scorer.report["stopped_because"] = "no better validation for 5 epochs"  # type: ignore[attr-defined]
    assert limit_hit(scorer) == ""


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
    first = run_baseline(store, "shop", kind, settings=Settings(home=tmp_path / "kept"), **SIMPLE)
    assert {path.suffix for path in (tmp_path / "kept").rglob("*.*")} <= {".safetensors", ".lock"}

    monkeypatch.delattr(baseline(kind), "fit")  # fitting again would fail
    second = run_baseline(store, "shop", kind, settings=Settings(home=tmp_path / "kept"), **SIMPLE)
    assert (first["loaded"], second["loaded"]) == (False, True)
    assert first["ranks"] == second["ranks"]
    assert first["fit"] == second["fit"]


def test_a_damaged_file_and_one_of_another_kind_are_refused(tmp_path: Path):
    path = tmp_path / "it.safetensors"
    path.write_bytes(b"\x80\x04not safetensors")
    with pytest.raises(ModelError, match="cannot be read"):
        saved.read(path, "itemknn")
    columns = cycle_columns(10)
    saved.write(path, "popularity", fitted(columns, "popularity", "test").kept())
    with pytest.raises(ModelError, match="holds popularity, not itemknn"):
        saved.read(path, "itemknn")
    with pytest.raises(ModelError, match="cannot be read"):
        saved.read(tmp_path / "none.safetensors", "itemknn")


def test_users_without_the_target_are_not_drawn(store: Store):
    columns = toy_columns(users=4, length=2)
    assert drawn_users(columns, 9, 0, "probe") == []
    assert sorted(drawn_users(columns, 9, 0, "test")) == ["u0", "u1", "u2", "u3"]
    stored(store, columns)
    with pytest.raises(BadInput, match="Nobody in 'shop'"):
        run_baseline(store, "shop", "popularity", target="probe")


def test_wrong_requests_are_refused(store: Store):
    stored(store, cycle_columns(10))
    with pytest.raises(BadInput, match="kind is 'svd'; it must be one of popularity, itemknn, "):
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
    kept = Settings(home=tmp_path / "kept")
    whole = fitting.fitted(dataset, lambda: columns, "sasrec", settings=kept)
    frozen = fitting.fitted(dataset, lambda: columns, "sasrec", settings=kept, before=4 * 86_400)
    assert len(list(kept.baselines.iterdir())) == 2
    assert not np.array_equal(whole.scorer.scores([1, 2], range(9)), frozen.scorer.scores([1, 2], range(9)))
    assert fitting.fitted(dataset, lambda: columns, "sasrec", settings=kept, before=4 * 86_400).loaded


def test_measures_are_those_of_the_ranks() -> None:
    assert Evaluation(["a", "b"], [Standing(0), Standing(2)], 0).values("ndcg10").tolist() == [1, 0.5]


def test_files_of_earlier_versions_go_and_trained_ones_stay(settings: Settings) -> None:
    settings.baselines.mkdir(parents=True)
    kinds = [*BASELINES, "somebody"]
    for kind in kinds:
        (settings.baselines / f"{kind}-0123456789abcdef.safetensors").touch()
    fitting.sweep(settings)
    trained = {kind for kind in kinds if kind not in BASELINES or baseline(kind).LEARNS == "once"}
    assert {path.stem.rpartition("-")[0] for path in settings.baselines.iterdir()} == trained
    assert {"sasrec", "somebody"} <= trained < set(kinds)
