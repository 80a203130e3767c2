"""Seeded draws: the same everywhere, uniform, and weighted where asked."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.data.draws import keys, keys_of, shuffled, weighted_order


def test_written_down_once_equal_on_every_machine() -> None:
    assert keys(2, "a", 1).tolist() == [9511292882428954830, 3553208559175261861]
    assert keys_of(np.array([0, 7]), "a", 1).tolist() == [7396012270989234248, 13623795124038336615]
    assert shuffled(6, "a", 1).tolist() == [1, 5, 0, 4, 3, 2]
    assert weighted_order(np.array([1.0, 0.0, 3.0, 2.0]), "a", 1).tolist() == [2, 3, 0]


@given(st.integers(0, 40), st.integers(0, 40), st.text(max_size=5))
def test_a_longer_draw_begins_with_a_shorter_one(short: int, more: int, part: str) -> None:
    assert keys(short + more, part)[:short].tolist() == keys(short, part).tolist()


@given(st.lists(st.integers(0, 2**62), unique=True, max_size=30), st.integers(0, 9))
def test_the_key_of_a_number_does_not_depend_on_the_others(numbers: list[int], seed: int) -> None:
    together = keys_of(np.array(numbers, dtype=np.int64), seed).tolist()
    assert together == [int(keys_of(np.array([number]), seed)[0]) for number in numbers]
    assert len(set(together)) == len(numbers)


@given(st.integers(0, 200), st.integers())
def test_a_shuffle_is_a_permutation(size: int, seed: int) -> None:
    assert sorted(shuffled(size, seed).tolist()) == list(range(size))


def test_different_parts_give_different_draws() -> None:
    drawn = {
        tuple(shuffled(20, *parts).tolist()) for parts in [("a", 1), ("a", 2), ("b", 1), ("a",), (1, "a")]
    }
    assert len(drawn) == 5


@pytest.mark.parametrize("draw", [lambda n: keys(n, "u"), lambda n: keys_of(np.arange(n), "u")])
def test_keys_are_uniform(draw) -> None:
    counts = np.bincount((draw(64_000) >> np.uint64(60)).astype(int), minlength=16)
    assert np.abs(counts - 4000).max() < 5 * np.sqrt(4000)


def test_weights_decide_who_comes_first_and_zero_never_comes() -> None:
    weights = np.array([1.0, 0.0, 3.0, 6.0])
    firsts = np.bincount([weighted_order(weights, seed)[0] for seed in range(4000)], minlength=4)
    assert firsts[1] == 0
    assert firsts / 4000 == pytest.approx(weights / 10, abs=0.04)
    assert sorted(weighted_order(weights, 0).tolist()) == [0, 2, 3]
