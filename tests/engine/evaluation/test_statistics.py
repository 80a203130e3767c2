"""Intervals that cover, tests that keep their level, and both a function of values and seed alone."""

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.evaluation.statistics import (
    better,
    difference,
    estimate,
    estimates,
    holm,
    interval,
    intervals,
    paired_tests,
    running,
    together,
)

values = st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=40).map(np.array)
few = settings(max_examples=20, deadline=None)


def normal(seed: int, *shape: int) -> np.ndarray:
    return np.random.Generator(np.random.PCG64(seed)).normal(size=shape)


def test_the_interval_is_as_wide_as_theory_says() -> None:
    drawn = 2 + normal(0, 400)
    low, high = interval(drawn)
    assert (high - low) / 2 == pytest.approx(1.96 / 20, rel=0.1)
    assert low < drawn.mean() < high


def test_nineteen_of_twenty_intervals_hold_the_true_mean() -> None:
    bounds = [interval(row) for row in normal(1, 300, 60)]
    assert 0.9 < np.mean([low < 0 < high for low, high in bounds]) < 0.98


@given(values, st.integers(0, 9))
@few
def test_an_interval_lies_within_the_values_and_repeats(drawn: np.ndarray, seed: int) -> None:
    low, high = interval(drawn, seed)
    assert drawn.min() - 1e-9 <= low <= high <= drawn.max() + 1e-9
    assert interval(drawn, seed) == (low, high)
    assert estimate(drawn, seed)["n"] == len(drawn)


@pytest.mark.parametrize("users", [1, 2, 7, 300])
def test_the_intervals_of_many_rows_are_those_of_each(users: int) -> None:
    rows = normal(2, 5, users)
    assert np.array(intervals(rows, 3)) == pytest.approx(np.array([interval(row, 3) for row in rows]))
    for quick, slow in zip(estimates(rows, 3), [estimate(row, 3) for row in rows], strict=True):
        assert quick == pytest.approx(slow)


@given(values, st.floats(-50, 50))
@few
def test_moving_every_value_moves_the_interval(drawn: np.ndarray, by: float) -> None:
    assert interval(drawn + by) == pytest.approx(tuple(end + by for end in interval(drawn)), abs=1e-6)


def gains(seed: int, tests: int, users: int, share_equal: float) -> np.ndarray:
    """Differences of NDCG@10 between two rankings that are alike: discrete, many of them 0."""
    rng = np.random.Generator(np.random.PCG64(seed))
    ranks = rng.integers(1, 21, (2, tests, users))
    ndcg = np.where(ranks <= 10, 1 / np.log2(ranks + 1), 0)
    return np.where(rng.random((tests, users)) < share_equal, 0, ndcg[0] - ndcg[1])


@pytest.mark.parametrize(("users", "share_equal"), [(30, 0.0), (30, 0.5), (100, 0.7)])
def test_without_a_difference_one_test_in_twenty_is_significant(users: int, share_equal: float) -> None:
    """400 tests: 5 % of them are 20, with a standard error of 4.4."""
    tests = paired_tests(gains(2, 400, users, share_equal))
    assert 0.025 < np.mean([test["p"] < 0.05 for test in tests]) < 0.08


def test_nineteen_of_twenty_intervals_hold_the_true_difference() -> None:
    tests = paired_tests(0.1 + gains(3, 400, 40, 0.3))
    assert 0.92 < np.mean([test["low"] <= 0.1 <= test["high"] for test in tests]) < 0.98


@given(st.integers(0, 10_000), st.integers(6, 60), st.floats(-0.3, 0.3), st.floats(0, 0.9))
@few
def test_an_interval_excludes_zero_exactly_where_p_is_small(
    seed: int, users: int, by: float, share_equal: float
) -> None:
    for test in paired_tests(gains(seed, 20, users, share_equal) + by):
        assert (test["low"] > 0 or test["high"] < 0) == (test["p"] < 0.05)
        assert better(test) == (test["low"] > 0)
        assert test["low"] <= test["mean"] <= test["high"]


def test_an_interval_ends_where_the_test_begins_to_reject() -> None:
    drawn = gains(5, 1, 25, 0.2)[0]
    test = difference(drawn, np.zeros(25))
    for end, way in ((test["low"], -1), (test["high"], 1)):
        assert difference(drawn, np.full(25, end + 1e-9 * -way))["p"] > 0.05
        assert difference(drawn, np.full(25, end + 1e-9 * way))["p"] < 0.05


def test_fewer_than_six_users_have_no_interval_and_reject_nothing() -> None:
    assert difference(np.ones(5), np.zeros(5)) == {
        "mean": 1.0,
        "low": None,
        "high": None,
        "n": 5,
        "p": pytest.approx(2 / 32, abs=0.01),
    }
    assert difference(np.ones(6), np.zeros(6))["low"] is not None


def test_tests_made_foundare_those_made_alone() -> None:
    rows = gains(6, 3, 40, 0.2)
    for found, row in zip(paired_tests(rows, 4), rows, strict=True):
        assert found == pytest.approx(difference(row, np.zeros(40), 4))


def test_holm_is_worked_out_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([]) == []
    assert [test["p_holm"] for test in together([{"p": 0.01}, {"p": 0.2}])] == pytest.approx([0.02, 0.2])


def test_among_many_tests_of_nothing_one_family_in_twenty_finds_something() -> None:
    families = [paired_tests(gains(seed, 20, 30, 0.3), seed) for seed in range(40)]
    raw = [min(test["p"] for test in family) < 0.05 for family in families]
    corrected = [any(test["p_holm"] < 0.05 for test in together(family)) for family in families]
    assert np.mean(raw) > 0.4
    assert np.mean(corrected) < 0.15


def test_a_pairing_finds_what_the_spread_between_users_would_hide() -> None:
    base = 100 * normal(3, 50)
    other = base + 0.1 + 0.1 * normal(4, 50)
    assert difference(other, base)["p"] < 0.001
    assert better(difference(other, base))
    assert not better(difference(base, other))
    assert not better({**difference(other, base), "p_holm": 0.06})
    assert difference(base, base)["p"] == 1.0


@given(values)
@few
def test_both_directions_have_the_same_p_and_opposite_differences(drawn: np.ndarray) -> None:
    zero = np.zeros(len(drawn))
    forth, back = difference(drawn, zero), difference(zero, drawn)
    assert forth["p"] == back["p"]
    assert forth["mean"] == pytest.approx(-back["mean"])
    assert (forth["low"] is None) == (back["high"] is None)
    if forth["low"] is not None:
        assert forth["low"] == pytest.approx(-back["high"])


def test_the_exact_p_of_few_users() -> None:
    """Of the 2^4 signs of (1, 2, 3, 4), only all plus and all minus reach a mean of 2.5."""
    assert difference(np.array([1.0, 2, 3, 4]), np.zeros(4))["p"] == pytest.approx(2 / 16, abs=0.012)


def test_a_running_mean_has_students_interval() -> None:
    values = [0.5, 0.45, 0.55, 0.5]
    shown = running(values)
    low, high = scipy.stats.t.interval(
        0.95, len(values) - 1, loc=np.mean(values), scale=scipy.stats.sem(values)
    )
    assert (shown["mean"], shown["n"]) == (pytest.approx(0.5), 4)
    assert (shown["low"], shown["high"]) == (pytest.approx(low), pytest.approx(high))
    assert running([0.9, 1.0, 0.8])["high"] == 1.0, "no mean lies above the largest value there can be"
    assert running([0.3]) == {"mean": 0.3, "low": None, "high": None, "n": 1}
