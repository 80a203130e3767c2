"""Intervals that cover, tests that keep their level, and both a function of values and seed alone."""

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.evaluation.statistics import better, difference, estimate, interval, paired_p, running

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


@given(values, st.floats(-50, 50))
@few
def test_moving_every_value_moves_the_interval(drawn: np.ndarray, by: float) -> None:
    assert interval(drawn + by) == pytest.approx(tuple(end + by for end in interval(drawn)), abs=1e-6)


def test_without_a_difference_one_test_in_twenty_is_significant() -> None:
    p_values = [paired_p(row, np.zeros(30)) for row in normal(2, 200, 30)]
    assert 0.01 < np.mean(np.array(p_values) < 0.05) < 0.1


def test_a_pairing_finds_what_the_spread_between_users_would_hide() -> None:
    base = 100 * normal(3, 50)
    other = base + 0.1 + 0.1 * normal(4, 50)
    assert paired_p(other, base) < 0.001
    assert better(difference(other, base))
    assert not better(difference(base, other))
    assert paired_p(base, base) == 1.0


@given(values)
@few
def test_both_directions_have_the_same_p_and_opposite_differences(drawn: np.ndarray) -> None:
    zero = np.zeros(len(drawn))
    forth, back = difference(drawn, zero), difference(zero, drawn)
    assert forth["p"] == back["p"]
    assert forth["mean"] == pytest.approx(-back["mean"])


def test_the_exact_p_of_few_users() -> None:
    """Of the 2^4 signs of (1, 2, 3, 4), only all plus and all minus reach a mean of 2.5."""
    assert paired_p(np.array([1.0, 2, 3, 4]), np.zeros(4)) == pytest.approx(2 / 16, abs=0.012)


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
