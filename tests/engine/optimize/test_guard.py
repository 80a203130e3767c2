"""The verdict follows from the held-out gains alone, and its bound is the textbook one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from engine.optimize.guard import EXPECTED, FEW, FEWEST, SURE, SURELY, better, bound, expectation, judge

GAINS = st.lists(st.floats(-5, 5), min_size=FEWEST, max_size=12)


def even(count: int) -> np.ndarray:
    return np.full(count, 1 / count)


@given(GAINS)
def test_with_equal_shares_the_bound_is_students_t(gains: list[float]) -> None:
    values = np.array(gains)
    found = bound(values, even(len(values)))
    error = values.std(ddof=1) / np.sqrt(len(values))
    assert found.mean == pytest.approx(values.mean(), abs=1e-9)
    assert found.low == pytest.approx(values.mean() - stats.t.ppf(SURE, len(values) - 1) * error, abs=1e-6)
    assert found.high - found.mean == pytest.approx(found.mean - found.low)


def test_a_probe_of_no_weight_changes_nothing_and_unequal_ones_make_it_wider() -> None:
    values = np.array([1.0, 2.0, 4.0, 3.0])
    plain = bound(values[:3], np.array([0.4, 0.3, 0.3]))
    assert bound(values, np.array([0.4, 0.3, 0.3, 0.0])).low == pytest.approx(plain.low)
    uneven = bound(values, np.array([0.7, 0.1, 0.1, 0.1]))
    assert uneven.high - uneven.low > bound(values, even(4)).high - bound(values, even(4)).low
    assert bound(values[:1], np.ones(1)).low == -np.inf


@given(GAINS, GAINS)
def test_what_is_applied_is_surely_above_nothing(one: list[float], two: list[float]) -> None:
    count = min(len(one), len(two))
    first, second, share = np.array(one[:count]), np.array(two[:count]), even(count)
    found = judge(first, second, share)
    applied = {"two-stage": second, "stage 1": first}.get(found.verdict)
    if applied is None:
        assert found.verdict == "zero-shot"
        assert bound(first, share).low <= 0
    else:
        assert bound(applied, share).low > 0
    if found.verdict == "two-stage":
        assert bound(second - first, share).low > 0


def test_each_verdict_and_its_reason() -> None:
    share, gains = even(4), np.array([1.0, 1.1, 0.9, 1.0])
    assert judge(gains, gains + np.array([0.5, 0.4, 0.5, 0.6]), share).verdict == "two-stage"
    kept = judge(gains, gains + np.array([0.5, -0.6, 0.1, 0.0]), share)
    assert kept.verdict == "stage 1"
    assert "weights are not reliably better" in kept.reason
    assert kept.gain_stage1 is not None
    assert f"(70 % sure of at least +{kept.gain_stage1.low:.2f})" in kept.reason
    harm = judge(np.array([1.0, -2.0, 0.5, -1.0]), None, share)
    assert harm.verdict == "zero-shot"
    assert "No demonstrations are applied" in harm.reason
    few = judge(np.array([9.0, 9.0]), None, even(2))
    assert few.verdict == "zero-shot"
    assert "at least 3" in few.reason
    assert few.to_json()["gain_stage1"] is None


def test_other_users_count_by_their_number() -> None:
    share, own, others = even(4), np.array([0.0, 0.1, -0.1, 0.0]), np.array([0.3, 0.5, 0.4, 0.4])
    alone, together = judge(own, None, share), judge(own, None, share, others)
    assert (alone.verdict, together.verdict) == ("zero-shot", "stage 1")
    assert together.gain_stage1 is not None
    part = EXPECTED * 4 / (4 + FEW)
    assert together.gain_stage1.mean == pytest.approx((1 - part) * own.mean() + part * others.mean())
    assert "4 purchases of other users" in together.reason
    assert judge(own - 1, None, share, others).verdict == "zero-shot"
    assert judge(np.zeros(0), None, np.zeros(0), others).verdict == "stage 1"


def test_where_no_strategy_surely_helps_a_data_set_nobody_gets_demonstrations() -> None:
    helps, harms = np.array([0.2, 0.4, 0.3, 0.3]), np.array([0.1, -0.4, 0.3, -0.2])
    assert expectation({"bm25": harms, "recent": helps}) == ("recent", None)
    name, refused = expectation({"bm25": harms, "recent": harms - 0.1})
    assert name is None
    assert refused is not None
    assert refused.verdict == "zero-shot"
    assert "best of 2 strategies gains \N{MINUS SIGN}0.05" in refused.reason
    assert "(80 % sure of at least \N{MINUS SIGN}" in refused.reason
    assert refused.gain_stage1 is not None
    assert refused.gain_stage1.to_json()["sure"] == SURELY
    # Too little known to refuse, or to expect anything.
    assert expectation({"bm25": harms[:2]}) == expectation({}) == (None, None)
    # The best of several has to be surer than a single user's set.
    assert expectation({"bm25": np.array([0.3, -0.2, 0.2, 0.0])})[1] is not None
    assert bound(np.array([0.3, -0.1, 0.2, 0.0]), even(4)).low > 0


def test_one_set_is_better_where_the_same_probes_say_so_together() -> None:
    old, share = np.array([0.5, -0.4, 0.1, 0.3]), np.full(4, 0.25)
    assert better(old + np.array([0.1, 0.2, 0.1, 0.1]), old, share)
    assert not better(old, old, share)
    assert not better(old[::-1], old, share)
    assert not better(old[:1] + 1, old[:1], np.ones(1))  # one probe bounds nothing
    assert not better(old[:0], old[:0], share[:0])


def test_what_cannot_be_bounded_is_null_in_json() -> None:
    others = np.array([0.2, 0.3, 0.4])
    found = judge(np.array([0.5]), np.array([0.6]), np.ones(1), others)
    assert found.to_json()["over_stage1"] == {
        "mean": pytest.approx(0.1),
        "low": None,
        "high": None,
        "sure": SURE,
    }
    assert found.verdict == "stage 1"
