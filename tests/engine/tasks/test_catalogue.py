"""The whole catalogue for one user, on a tiny model: scored as ranking scores it, own items left out."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from db import datasets
from db.errors import BadInput
from db.requests import RunRequest
from db.settings import Settings
from db.store import Store
from engine.context import Engine
from engine.tasks.catalogue import recommend
from engine.tasks.rank import rank
from tests.toys import toy_columns

ITEMS, LENGTH = 30, 8


@pytest.fixture
def engine(store: Store, settings: Settings, model_folder: Callable[..., Path]) -> Engine:
    columns = toy_columns(users=12, items=ITEMS, length=LENGTH)
    datasets.insert(store, "toy", columns, kind="generic", source="test", fingerprint="toy", report={})
    made = Engine(store, settings)
    made.register("tiny", str(model_folder("llama")))
    return made


@pytest.fixture
def request_() -> RunRequest:
    return RunRequest(dataset="toy", user="u8", model="tiny", demos="neighbours:3")


@pytest.mark.parametrize("scoring", ["sum", "mean", "calibrated"])
def test_every_item_has_the_score_that_ranking_gives_it(
    engine: Engine, request_: RunRequest, scoring: str
) -> None:
    asked = replace(request_, scoring=scoring, weights=(0.5, 1.0, 2.0), candidates=12)
    found = recommend(engine, asked, top=ITEMS, width=100)
    ranked = rank(engine, asked).result
    for name in ("items", "zero_shot"):
        scores = {row["item"]: row["score"] for row in found[name]}
        assert len(scores) == ITEMS - (LENGTH - 1)  # all but what the user has
        for row in ranked[name]:
            assert scores[row["item"]] == pytest.approx(row["score"], abs=1e-4)
        assert [row["rank"] for row in found[name]] == list(range(1, len(scores) + 1))
        assert [row["item"] for row in found[name] if row["is_target"]] == [found["target"]["item"]]
    assert found["search"]["proven"]
    assert found["search"]["zero_shot_proven"]
    assert found["prompt"]["tokens"] == ranked["prompt"]["tokens"]
    assert found["items"] != found["zero_shot"]


def test_what_the_user_has_is_left_out_and_the_target_is_not(engine: Engine, request_: RunRequest) -> None:
    asked = replace(request_, history=2)  # the whole history is left out, not only what the prompt shows
    found = recommend(engine, asked, top=ITEMS, width=100)
    own = {f"i{(8 + position) % ITEMS}" for position in range(LENGTH - 1)}
    offered = {row["item"] for row in found["items"]}
    assert offered == {f"i{item}" for item in range(ITEMS)} - own
    assert found["target"]["item"] in offered
    assert found["search"]["excluded"] == LENGTH - 1


def test_the_titles_are_encoded_once_per_data_set(
    engine: Engine, request_: RunRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = recommend(engine, request_, top=5)
    monkeypatch.setattr("engine.tasks.catalogue.build", lambda *_: pytest.fail("the prefix tree is kept"))
    again = recommend(engine, replace(request_, user="u9"), top=5)
    assert len(first["items"]) == len(again["items"]) == 5


def test_the_priors_are_taken_once_per_catalogue(
    engine: Engine, request_: RunRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = replace(request_, scoring="calibrated")
    recommend(engine, asked, top=5)
    monkeypatch.setattr("engine.tasks.catalogue.priors", lambda *_: pytest.fail("the priors are kept"))
    assert len(recommend(engine, replace(asked, user="u9"), top=5)["items"]) == 5


def test_no_demonstrations_means_one_list(engine: Engine, request_: RunRequest) -> None:
    found = recommend(engine, replace(request_, demos="none"), top=5)
    assert found["items"] == found["zero_shot"]
    assert found["demonstrations"] == []


def test_the_list_without_demonstrations_may_be_left_out(engine: Engine, request_: RunRequest) -> None:
    both = recommend(engine, request_, top=5)
    alone = recommend(engine, request_, top=5, zero_shot=False)
    assert alone["items"] == both["items"]
    assert "zero_shot" in both
    assert "zero_shot" not in alone


@pytest.mark.parametrize("scoring", ["yes_no", "listwise"])
def test_other_scorings_are_refused_by_name(engine: Engine, request_: RunRequest, scoring: str) -> None:
    with pytest.raises(BadInput, match=scoring):
        recommend(engine, replace(request_, scoring=scoring))


@pytest.mark.parametrize(("top", "width"), [(0, 20), (10, 0)])
def test_sizes_below_one_are_refused(engine: Engine, request_: RunRequest, top: int, width: int) -> None:
    with pytest.raises(BadInput, match="from 1 up"):
        recommend(engine, request_, top, width)
