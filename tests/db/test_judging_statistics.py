"""Intervals, kappas and rank correlations against published examples and known values."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.judging.statistics import agreeing, cohen, fleiss, rank_correlation, share


@pytest.mark.parametrize(
    ("of", "n", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_the_interval_is_that_of_newcombe_1998(of: int, n: int, low: float, high: float) -> None:
    """Table I of Newcombe, "Two-sided confidence intervals for the single proportion", method 3 (Wilson)."""
    found = share([1.0] * of + [0.0] * (n - of))
    assert found is not None
    assert (found["low"], found["high"]) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))


@given(st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0]), min_size=1, max_size=60))
def test_an_interval_holds_its_mean_and_stays_a_share(values: list[float]) -> None:
    found = share(values)
    assert found is not None
    assert 0 <= found["low"] <= found["mean"] + 1e-12
    assert found["mean"] - 1e-12 <= found["high"] <= 1


def test_nothing_has_no_share() -> None:
    assert share([]) is None


def test_cohens_own_example() -> None:
    """Cohen 1960: 200 patients sorted by two judges into three kinds, kappa .492."""
    table = [[88, 10, 2], [14, 40, 6], [18, 10, 12]]
    first = [row for row, cells in enumerate(table) for count in cells for _ in range(count)]
    second = [column for cells in table for column, count in enumerate(cells) for _ in range(count)]
    assert cohen(first, second) == pytest.approx(0.492, abs=5e-4)


def test_fleiss_on_the_published_table_of_fourteen_raters() -> None:
    """Ten subjects, fourteen raters, five categories: kappa .210 (the worked example in most textbooks)."""
    rows = (
        "0 0 0 0 14|0 2 6 4 2|0 0 3 5 6|0 3 9 2 0|2 2 8 1 1|7 7 0 0 0|3 2 6 3 0|2 5 3 2 2|6 5 2 1 0|0 2 2 3 7"
    )
    counted = [list(map(int, row.split())) for row in rows.split("|")]
    answers = [[kind for kind, count in enumerate(row) for _ in range(count)] for row in counted]
    assert fleiss(answers) == pytest.approx(0.210, abs=5e-4)
    assert fleiss([*answers, [3]]) == fleiss(answers), "a single answer agrees with nobody"


def test_judges_who_never_vary_have_no_kappa() -> None:
    assert cohen("aaa", "aaa") is None
    assert cohen("", "") is None
    assert cohen("aaa", "bbb") == 0
    assert fleiss(["aaa", "aa"]) is None
    assert fleiss(["a", "b"]) is None
    assert fleiss(["aa", "bb"]) == 1
    assert agreeing("aab") == pytest.approx(1 / 3)


def test_rank_correlation() -> None:
    found = rank_correlation([1, 2, 3, 4, 5], [2, 1, 4, 3, 5])
    assert found is not None
    assert found["mean"] == pytest.approx(0.8)
    assert found["low"] < 0 < found["high"] < 1  # type: ignore[operator]
    tied = rank_correlation([1, 2, 2, 3], [1.0, 0.5, 0.5, 0.0])
    assert tied == {"mean": pytest.approx(-1.0), "low": None, "high": None, "n": 4}
    assert rank_correlation([1, 1, 1], [1, 2, 3]) is None
    assert rank_correlation([1], [1]) is None
    assert rank_correlation([1, 2, 3], [3, 1, 2]) == {"mean": -0.5, "low": None, "high": None, "n": 3}
