"""The gate: what passes, what fails and what nobody knows, at the bars and where the truth is known."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from db.errors import BadInput
from engine.studies.experiments.gate import EXIT_CODES, PASS, REGRESSION, UNSURE, by_user, gate
from tests.support.grid import grid

RNG = np.random.Generator(np.random.PCG64(0))
BASE = RNG.uniform(0.4, 0.6, 40)


def users(values: np.ndarray, first: int = 0) -> dict[str, float]:
    return {f"u{first + place}": float(value) for place, value in enumerate(values)}


@pytest.mark.parametrize("bar, verdict", [(0.4, PASS), (0.5, UNSURE), (0.6, REGRESSION)])
def test_a_level(bar: float, verdict: str) -> None:
    found = gate(users(BASE), min_ndcg=bar)
    assert (found["verdict"], found["exit_code"]) == (verdict, EXIT_CODES[verdict])
    assert f"at least {bar:g} is asked for: {verdict}" in found["said"][1]


@pytest.mark.parametrize(
    "shift, bar, verdict",
    [
        (0.0, 0.0, PASS),  # equal for every user
        (0.05, 0.0, PASS),
        (-0.05, 0.0, REGRESSION),
        (-0.05, 0.1, PASS),
        (-0.05, 0.05, UNSURE),
        (-0.05, 0.02, REGRESSION),
    ],
)
def test_a_drop(shift: float, bar: float, verdict: str) -> None:
    noise = RNG.normal(0, 0.02, 40) if shift else 0.0
    centred = noise - np.mean(noise)
    found = gate(users(BASE + shift + centred), users(BASE), max_drop=bar)
    assert found["verdict"] == verdict
    assert json.loads(json.dumps(found)) == found


@given(st.lists(st.floats(-1, 1), min_size=6, max_size=30), st.integers(0, 3))
@settings(max_examples=20)
def test_without_a_margin_a_regression_is_a_significant_drop(values: list[float], seed: int) -> None:
    found = gate(users(np.array(values)), users(np.zeros(len(values))), max_drop=0.0, seed=seed)
    test = found["checks"][0]["found"]
    assert (found["verdict"] == REGRESSION) == (test["p"] < 0.05 and test["mean"] < 0)


def test_of_two_checks_the_worse_counts() -> None:
    found = gate(users(BASE - 0.1), users(BASE), min_ndcg=0.2, max_drop=0.02)
    assert [check["verdict"] for check in found["checks"]] == [PASS, REGRESSION]
    assert found["exit_code"] == 1
    found = gate(users(BASE), users(BASE), min_ndcg=0.5, max_drop=0.0)
    assert [check["verdict"] for check in found["checks"]] == [UNSURE, PASS]
    assert found["exit_code"] == 2


def test_only_users_of_both_are_compared() -> None:
    found = gate(users(BASE, first=10), users(BASE), max_drop=0.02)
    check = found["checks"][0]
    assert check["found"]["n"] == 30
    assert "(20 users of only one experiment left out)" in check["said"]


def test_a_few_users_show_nothing() -> None:
    found = gate(users(BASE[:5] + 0.3), users(BASE[:5]), min_ndcg=0.1, max_drop=0.1)
    assert {check["verdict"] for check in found["checks"]} == {UNSURE}
    assert "fewer than 6 users show nothing" in found["said"][1]


def test_what_cannot_be_checked_is_refused() -> None:
    with pytest.raises(BadInput, match="name a bar"):
        gate(users(BASE))
    with pytest.raises(BadInput, match="--max-drop is 2"):
        gate(users(BASE), users(BASE), max_drop=2)
    for stored in (None, {}, users(BASE, first=100)):
        with pytest.raises(BadInput, match="the same data set with the same seed"):
            gate(users(BASE), stored, max_drop=0.1)
    with pytest.raises(BadInput, match="no user that is done"):
        gate({}, min_ndcg=0.1)


def test_values_come_by_user_over_draws() -> None:
    assert by_user(grid({"llm": [[1, 11], [11, 11]]}), "llm") == {"u0": 0.5, "u1": 0.0}


def test_a_true_drop_of_just_what_is_allowed_is_seldom_judged_either_way() -> None:
    rng = np.random.Generator(np.random.PCG64(3))
    verdicts = [
        gate(users(-0.05 + rng.normal(0, 0.1, 12)), users(np.zeros(12)), max_drop=0.05)["verdict"]
        for _ in range(80)
    ]
    # Each way has a chance of 2.5 %: of 80, 7 or more come in less than one of 200.
    assert verdicts.count(REGRESSION) <= 6
    assert verdicts.count(PASS) <= 6
