"""Who gains: the order, the runs to open, and a correlation that SciPy and simulation bear out."""

import itertools
import json

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.studies.experiments.gains import _spearman, gains, rank_correlation
from tests.support.grid import cell, grid

numbers = st.lists(st.tuples(st.integers(-3, 3), st.integers(-3, 3)), min_size=6, max_size=20)
few = settings(max_examples=15)


def test_the_largest_gain_is_first_and_the_largest_loss_last() -> None:
    found = gains(grid({"none": [5, 20, 1, 15], "demos": [1, 12, 9, 18]}), "none", "demos")["users"]
    assert [row["user"] for row in found] == ["u0", "u1", "u3", "u2"], "without gain, who rises is first"
    assert (found[0]["rank_before"], found[0]["rank_after"]) == (5, 1)
    assert found[0]["gain"] == pytest.approx(1 - 1 / np.log2(6))
    assert found[1]["gain"] == found[2]["gain"] == 0


def test_the_run_is_of_the_draw_nearest_to_the_average() -> None:
    draws = [cell(rank, run=f"run{rank}") for rank in (1, 9, 11)]
    found = gains(grid({"none": [[cell(4, run="only")]], "demos": [draws]}), "none", "demos")["users"][0]
    assert (found["run_before"], found["run_after"], found["rank_after"]) == ("only", "run9", 7)


def test_what_was_not_measured_is_not_correlated() -> None:
    found = gains(grid({"none": [5, 2, 1], "demos": [1, 2, 9]}), "none", "demos")
    assert found["effect"] is None
    assert json.loads(json.dumps(found)) == found


def test_effects_that_order_users_as_gains_do_are_correlated_fully() -> None:
    ranks = [1, 2, 3, 4, 5, 6, 7, 8]
    cells = [[cell(rank, margin=-float(rank), margin_zero_shot=-9.0)] for rank in ranks]
    found = gains(grid({"none": [9] * 8, "demos": cells}), "none", "demos")["effect"]
    assert found["spearman"] == pytest.approx(1)
    assert found["n"] == 8
    assert found["p"] < 0.01


@given(numbers, st.integers(0, 3))
@few
def test_the_correlation_is_scipys(pairs: list[tuple[int, int]], seed: int) -> None:
    first, second = np.array(pairs, dtype=float).T
    found = rank_correlation(first, second, seed)
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        assert found is None
        return
    assert found is not None
    assert found["spearman"] == pytest.approx(scipy.stats.spearmanr(first, second).statistic)
    assert -1 - 1e-9 <= found["low"] <= found["high"] <= 1 + 1e-9
    assert rank_correlation(first, second, seed) == found
    turned = rank_correlation(-first, second, seed)
    assert turned is not None
    assert turned["spearman"] == pytest.approx(-found["spearman"])


def test_the_p_is_the_share_of_all_pairings_that_are_as_far_from_zero() -> None:
    first, second = np.arange(6.0), np.array([1.0, 0, 3, 2, 5, 4])
    seen = abs(scipy.stats.spearmanr(first, second).statistic)
    every = [
        abs(scipy.stats.spearmanr(first, second[list(order)]).statistic)
        for order in itertools.permutations(range(6))
    ]
    exact = np.mean([value >= seen - 1e-9 for value in every])
    found = rank_correlation(first, second)
    assert found is not None
    assert found["p"] == pytest.approx(exact, abs=0.02)


def test_intervals_hold_the_true_correlation() -> None:
    rng, held = np.random.Generator(np.random.PCG64(0)), 0
    truth = 6 / np.pi * np.arcsin(0.5 / 2)  # Spearman's of a normal pair with Pearson's .5
    for _ in range(40):
        first = rng.normal(size=60)
        second = 0.5 * first + np.sqrt(0.75) * rng.normal(size=60)
        found = rank_correlation(first, second)
        assert found is not None
        held += found["low"] < truth < found["high"]
    assert held >= 33  # 38 are expected


def test_a_few_users_and_constants_say_nothing() -> None:
    assert rank_correlation(np.arange(5.0), np.arange(5.0)) is None
    assert rank_correlation(np.ones(9), np.arange(9.0)) is None
    assert _spearman(np.ones(4), np.arange(4.0)) == 0
