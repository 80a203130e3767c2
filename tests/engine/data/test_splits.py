"""Leave-one-out and the time split, on arrays."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.errors import BadInput
from engine.data.splits import known, positions, target_position, time_periods

histories = st.lists(st.integers(1, 9), min_size=0, max_size=20)


def test_the_test_target_is_the_last_and_the_probe_the_second_last() -> None:
    assert target_position(5, "test") == 4
    assert target_position(5, "probe") == 3


@pytest.mark.parametrize("length, target", [(0, "test"), (1, "test"), (2, "probe"), (1, "probe")])
def test_a_history_too_short_for_its_target_is_refused(length: int, target: str) -> None:
    with pytest.raises(BadInput, match=f"{length} interactions has no {target} target"):
        target_position(length, target)


def test_an_unknown_target_is_refused_with_the_known_ones() -> None:
    with pytest.raises(BadInput, match="'last'; it must be one of test, probe"):
        target_position(9, "last")


@given(histories, st.sampled_from(["test", "probe"]))
def test_known_hides_exactly_the_newest_of_each_user(lengths: list[int], target: str) -> None:
    user = np.repeat(np.arange(len(lengths)), lengths)
    mask = known(user, target)
    for number, length in enumerate(lengths):
        own = mask[user == number]
        hidden = min(length, {"test": 1, "probe": 2}[target])
        assert own.tolist() == [True] * (length - hidden) + [False] * hidden
        assert positions(user)[user == number].tolist() == list(range(length))


@given(st.lists(st.integers(0, 40), min_size=1, max_size=200), st.integers(1, 8))
def test_periods_follow_time_and_never_cut_a_moment(times: list[int], periods: int) -> None:
    timestamp = np.array(times, dtype=np.int64)
    if len(set(times)) < periods:
        with pytest.raises(BadInput, match=f"{periods} periods were asked"):
            time_periods(timestamp, periods)
        return
    period, edges = time_periods(timestamp, periods)
    assert set(period.tolist()) == set(range(periods))
    assert edges.tolist() == [timestamp[period == number].min() for number in range(1, periods)]
    in_time = np.argsort(timestamp, kind="stable")
    assert (np.diff(period[in_time]) >= 0).all()
    for moment in set(times):
        assert len(set(period[timestamp == moment].tolist())) == 1


@given(st.integers(1, 8), st.integers(8, 300), st.randoms())
def test_periods_of_distinct_moments_hold_equal_numbers(periods: int, size: int, random) -> None:
    times = list(range(size))
    random.shuffle(times)
    period, _ = time_periods(np.array(times), periods)
    counts = np.bincount(period, minlength=periods)
    assert counts.max() - counts.min() <= 1


def test_periods_stay_near_equal_when_timestamps_are_days() -> None:
    timestamp = np.sort(np.random.default_rng(0).integers(0, 1000, size=100_000)) * 86_400
    period, _ = time_periods(timestamp, 10)
    assert np.abs(np.bincount(period) - 10_000).max() < 200


@pytest.mark.parametrize("periods", [0, -1])
def test_fewer_than_one_period_is_refused(periods: int) -> None:
    with pytest.raises(BadInput):
        time_periods(np.arange(10), periods)
