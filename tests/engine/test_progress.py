"""How long work still takes, as a range from the units of this attempt; and the words for it."""

import random

import pytest

from db.time_left import time_left
from engine.progress import Report, TimeLeft, counting, give_way, part, plan


def told(times: list[float], total: int, start: float = 0.0) -> tuple[float, float] | None:
    """The range after units of these seconds, out of `total` of equal size, the first done at `start`."""
    left, seconds = TimeLeft(), 100.0
    left.note(start, seconds)
    for done, unit in enumerate(times, 1):
        seconds += unit
        left.note(start + (1 - start) * done / total, seconds)
    return left.range(seconds)


def test_nothing_is_said_before_enough_units() -> None:
    assert told([1.0] * 3, 10) is None
    assert told([1.0] * 4, 10) is not None
    assert told([0.01] * 40, 1000) is None, "four tenths of a second say nothing"


def test_even_units_give_a_narrow_range() -> None:
    low, high = told([2.0] * 10, 30) or (0, 0)
    assert low == pytest.approx(36)
    assert high == pytest.approx(44)


def test_what_an_earlier_attempt_did_takes_no_time_here() -> None:
    """A study that resumes at nine tenths, 60 s each for the rest, has not done its first part in seconds."""
    low, high = told([60.0] * 5, 10, start=0.9) or (0, 0)
    assert low <= 300 <= high
    assert high < 400


@pytest.mark.parametrize("seed", range(20))
def test_uneven_units_give_a_range_that_holds(seed: int) -> None:
    rng = random.Random(seed)
    times = [rng.uniform(1, 9) for _ in range(40)]
    low, high = told(times[:12], 40) or (0, 0)
    truth = sum(times[12:])
    assert low < high
    assert 0.8 * low <= truth <= 1.25 * high


def test_a_unit_that_takes_far_longer_takes_the_estimate_back() -> None:
    left = TimeLeft()
    for unit in range(11):
        left.note(unit / 20, float(unit))
    assert left.range(10.5) is not None
    assert left.range(30.0) is None
    left.note(0.1, 31.0)
    assert left.range(31.0) is None, "another count has begun"


def test_thousands_of_small_units_are_as_good_as_a_few_large_ones() -> None:
    low, high = told([0.05] * 400, 4000) or (0, 0)
    assert low < 180 < high < 210


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (None, None, ""),
        (1, 4, "a few seconds left"),
        (11, 38, "10 to 40 s left"),
        (29, 31, "about 30 s left"),
        (110, 250, "2 to 4 min left"),
        (3000, 5000, "50 to 83 min left"),
        (7000, 11000, "2 to 3 h left"),
        (0, 100, "1 to 2 min left"),
    ],
)
def test_the_words_for_a_range(low: float | None, high: float | None, words: str) -> None:
    assert time_left(low, high) == words


def test_what_is_planned_is_counted_and_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    shares: list[float | None] = []
    report: Report = lambda progress, message="", partial=None: shares.append(progress)  # noqa: E731
    monkeypatch.setattr("engine.progress.Tally.REPORT_EVERY_S", -1.0)
    give_way(5)
    with counting(part(report, 0.5, 1.0), "work"):
        plan(40)
        give_way(10)
        give_way(10)
        plan(0)
        give_way(100)
    assert shares == [0.625, 0.75, 1.0]
