"""Which difference did it: parts sum to the change, equal a naive enumeration, and runs are stored."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import permutations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db import datasets, runs
from db.errors import BadInput
from db.requests import RunRequest
from db.requests.swapping import mixed, separable
from db.runs import Run
from db.settings import Settings
from db.store import Store
from engine.context import Engine
from engine.tasks import attribution as module
from engine.tasks.attribution import READINGS, attribution, shapley
from engine.tasks.rank import rank
from tests.toys import toy_columns

A = RunRequest("toy", "u8", "tiny", demos="recent:3", candidates=6)
B = replace(A, demos="neighbours:1", history=3, model="other")


@pytest.fixture
def engine(store: Store, settings: Settings, model_folder: Callable[..., Path]) -> Engine:
    columns = toy_columns(users=12, items=30, length=8)
    datasets.insert(store, "toy", columns, kind="generic", source="t", fingerprint="toy", report={})
    made = Engine(store, settings)
    made.register("tiny", str(model_folder("llama")))
    made.register("other", str(model_folder("gpt2")))
    return made


def naive(values: Sequence[float], k: int) -> list[float]:
    """The mean of what each input changes over all orders of swapping."""
    parts = [0.0] * k
    orders = list(permutations(range(k)))
    for order in orders:
        at = 0
        for each in order:
            parts[each] += (values[at + 2**each] - values[at]) / len(orders)
            at += 2**each
    return parts


@given(st.integers(1, 4).flatmap(lambda k: st.lists(st.floats(-9, 9), min_size=2**k, max_size=2**k)))
def test_parts_sum_to_the_change_and_equal_all_orders(values: list[float]) -> None:
    parts = shapley(values)
    assert sum(parts) == pytest.approx(values[-1] - values[0], abs=1e-12)
    assert parts == pytest.approx(naive(values, len(parts)), abs=1e-9)


def test_what_changes_nothing_is_answerable_for_nothing() -> None:
    assert shapley([1.0, 5.0, 1.0, 5.0]) == [4.0, 0.0]


def test_parts_of_two_runs_are_those_of_all_runs_between_them(engine: Engine) -> None:
    ends = [rank(engine, request) for request in (A, B)]
    found = attribution(engine, ends[0].key, ends[1].key[:12])
    assert [each["label"] for each in found["inputs"]] == [each.label for each in separable(A, B)]
    assert len(found["inputs"]) == 4
    inputs = separable(ends[0].request, ends[1].request)
    between = [
        rank(engine, mixed(A, B, [each for bit, each in enumerate(inputs) if at >> bit & 1]))
        for at in range(16)
    ]
    assert all(run.cached for run in between), "they were stored"
    assert [row["run"] for row in found["runs"]] == [run.key for run in between]
    for name, read in READINGS.items():
        values = [read(run.result) or 0.0 for run in between]
        assert [row["shapley"][name] for row in found["inputs"]] == pytest.approx(naive(values, 4))
        change = found["readings"][name]["change"]
        assert sum(row["shapley"][name] for row in found["inputs"]) == pytest.approx(change, abs=1e-9)
        assert found["inputs"][0]["alone"][name] == pytest.approx(values[1] - values[0])
        assert found["inputs"][0]["last"][name] == pytest.approx(values[-1] - values[-2])


def test_a_stopped_one_makes_only_the_missing_runs(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    b = replace(A, history=3, model="other")
    ends = [rank(engine, request).key for request in (A, b)]
    made: list[Run] = []

    def stopping(*words: object) -> Run:
        if len(made) == 3:  # both ends and one between them
            raise KeyboardInterrupt
        made.append(rank(*words))  # type: ignore[arg-type]
        return made[-1]

    monkeypatch.setattr(module, "rank", stopping)
    with pytest.raises(KeyboardInterrupt):
        attribution(engine, ends[0], ends[1])
    monkeypatch.setattr(module, "rank", lambda *words: made.append(rank(*words)) or made[-1])
    made.clear()
    attribution(engine, ends[0], ends[1])
    assert [run.cached for run in made] == [True, True, True, False]


def test_more_inputs_are_swapped_one_at_a_time(engine: Engine) -> None:
    b = replace(B, scoring="mean", forward=1)
    ends = [rank(engine, request).key for request in (replace(A, scoring="sum"), b)]
    found = attribution(engine, ends[0], ends[1])
    assert len(found["inputs"]) == 6
    assert len(found["runs"]) == 14
    assert all(row["shapley"] is None for row in found["inputs"])
    assert "interactions" in found["notes"][0]
    alone = runs.get(engine.store, found["runs"][1]["run"])
    change = found["inputs"][0]["alone"]["rank"]
    assert change == alone.result["metrics"]["rank"] - found["readings"]["rank"]["a"]


def test_what_cannot_be_swapped_is_named(engine: Engine) -> None:
    key = rank(engine, A).key
    refused = {
        "different users": replace(A, user="u7"),
        "by seed": replace(A, seed=7),
        "different targets": replace(A, target="probe"),
        "same inputs": A,
    }
    for words, request in refused.items():
        with pytest.raises(BadInput, match=words):
            attribution(engine, key, rank(engine, request).key)


def test_a_run_of_other_files_is_not_taken_for_one_of_today(engine: Engine) -> None:
    old = rank(engine, A)
    runs.save(engine.store, replace(old, key="f" * 64, request_digest="older"))
    with pytest.raises(BadInput, match="run again"):
        attribution(engine, "f" * 64, rank(engine, B).key)
