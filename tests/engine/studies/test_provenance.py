"""What a tuned model has seen is held against what it is asked."""

import json
from pathlib import Path
from typing import Any

import pytest

from db.datasets import DatasetInfo
from db.models import ModelInfo
from db.requests import StudyRequest
from engine.studies.provenance import doubts
from engine.tuning.recipe import knows_later

SHOP: Any = {"name": "shop", "has_timestamps": True}


class Named:
    """Only what is looked at of a model or a data set."""

    def __init__(self, **fields: Any) -> None:
        self.__dict__.update(fields)


def model(folder: Path, **request: Any) -> ModelInfo:
    if request:
        (folder / "RECIPE.json").write_text(json.dumps({"recipe": {"request": request}}))
    return Named(name="tuned", source=str(folder))  # type: ignore[return-value]


def shop(**fields: Any) -> DatasetInfo:
    return Named(**{**SHOP, **fields})  # type: ignore[return-value]


def said(info: ModelInfo, row: str = "recicl", dataset: DatasetInfo | None = None, timed: bool = True) -> str:
    return " ".join(doubts(row, info, dataset or shop(), StudyRequest("recicl", "shop"), timed))


@pytest.mark.parametrize(("until", "doubtful"), [(5, False), (6, True), (None, True)])
def test_purchases_after_the_cut_are_named(tmp_path: Path, until: int | None, doubtful: bool) -> None:
    tuned = model(tmp_path, layout="recicl", dataset="shop", periods=10, until=until)
    assert ("after the cut" in said(tuned)) == doubtful


def test_another_layout_and_another_data_set_are_named(tmp_path: Path) -> None:
    tuned = model(tmp_path, layout="single", dataset="shop", periods=10, until=5)
    assert "stands for recicl, but was tuned in the single layout" in said(tuned)
    assert said(tuned, "base") == ""
    assert "was tuned on shop, not on books" in said(tuned, dataset=shop(name="books"))


def test_without_a_cut_a_model_tuned_here_may_know_what_came_after_a_target(tmp_path: Path) -> None:
    whole = model(tmp_path, layout="recicl", dataset="shop", periods=10, until=None)
    assert "all purchases but the last two of each user" in said(whole, "user", timed=False)
    assert "after a target's moment" in knows_later(whole, shop())[0]
    assert knows_later(whole, shop(has_timestamps=False)) == knows_later(whole, shop(name="books")) == []
    part = model(tmp_path, layout="recicl", dataset="shop", periods=10, until=5)
    assert "the first 5 of 10 periods" in knows_later(part, shop())[0]


def test_a_model_from_elsewhere_is_not_judged(tmp_path: Path) -> None:
    assert said(model(tmp_path)) == ""
    assert knows_later(model(tmp_path), shop()) == []
