"""Forward tuning for one user: its curve, what chooses the iteration, and the same ranking as a run."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from db import datasets
from db.errors import BadInput
from db.requests import RunRequest
from db.settings import Settings
from db.store import Store
from engine.context import Engine
from engine.jobs import handlers
from engine.tasks.catalogue import recommend
from engine.tasks.effects import effects
from engine.tasks.forward_tuning import forward
from engine.tasks.rank import rank
from tests.toys import toy_columns


def opened(store: Store, settings: Settings, folder: Callable[..., Path], last: int | None = None) -> Engine:
    """A tiny model and a data set; `last`: what user u8 bought in the end."""
    columns = toy_columns(users=12, items=30, length=8)
    if last is not None:
        columns.item[np.flatnonzero(columns.user == 8)[-1]] = last
    datasets.insert(store, "toy", columns, kind="generic", source="test", fingerprint="toy", report={})
    made = Engine(store, settings)
    made.register("tiny", str(folder("llama")))
    return made


@pytest.fixture
def engine(store: Store, settings: Settings, model_folder: Callable[..., Path]) -> Engine:
    return opened(store, settings, model_folder)


@pytest.fixture
def request_() -> RunRequest:
    return RunRequest(dataset="toy", user="u8", model="tiny", demos="neighbours:3", candidates=6)


def test_the_curve_is_that_of_runs_with_so_many_iterations(engine: Engine, request_: RunRequest) -> None:
    told: list[str] = []
    payload = {"request": request_.to_json(), "iterations": 3}
    found = handlers.forward_job(engine, payload, lambda share, text="", partial=None: told.append(text))
    assert [point["iteration"] for point in found["curve"]] == [0, 1, 2, 3]
    for point in found["curve"]:
        run = rank(engine, replace(request_, forward=point["iteration"]))
        assert point["loss"] == pytest.approx(run.result["loss"], abs=1e-5)
        assert point["margin"] == pytest.approx(run.result["margin"], abs=1e-5)
        assert point["rank"] == run.result["metrics"]["rank"]
        assert point["ndcg10"] == run.result["metrics"]["ndcg10"]
        if point["iteration"] == found["chosen"]:
            assert [row["item"] for row in found["items"]] == [row["item"] for row in run.result["items"]]
    plain = rank(engine, request_)
    assert found["plain"] == plain.result["items"]
    assert found["curve"][0]["loss"] == plain.result["loss"]
    assert len({point["loss"] for point in found["curve"]}) == 4
    assert any("tuning" in text for text in told)


def test_an_iteration_makes_another_run_and_none_leaves_the_old_one(
    engine: Engine, request_: RunRequest
) -> None:
    plain, again = rank(engine, request_), rank(engine, replace(request_, forward=2))
    assert plain.key != again.key
    assert again.result["zero_shot"] == plain.result["zero_shot"]
    assert "forward" not in request_.to_json()
    assert rank(engine, replace(request_, forward=0)).key == plain.key
    _, measured = effects(engine, replace(request_, forward=2))
    assert measured.result["mode"] == "reprompt", "shorter prompts are tuned as well"
    assert measured.result["value"] == pytest.approx(again.result["margin"], abs=1e-4)
    assert measured.result["value_zero_shot"] == pytest.approx(again.result["margin_zero_shot"], abs=1e-4)
    both = rank(engine, replace(request_, forward=2, perturb="ridge:1"))
    off = rank(engine, replace(request_, perturb="ridge:1"))
    assert both.result["loss"] == pytest.approx(off.result["loss"], abs=1e-5)


def test_the_whole_catalogue_is_searched_with_the_refined_keys(engine: Engine, request_: RunRequest) -> None:
    asked = replace(request_, forward=3, scoring="sum")
    scores = {row["item"]: row["score"] for row in recommend(engine, asked, 30, 100, False)["items"]}
    for row in rank(engine, asked).result["items"]:
        assert scores[row["item"]] == pytest.approx(row["score"], abs=1e-4)


def test_the_last_known_purchase_chooses_and_the_target_does_not(
    tmp_path: Path, model_folder: Callable[..., Path], request_: RunRequest
) -> None:
    seen = []
    for number, last in enumerate((20, 21)):
        here = Settings(home=tmp_path / f"w{number}", device="cpu", dtype="float32")
        with Store.open(here) as store:
            found = forward(opened(store, here, model_folder, last), request_, 4)
            seen.append((found["chosen"], found["probe"], found["demonstrations"], found["probe_curve"]))
            assert found["chosen_by"] == "probe"
            losses = [point["loss"] for point in found["probe_curve"]]
            assert losses[found["chosen"]] == min(losses)
            assert found["probe"]["item"] == "i14"  # the seventh of eight purchases
    for first, second in zip(seen[0], seen[1], strict=True):
        if first is seen[0][3]:  # whom else the probe is ranked among may be the last purchase
            first, second = ([point["loss"] for point in curve] for curve in (first, second))
        assert first == second


def test_an_iteration_can_be_asked_for_and_a_window_with_the_probe_is_not_tried(
    engine: Engine, request_: RunRequest
) -> None:
    asked = forward(engine, request_, 3, at=2)
    assert (asked["chosen"], asked["chosen_by"]) == (2, "asked")
    own = forward(engine, replace(request_, demos="proximal:1"), 2)
    assert (own["probe"], own["probe_curve"], own["chosen"]) == (None, [], 0)
    assert own["chosen_by"] == "nothing to try it on"
    mixed = forward(engine, replace(request_, demos="proximal:6"), 2)
    assert 0 < mixed["probe"]["demonstrations"] < 6


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"iterations": 0}, "1 to 64"),
        ({"at": 9}, "from 0 to 8"),
        ({"step": -1.0}, "step"),
        ({"step": float("nan")}, "step"),
        ({"momentum": 1.0}, "momentum"),
    ],
)
def test_numbers_that_make_no_sense_are_refused(
    engine: Engine, request_: RunRequest, options: dict, words: str
) -> None:
    with pytest.raises(BadInput, match=words):
        forward(engine, request_, **options)


@pytest.mark.parametrize("change", [{"prompts": 2}, {"forward": 3}, {"perturb": "order"}])
def test_the_curve_takes_one_prompt_as_it_stands(engine: Engine, request_: RunRequest, change: dict) -> None:
    with pytest.raises(BadInput, match="one prompt"):
        forward(engine, replace(request_, **change))
