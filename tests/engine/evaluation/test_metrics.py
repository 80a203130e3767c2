"""Metrics of one relevant item: hand-computed values, the general formulas, and ties in random order."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.evaluation.metrics import (
    Standing,
    auc_parts,
    labelled_auc_parts,
    metrics,
    ndcg,
    order,
    standing,
    uauc,
)

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
    assert metrics(Standing(rank - 1)) == expected


@given(st.integers(1, 300), st.integers(1, 300))
def test_ndcg_is_the_general_formula_on_a_list_with_one_gain(rank: int, k: int) -> None:
    gains = [1.0 if place == rank else 0.0 for place in range(1, 301)]
    dcg = sum(gain / math.log2(place + 1) for place, gain in enumerate(gains[:k], start=1))
    ideal = sum(gain / math.log2(place + 1) for place, gain in enumerate(sorted(gains)[::-1][:k], start=1))
    assert ndcg(Standing(rank - 1), k) == pytest.approx(dcg / ideal)


@given(st.integers(0, 500), st.integers(0, 30))
def test_a_better_rank_is_never_worth_less(above: int, tied: int) -> None:
    better, worse = metrics(Standing(above, tied)), metrics(Standing(above + 1, tied))
    assert all(better[name] >= worse[name] for name in ("hr1", "hr10", "ndcg10", "mrr"))


def test_a_negative_count_is_refused() -> None:
    with pytest.raises(ValueError, match="start at 0"):
        Standing(-1)


@pytest.mark.parametrize("above, tied", [(0, 0), (0, 19), (3, 1), (7, 6), (9, 1), (10, 4), (8, 91)])
def test_every_metric_is_the_mean_over_shuffles_of_the_tied_items(above: int, tied: int) -> None:
    rng = np.random.Generator(np.random.PCG64(above + 100 * tied))
    ranks = above + 1 + rng.permuted(np.tile(np.arange(tied + 1), (10_000, 1)), axis=1)[:, 0]
    shuffled = {
        "rank": ranks,
        "hr1": ranks <= 1,
        "hr10": ranks <= 10,
        "ndcg10": np.where(ranks <= 10, 1 / np.log2(ranks + 1), 0),
        "mrr": 1 / ranks,
    }
    found = metrics(Standing(above, tied))
    for name, values in shuffled.items():
        assert found[name] == pytest.approx(values.mean(), abs=4 * values.std() / 100 + 1e-12), name


def test_a_constant_scorer_is_worth_what_chance_is_worth() -> None:
    found = metrics(standing([0.25] * 20, 7))
    assert (found["rank"], found["tied"], found["hr1"], found["hr10"]) == (10.5, 19, 0.05, 0.5)
    assert found["ndcg10"] == pytest.approx(sum(1 / math.log2(rank + 1) for rank in range(1, 11)) / 20)
    assert found["ndcg10"] == pytest.approx(0.227, abs=0.0005)
    assert found["mrr"] == pytest.approx(sum(1 / rank for rank in range(1, 21)) / 20)


def test_the_target_stands_among_its_equals() -> None:
    assert standing([0.5, 0.7, 0.5, 0.1], 2) == Standing(1, 1)
    assert standing([0.5, 0.7, 0.5, 0.1], 2).rank == 2.5
    assert list(Standing(1, 1).ranks) == [2, 3]


def test_nan_is_worse_than_every_number() -> None:
    assert standing([math.nan, -math.inf, 2.0], 0) == Standing(2)
    assert standing([math.nan, -math.inf, 2.0], 1) == Standing(1)
    assert order([math.nan, -math.inf, 2.0]) == [2, 1, 0]


def test_a_target_without_a_score_gains_nothing_from_others_without_one() -> None:
    assert standing([math.nan] * 20, 7) == Standing(19)
    assert uauc([math.nan] * 20, 7) == 0


@given(lists, st.data())
def test_the_place_shown_is_one_of_the_ranks_counted(scores: list[float], data: st.DataObject) -> None:
    target = data.draw(st.integers(0, len(scores) - 1).filter(lambda place: not math.isnan(scores[place])))
    shown = order(scores)
    assert sorted(shown) == list(range(len(scores)))
    assert shown.index(target) + 1 in standing(scores, target).ranks


@given(st.lists(st.sampled_from([0.0, 1.0, math.nan]), min_size=1, max_size=20))
def test_equal_scores_are_shown_in_the_order_given(scores: list[float]) -> None:
    shown = order(scores)
    for before, after in pairwise(shown):
        assert scores[before] > scores[after] or before < after or math.isnan(scores[after])


@given(st.lists(st.integers(-1000, 1000), min_size=2, max_size=30, unique=True), st.data())
def test_without_ties_the_rank_is_the_place_in_the_sorted_list(
    scores: list[int], data: st.DataObject
) -> None:
    target = data.draw(st.integers(0, len(scores) - 1))
    assert standing(scores, target) == Standing(sorted(scores, reverse=True).index(scores[target]))


@given(lists, st.data())
def test_the_standing_does_not_depend_on_where_the_target_is(
    scores: list[float], data: st.DataObject
) -> None:
    target = data.draw(st.integers(0, len(scores) - 1))
    places = data.draw(st.permutations(range(len(scores))))
    assert standing([scores[place] for place in places], places.index(target)) == standing(scores, target)


short = st.sampled_from([0.0, 1.0, 2.5, -3.0, math.nan, math.inf]) | st.floats(-5, 5)


@st.composite
def users(draw: st.DrawFn) -> list[list[float]]:
    """Score lists of 1 to 6 users, as long for everyone; the target stands first."""
    size = draw(st.integers(2, 6))
    return draw(st.lists(st.lists(short, min_size=size, max_size=size), min_size=1, max_size=6))


def chance(targets: list[float], others: list[float]) -> float:
    """The definition: how often a target is above another, ties half, NaN last, a target's very last."""

    def worth(score: float, missing: int) -> tuple[int, float]:
        return (missing, 0.0) if math.isnan(score) else (0, score)

    pairs = [(worth(target, -2), worth(other, -1)) for target in targets for other in others]
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
    assert uauc(scores, 0) == pytest.approx(1 - standing(scores, 0).above / (len(scores) - 1))


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


@given(
    st.lists(
        st.tuples(st.sampled_from([-1.0, 0.0, 0.5, 2.0, math.nan]), st.booleans()), min_size=2, max_size=25
    )
)
def test_the_area_by_label_is_the_chance_of_a_right_order(rows: list[tuple[float, bool]]) -> None:
    scores, labels = [score for score, _ in rows], [label for _, label in rows]
    if len({*labels}) < 2:
        with pytest.raises(ValueError, match="labels of both kinds"):
            labelled_auc_parts(scores, labels)
        return
    parts = labelled_auc_parts(scores, labels)
    above, below = ([score for score, label in rows if label is kind] for kind in (True, False))
    expected = sum(chance([score], below) for score in above) / len(above)
    assert parts.mean() == pytest.approx(expected)
    turned = labelled_auc_parts([-score for score in scores], [not label for label in labels])
    if not any(map(math.isnan, scores)):
        assert turned.tolist() == pytest.approx(parts.tolist())


def test_the_parts_by_label_have_the_variance_of_delong() -> None:
    rng = np.random.Generator(np.random.PCG64(0))
    labels = np.arange(90) < 30
    areas, variances = [], []
    for _ in range(600):
        parts = labelled_auc_parts((rng.normal(size=90) + labels).tolist(), labels.tolist())
        areas.append(parts.mean())
        variances.append(parts.var(ddof=1) / len(parts))
    assert np.mean(variances) == pytest.approx(np.var(areas), rel=0.15)
