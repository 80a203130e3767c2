"""Metrics of one relevant item: hand-computed values, the general formulas, and how ties count."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.evaluation.metrics import auc_parts, metrics, ndcg, order, rank_of, uauc

numbers = st.floats(allow_nan=True, allow_infinity=True) | st.sampled_from([0.0, 1.0, -0.0])
lists = st.lists(numbers, min_size=1, max_size=30)


@pytest.mark.parametrize(
    "rank, hr1, hr10, ndcg10, mrr",
    [
        (1, 1, 1, 1.0, 1.0),
        (2, 0, 1, 0.6309297535714575, 0.5),
        (10, 0, 1, 0.2890648263178878, 0.1),
        (11, 0, 0, 0.0, 1 / 11),
        (100, 0, 0, 0.0, 0.01),
    ],
)
def test_values_worked_out_by_hand(rank: int, hr1: float, hr10: float, ndcg10: float, mrr: float) -> None:
    expected = {"rank": rank, "hr1": hr1, "hr10": hr10, "ndcg10": pytest.approx(ndcg10), "mrr": mrr}
    assert metrics(rank) == expected


@given(st.integers(1, 300), st.integers(1, 300))
def test_ndcg_is_the_general_formula_on_a_list_with_one_gain(rank: int, k: int) -> None:
    gains = [1.0 if place == rank else 0.0 for place in range(1, 301)]
    dcg = sum(gain / math.log2(place + 1) for place, gain in enumerate(gains[:k], start=1))
    ideal = sum(gain / math.log2(place + 1) for place, gain in enumerate(sorted(gains)[::-1][:k], start=1))
    assert ndcg(rank, k) == pytest.approx(dcg / ideal)


@given(st.integers(1, 500))
def test_a_better_rank_is_never_worth_less(rank: int) -> None:
    better, worse = metrics(rank), metrics(rank + 1)
    assert all(better[name] >= worse[name] for name in ("hr1", "hr10", "ndcg10", "mrr"))


def test_a_rank_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="starts at 1"):
        metrics(0)


def test_ties_count_against_the_target() -> None:
    assert rank_of([0.5, 0.5, 0.5], 0) == 3
    assert rank_of([0.5, 0.7, 0.5, 0.1], 2) == 3


def test_nan_is_worse_than_every_number() -> None:
    assert rank_of([math.nan, -1e30, 2.0], 0) == 3
    assert rank_of([math.nan, -1e30, 2.0], 1) == 2


@given(lists, st.data())
def test_the_list_shown_is_the_rank_counted(scores: list[float], data: st.DataObject) -> None:
    target = data.draw(st.integers(0, len(scores) - 1))
    shown = order(scores, target)
    assert sorted(shown) == list(range(len(scores)))
    assert shown.index(target) + 1 == rank_of(scores, target)


@given(st.lists(st.integers(-1000, 1000), min_size=2, max_size=30, unique=True), st.data())
def test_without_ties_the_rank_is_the_place_in_the_sorted_list(
    scores: list[int], data: st.DataObject
) -> None:
    target = data.draw(st.integers(0, len(scores) - 1))
    assert rank_of(scores, target) == sorted(scores, reverse=True).index(scores[target]) + 1


@given(lists, st.data())
def test_the_rank_does_not_depend_on_where_the_target_stands(
    scores: list[float], data: st.DataObject
) -> None:
    target = data.draw(st.integers(0, len(scores) - 1))
    places = data.draw(st.permutations(range(len(scores))))
    assert rank_of([scores[place] for place in places], places.index(target)) == rank_of(scores, target)


short = st.sampled_from([0.0, 1.0, 2.5, -3.0, math.nan, math.inf]) | st.floats(-5, 5)


@st.composite
def users(draw: st.DrawFn) -> list[list[float]]:
    """Score lists of 1 to 6 users, as long for everyone; the target stands first."""
    size = draw(st.integers(2, 6))
    return draw(st.lists(st.lists(short, min_size=size, max_size=size), min_size=1, max_size=6))


def chance(targets: list[float], others: list[float]) -> float:
    """The definition: how often a target is above another, ties half, NaN below everything."""

    def worth(score: float) -> float:
        return -math.inf if math.isnan(score) else score

    pairs = [(worth(target), worth(other)) for target in targets for other in others]
    return sum((target > other) + (target == other) / 2 for target, other in pairs) / len(pairs)


@given(users())
def test_the_area_under_the_curve_is_the_chance_of_a_right_order(lists: list[list[float]]) -> None:
    targets, others = [row[0] for row in lists], [row[1:] for row in lists]
    parts = auc_parts(targets, others)
    assert len(parts) == len(lists)
    assert parts.mean() == pytest.approx(chance(targets, [score for row in others for score in row]))
    assert [uauc(row, 0) for row in lists] == pytest.approx([chance([row[0]], row[1:]) for row in lists])


@given(users())
def test_a_user_alone_has_the_same_area_either_way(lists: list[list[float]]) -> None:
    assert auc_parts([lists[0][0]], [lists[0][1:]]).tolist() == pytest.approx([uauc(lists[0], 0)])


@given(st.lists(st.integers(-99, 99), min_size=2, max_size=20, unique=True))
def test_the_area_of_a_list_without_ties_is_a_matter_of_the_rank(scores: list[int]) -> None:
    assert uauc(scores, 0) == pytest.approx(1 - (rank_of(scores, 0) - 1) / (len(scores) - 1))


def test_scores_on_each_users_own_scale_spoil_the_area_of_all_but_not_of_each() -> None:
    assert auc_parts([11.0, 1.0], [[10.0], [0.0]]).mean() == 0.75
    assert uauc([11.0, 10.0], 0) == uauc([1.0, 0.0], 0) == 1


def test_the_spread_of_the_parts_is_the_spread_of_the_area_over_draws_of_users() -> None:
    rng = np.random.Generator(np.random.PCG64(0))
    shift = rng.normal(size=(400, 50, 1))  # a user's scores go together
    scores = shift + rng.normal(size=(400, 50, 6))
    parts = [auc_parts(draw[:, 0] + 0.7, draw[:, 1:]) for draw in scores]
    spread = np.std([part.mean() for part in parts])
    assert np.mean([part.std(ddof=1) / 50**0.5 for part in parts]) == pytest.approx(spread, rel=0.15)


def test_users_with_lists_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="same number"):
        auc_parts([1.0, 2.0], [[0.0], []])
