"""The runs of the guided start are found by their numbers: nothing is shown that they do not say."""

from dataclasses import replace
from typing import Any

import pytest

from db import guided, runs
from db.requests import RunRequest
from db.runs import Run
from db.store import Store

REQUEST = RunRequest("toy", "u1", "embedded", demos="neighbours:3")
NAMES = ("a", "b", "c")


def item(name: str) -> dict[str, Any]:
    """An item by its name."""
    return {"item": name, "title": f"Title {name}"}


def stored(
    store: Store,
    weights: tuple[float, ...] = (1.0, 1.0, 1.0),
    rank: int = 1,
    answers: str = "ttx",
    **more: Any,
) -> Run:
    """A run in which the target `t` is at `rank` of 4."""
    order = list("xyz")
    order.insert(rank - 1, "t")
    items = [
        {**item(name), "rank": at, "score": -at, "is_target": name == "t"} for at, name in enumerate(order, 1)
    ]
    views = [
        {"id": name, "weight": weight, "answer": item(answer), "history": []}
        for name, weight, answer in zip(NAMES, weights, answers, strict=True)
    ]
    metrics = {"rank": rank, "zero_shot": {"rank": 2}}
    result = {
        "items": items,
        "zero_shot": items,
        "demonstrations": views,
        "metrics": metrics,
        "target": item("t"),
    }
    result |= {"candidates": {"fingerprint": "f"}, "loss": 1.0, "loss_zero_shot": 2.0}
    request = replace(REQUEST, weights=weights, **more)
    key = f"{len(runs.listing(store)):064x}"
    return runs.save(store, Run(key, request, key, None, request.user, request.model, result, {"total": 1.0}))


def measure(store: Store, run: Run, *effects: float, width: float = 0.01) -> None:
    """Effects of a run by turning down."""
    rows = [
        {"id": name, "effect": effect, "interval": [effect - width, effect + width], "leave_one_out": effect}
        for name, effect in zip(NAMES, effects, strict=True)
    ]
    result = {"mode": "direct", "measure": "margin", "demonstrations": rows, "effect_total": sum(effects)}
    runs.save_effects(store, run.key, f"e{run.key}", {"leave_one_out": True}, result, {})


def test_a_good_and_a_misleading_one(store: Store) -> None:
    run = stored(store)
    measure(store, run, -0.4, 2.0, 0.3)
    off = stored(store, (1.0, 0.0, 1.0), rank=3)
    found = guided.find(store)
    assert found is not None
    assert (found.run.key, found.good, found.misleading, found.off.key) == (run.key, 1, 0, off.key)


def test_the_copy_control_counts_answers(store: Store) -> None:
    measure(store, stored(store, answers="txx"), -0.4, 2.0, 0.3)
    stored(store, (1.0, 0.0, 1.0), rank=3)
    found = guided.find(store)
    assert found is not None
    assert found.counted == (1, 0), "x is the answer of two, the target of one, y and z of none"


def test_one_that_misleads_is_looked_for_behind_newer_runs(store: Store) -> None:
    older = stored(store)
    measure(store, older, -0.4, 2.0, 0.3)
    stored(store, (1.0, 0.0, 1.0), rank=3)
    measure(store, stored(store, seed=1), 0.4, 2.0, 0.3)
    stored(store, (1.0, 0.0, 1.0), rank=3, seed=1)
    found = guided.find(store)
    assert found is not None
    assert found.run.key == older.key


def test_where_none_misleads_that_is_known(store: Store) -> None:
    measure(store, stored(store), 0.4, 2.0, -0.3, width=0.5)
    stored(store, (1.0, 0.0, 1.0), rank=3)
    found = guided.find(store)
    assert found is not None
    assert found.misleading is None, "it may as well help: its interval reaches above 0"


@pytest.mark.parametrize("rank", [None, 1])
def test_a_target_that_does_not_fall_shows_nothing(store: Store, rank: int | None) -> None:
    measure(store, stored(store), -0.4, 2.0, 0.3)
    if rank is not None:
        stored(store, (1.0, 0.0, 1.0), rank=rank)
    assert guided.find(store) is None


def test_nothing_stored(store: Store) -> None:
    assert guided.find(store) is None
