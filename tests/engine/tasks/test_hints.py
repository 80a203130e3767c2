"""A baseline's list as a hint: its own best items, in the prompt, in the run's key, only where asked for."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from db import datasets, texts
from db.errors import BadInput, NotFound
from db.requests import RunRequest
from db.settings import Settings
from db.store import Store
from engine.baselines import itemknn, sasrec
from engine.baselines.fitting import learnable
from engine.baselines.ranks import run_baseline
from engine.baselines.sasrec_training import Recipe
from engine.baselines.scorer import FitJob
from engine.context import Engine
from engine.tasks.catalogue import recommend
from engine.tasks.effects import effects
from engine.tasks.hints import SHOWN
from engine.tasks.rank import rank
from tests.toys import toy_columns

torch.set_num_threads(1)
ITEMS = 30


@pytest.fixture
def engine(store: Store, settings: Settings, model_folder: Callable[..., Path]) -> Engine:
    columns = toy_columns(users=12, items=ITEMS, length=8)
    datasets.insert(store, "toy", columns, kind="generic", source="test", fingerprint="toy", report={})
    made = Engine(store, settings)
    made.register("tiny", str(model_folder("llama")))
    return made


@pytest.fixture
def request_() -> RunRequest:
    return RunRequest(dataset="toy", user="u8", model="tiny", demos="neighbours:2", candidates=10)


def prompt(engine: Engine, run) -> str:
    return texts.get(engine.store, run.result["prompt"]["hash"])


def test_the_hint_stands_before_the_query_and_is_the_baselines_own_list(
    engine: Engine, request_: RunRequest
) -> None:
    found = rank(engine, replace(request_, hint="itemknn"))
    items = [row["item"] for row in found.result["hint"]["items"]]
    assert len(items) == SHOWN
    # Shopper u9 bought what u8 bought and, a day later, what u8 buys next; its day is not yet known then.
    columns = toy_columns(users=12, items=ITEMS, length=8)
    knn = itemknn.fit(FitJob("itemknn", columns, learnable(columns, "itemknn", "test")))
    offered = [int(row["item"][1:]) for row in found.result["items"]]
    moment = int(columns.timestamp[8 * 8 + 7])  # type: ignore[index]
    scores = knn.scores([(8 + p) % ITEMS for p in range(7)], offered, moment)
    assert scores[[offered.index(int(item[1:])) for item in items]].tolist() == sorted(scores)[::-1][:SHOWN]
    text = prompt(engine, found)
    lines = "".join(f"- {row['title']}\n" for row in found.result["hint"]["items"])
    assert f"\n\nAnother recommender suggests:\n{lines}\nBought:\n" in text
    assert text.index("suggests") > text.rindex("Next:\n", 0, text.rindex("Bought:"))


def test_a_hint_makes_another_run_and_no_hint_the_run_of_before(engine: Engine, request_: RunRequest) -> None:
    plain = rank(engine, request_)
    hinted = rank(engine, replace(request_, hint="popularity"))
    assert hinted.key != plain.key
    assert hinted.result["zero_shot"] != plain.result["zero_shot"]
    assert "hint" not in plain.result
    assert "suggests" not in prompt(engine, plain)
    assert rank(engine, replace(request_, hint="popularity")).cached
    _, measured = effects(engine, replace(request_, hint="popularity"), measure="loss")
    assert measured.result["value"] == pytest.approx(hinted.result["loss"], abs=1e-4)
    assert measured.result["zero_shot"] == pytest.approx(hinted.result["loss_zero_shot"], abs=1e-4)


def test_a_trained_baseline_is_not_trained_for_a_hint(
    engine: Engine, request_: RunRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = replace(request_, hint="sasrec")
    with pytest.raises(NotFound, match="baseline --kind sasrec --dataset toy --target test"):
        rank(engine, asked)
    small = Recipe(width=16, blocks=1, longest=8, batch=32, epochs=1, steps=1)
    monkeypatch.setattr(sasrec, "Recipe", lambda loss, seed: replace(small, loss=loss, seed=seed))
    run_baseline(engine.store, "toy", "sasrec", users=3, candidates=5, settings=engine.settings)
    first = rank(engine, asked)
    assert len(first.result["hint"]["items"]) == SHOWN
    # Fitted anew to something else: the stored run no longer answers the request.
    for path in engine.settings.baselines.iterdir():
        path.unlink()
    monkeypatch.setattr(sasrec, "Recipe", lambda loss, seed: replace(small, seed=5, epochs=9))
    run_baseline(engine.store, "toy", "sasrec", users=3, candidates=5, settings=engine.settings)
    second = rank(engine, asked)
    assert second.result["hint"] != first.result["hint"]
    assert second.key != first.key


def test_the_whole_catalogue_is_hinted_at_without_what_the_user_has(
    engine: Engine, request_: RunRequest
) -> None:
    found = recommend(engine, replace(request_, hint="bm25"), top=5)
    own = {f"i{(8 + position) % ITEMS}" for position in range(7)}
    assert not own & {row["item"] for row in found["hint"]["items"]}
    assert found["items"] != recommend(engine, request_, top=5)["items"]


def test_an_unknown_baseline_is_refused_by_name(engine: Engine, request_: RunRequest) -> None:
    with pytest.raises(BadInput, match="svd"):
        rank(engine, replace(request_, hint="svd"))
