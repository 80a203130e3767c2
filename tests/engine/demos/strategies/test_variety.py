"""MMR, DPP and Vote-k against their definitions, computed the slow way."""

from itertools import permutations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.demos.reader import directions, unit
from engine.demos.strategies.dpp import likeliest
from engine.demos.strategies.mmr import marginal
from engine.demos.strategies.votek import RHO, elected


def rows(seed: int, count: int, width: int = 4) -> np.ndarray:
    """Random unit vectors [count, width]."""
    return unit(np.random.default_rng(seed).normal(size=(count, width)))


@given(seed=st.integers(0, 999), count=st.integers(1, 9), size=st.integers(0, 10))
@settings(max_examples=40, deadline=None)
def test_mmr_takes_the_window_with_the_most_marginal_relevance(seed: int, count: int, size: int) -> None:
    vectors = rows(seed, count)
    relevance, likeness = vectors[:, 0], vectors @ vectors.T
    chosen = marginal(relevance, likeness, size, 0.6)
    assert len(set(chosen)) == len(chosen) == min(size, count)
    for step, place in enumerate(chosen):
        before = chosen[:step]
        value = {
            i: 0.6 * relevance[i] - 0.4 * max((likeness[i, j] for j in before), default=0.0)
            for i in range(count)
            if i not in before
        }
        assert value[place] >= max(value.values()) - 1e-12


@given(seed=st.integers(0, 999), count=st.integers(1, 8), size=st.integers(0, 9))
@settings(max_examples=40, deadline=None)
def test_each_dpp_choice_makes_the_determinant_largest(seed: int, count: int, size: int) -> None:
    vectors = rows(seed, count, 5)
    kernel = vectors @ vectors.T + 0.1 * np.eye(count)
    chosen = likeliest(kernel, size)
    assert len(set(chosen)) == len(chosen) == min(size, count)

    def determinant(places: list[int]) -> float:
        return float(np.linalg.det(kernel[np.ix_(places, places)]))

    for step, place in enumerate(chosen):
        before = chosen[:step]
        best = max(determinant([*before, i]) for i in range(count) if i not in before)
        assert np.isclose(determinant([*before, place]), best, rtol=1e-9)


def test_a_twin_comes_last_in_a_dpp_and_is_not_near_in_mmr() -> None:
    vectors = unit(np.array([[1.0, 0.1, 0.0], [1.0, 0.1, 0.0], [0.7, 0.7, 0.0], [0.5, 0.0, 1.0]]))
    likeness = vectors @ vectors.T
    assert likeliest(likeness + 1e-3 * np.eye(4), 4)[-1] in (0, 1)
    assert set(marginal(vectors[:, 0], likeness, 2, 1.0)) == {0, 1}
    assert set(marginal(vectors[:, 0], likeness, 2, 0.5)) != {0, 1}


@given(seed=st.integers(0, 999), count=st.integers(2, 9), nearest=st.integers(1, 4))
@settings(max_examples=40, deadline=None)
def test_votes_count_less_where_the_voter_is_spoken_for(seed: int, count: int, nearest: int) -> None:
    vectors = rows(seed, count)
    likeness = vectors @ vectors.T
    own = [
        sorted(set(range(count)) - {i}, key=lambda j, i=i: -likeness[i, j])[:nearest] for i in range(count)
    ]
    chosen = elected(likeness, count, nearest)
    assert sorted(chosen) == list(range(count))
    for step, place in enumerate(chosen):
        before = set(chosen[:step])
        value = {
            i: sum(RHO ** -len(before & set(own[v])) for v in range(count) if i in own[v] and v not in before)
            for i in range(count)
            if i not in before
        }
        assert value[place] >= max(value.values()) - 1e-9


def test_a_crowd_elects_one_of_its_own_before_a_loner() -> None:
    vectors = unit(np.array([[1, 0.01 * i, 0] for i in range(6)] + [[0, 0, 1.0]]))
    first, *_, last = elected(vectors @ vectors.T, 7, 3)
    assert first in range(6)
    assert last in range(7)
    assert 6 not in elected(vectors @ vectors.T, 1, 3)


def test_what_all_titles_share_does_not_make_them_alike() -> None:
    """A large common direction, as hidden states have it, drowns nothing."""
    vectors = np.array([[100, 1, 0], [100, 0.9, 0.1], [100, -1, 0.2]], np.float32)
    found = directions(lambda titles: vectors, ["a", "b", "c"])
    assert found[0] @ found[1] > 0.9
    assert found[0] @ found[2] < -0.9
    assert np.array_equal(directions(lambda titles: vectors[:1], ["a"]), np.zeros((1, 3)))


def test_orders_of_the_pool_do_not_matter_to_a_dpp() -> None:
    vectors = rows(3, 4)
    kernel = vectors @ vectors.T + 0.1 * np.diag([1, 2, 3, 4])
    sets = {
        frozenset(order[i] for i in likeliest(kernel[np.ix_(order, order)], 2))
        for order in map(list, permutations(range(4)))
    }
    assert len(sets) == 1
