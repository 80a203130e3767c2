"""Demonstrations that are kept: at their place, with their weight, counted, whatever fills the rest."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from db import datasets, demonstrations
from db.errors import BadInput
from db.requests import OptimizeRequest, RunRequest
from db.requests.keep import Kept, around, read_kept, write_kept
from db.settings import Settings
from db.store import Store
from engine.context import Engine, resolve
from engine.demos import selection
from engine.optimize import optimize, validation_purchases
from engine.optimize.stay import Stay
from engine.optimize.utility import ModelUtility
from engine.tasks.inputs import gather
from tests.toys import toy_columns

STAYS = "random:6"
"""Where the tests take demonstrations from that no neighbour offers first."""


@pytest.fixture
def engine(store: Store, settings: Settings, model_folder: Callable[..., Path]) -> Engine:
    columns = toy_columns(users=20, items=30, length=8)
    datasets.insert(store, "toy", columns, kind="generic", source="test", fingerprint="toy", report={})
    made = Engine(store, settings)
    made.register("tiny", str(model_folder("llama")))
    return made


@pytest.fixture
def request_() -> RunRequest:
    return RunRequest(dataset="toy", user="u8", model="tiny", demos="neighbours:4", candidates=6)


def chosen(engine: Engine, request: RunRequest) -> list[tuple[str, float]]:
    inputs = gather(resolve(engine, request))
    ids = [entry.demonstration.id for entry in inputs.chosen]
    return list(zip(ids, inputs.weights, strict=True))


def some(engine: Engine, request: RunRequest, spec: str) -> list[str]:
    """Ids of demonstrations that a strategy chooses, stored."""
    context = resolve(engine, request)
    entries = selection.choose(context.store, context.dataset, context.query, spec, 0, context.reader)
    demonstrations.save_many(context.store, [entry.demonstration for entry in entries])
    return [entry.demonstration.id for entry in entries]


def test_kept_ones_keep_place_and_weight_and_are_counted(engine: Engine, request_: RunRequest) -> None:
    plain = [name for name, _ in chosen(engine, request_)]
    first, second = [name for name in some(engine, request_, STAYS) if name not in plain][:2]
    found = chosen(engine, replace(request_, keep=f"{second}*0.5@4,{first}*2@1"))
    assert found == [(first, 2.0), (plain[2], 1.0), (plain[3], 1.0), (second, 0.5)]


def test_one_that_the_strategy_would_choose_is_not_there_twice(engine: Engine, request_: RunRequest) -> None:
    plain = [name for name, _ in chosen(engine, request_)]
    some(engine, request_, request_.demos)
    found = chosen(engine, replace(request_, keep=f"{plain[3]}*3@2"))
    assert found == [(plain[0], 1.0), (plain[3], 3.0), (plain[1], 1.0), (plain[2], 1.0)]


def test_where_there_are_fewer_the_kept_one_is_the_last(engine: Engine, request_: RunRequest) -> None:
    plain = [name for name, _ in chosen(engine, request_)]
    (other, *_) = [name for name in some(engine, request_, STAYS) if name not in plain]
    found = chosen(engine, replace(request_, demos="neighbours:2", keep=f"{other}@9"))
    assert [name for name, _ in found] == [plain[3], other]


def test_tokens_of_the_kept_ones_count(engine: Engine, request_: RunRequest) -> None:
    context = resolve(engine, request_)
    entries = gather(context).chosen
    some(engine, request_, request_.demos)
    tokens = [context.reader.tokens(entry) for entry in entries]
    keep = f"{entries[0].demonstration.id}@1"
    found = chosen(engine, replace(request_, demos=f"neighbours:{tokens[0] + tokens[3]}t", keep=keep))
    assert [name for name, _ in found] == [entries[0].demonstration.id, entries[3].demonstration.id]


def test_a_kept_one_must_be_known(engine: Engine, request_: RunRequest) -> None:
    late = some(engine, replace(request_, user="u19"), "proximal:1")[0]
    with pytest.raises(BadInput, match="is not known yet when the next purchase of 'u8'"):
        chosen(engine, replace(request_, keep=f"{late}@1"))


def test_the_optimizer_chooses_around_the_kept_ones(engine: Engine, request_: RunRequest) -> None:
    request_ = replace(request_, user="u9")
    first, second = some(engine, request_, STAYS)[:2]
    asked = OptimizeRequest(
        "toy", "u9", "tiny", size=4, pool=4, probes=8, guard=False, keep=f"{second}*0.5@1,{first}*0@3"
    )
    result = optimize(engine, asked).result
    for step in result["path"]:
        shown = dict(zip(step["demonstrations"], step["weights"], strict=True))
        assert step["demonstrations"][0] == second
        assert (shown[second], shown[first]) == (0.5, 0.0)
        assert len(shown) <= 4
        free = len(shown) - 2
        assert step["demonstrations"].index(first) == min(2, 1 + free)
    assert result["path"][0]["demonstrations"] == [second, first]
    assert result["path"][0]["objective"] == 0
    assert "The locked demonstrations alone" in result["path"][0]["note"]
    assert [one["id"] for one in result["chosen"]] == result["path"][-1]["demonstrations"]
    assert len(result["chosen"]) > 2, "a random model's probes prefer something"
    assert "stay in any case" in result["guard"]["reason"]
    run = chosen(engine, replace(request_, demos="greedy:3", keep=f"{first}*2@1"))
    assert run[0] == (first, 2.0)
    assert len(run) <= 3


def test_gains_are_those_over_the_kept_ones(engine: Engine) -> None:
    """As the whole set's less those of the kept ones, each by a utility that knows of none."""
    context = resolve(engine, OptimizeRequest("toy", "u8", "tiny", size=4, probes=4))
    where = context.store, context.dataset, context.query
    pool = selection.choose(*where, "neighbours:4", 0)
    among = validation_purchases.targets(*where, 4, 10, 0)
    plain, around_ = ModelUtility(context, pool, among), Stay((3, 2), (1, 3), (0.5, 2.0))
    beside = ModelUtility(context, pool, among, around_)
    whole, weights = (3, 0, 2, 1), [0.5, 1.0, 2.0, 1.0]
    kept = plain.weighted((3, 2), [0.5, 2.0])
    np.testing.assert_allclose(beside.gains((0, 1)), plain.weighted(whole, weights) - kept, atol=1e-5)
    np.testing.assert_allclose(beside.gains(()), 0, atol=1e-5)
    other = plain.weighted(whole, [0.5, 3.0, 2.0, 0.1]) - kept
    np.testing.assert_allclose(beside.weighted((0, 1), [3.0, 0.1]), other, atol=1e-5)
    alone = [plain.weighted(whole, [0.5, 0.0, 2.0, 1.0]), plain.weighted(whole, [0.5, 1.0, 2.0, 0.0])]
    np.testing.assert_allclose(beside.without((0, 1)), np.array(alone) - kept, atol=1e-5)
    ranked = plain.ranking_gains(whole, weights) - plain.ranking_gains((3, 2), [0.5, 2.0])
    np.testing.assert_allclose(beside.ranking_gains((0, 1), [1.0, 1.0]), ranked, atol=1e-9)
    share = validation_purchases.share(among)
    cost, slope = beside.slope((0, 1), share)(torch.tensor([3.0, 0.1], dtype=torch.float64))
    same, all_slopes = plain.slope(whole, share)(torch.tensor([0.5, 3.0, 2.0, 0.1], dtype=torch.float64))
    assert cost == pytest.approx(same)
    np.testing.assert_allclose(slope, all_slopes[[1, 3]], atol=1e-9)
    assert np.isfinite(beside.robust((0, 1)))


def test_a_guard_that_refuses_leaves_the_kept_ones(engine: Engine, request_: RunRequest) -> None:
    (first,) = some(engine, request_, "random:1")
    asked = OptimizeRequest("toy", "u8", "tiny", size=3, pool=2, probes=2, keep=f"{first}*2@1")
    result = optimize(engine, asked).result
    assert result["guard"]["verdict"] == "zero-shot"
    assert result["chosen"] == [{"id": first, "weight": 2.0}]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"keep": "a"}, "expected ID.WEIGHT@PLACE,..., got 'a'"),
        ({"keep": "a@0"}, "got 'a@0'"),
        ({"keep": "a*x@1"}, "got 'a.x@1'"),
        ({"keep": "a*inf@1"}, "got 'a.inf@1'"),
        ({"keep": "a*-1@1"}, "a weight is a number from 0 up"),
        ({"keep": "a@1,b@1"}, "a place is named twice"),
        ({"keep": "a@1,a@2"}, "a demonstration is named twice"),
        ({"keep": "a@1", "demos": "none"}, "1 demonstrations are kept, and none asks for 0"),
        ({"keep": "a@1", "demos": "bm25:1"}, "none is left to choose"),
        ({"keep": "a@1", "demonstrations": ()}, "beside what a strategy chooses"),
        ({"keep": "a@1", "demos": "set:mine"}, "beside what a strategy chooses"),
        ({"keep": "a@1", "weights": (1.0,) * 4}, "leave out weights and prompts"),
        ({"keep": "a@1", "prompts": 2}, "leave out weights and prompts"),
        ({"keep": "a@1", "demos": "placebo:4"}, "changes all that neighbours chose"),
    ],
)
def test_what_makes_no_sense_is_refused(request_: RunRequest, change: dict, said: str) -> None:
    with pytest.raises(BadInput, match=f"keep: .*{said}"):
        replace(request_, **change)


def test_what_is_written_is_read() -> None:
    kept = (Kept("a", 0.1234567891, 1), Kept("b", 1.0, 12))
    assert read_kept(write_kept(kept)) == kept
    assert (read_kept(None), write_kept([])) == ((), None)
    assert around(["x"], [(5, "c"), (1, "a"), (9, "d")]) == ["a", "x", "c", "d"]
