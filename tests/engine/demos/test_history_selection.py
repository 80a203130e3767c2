"""Which purchases stand in the query: by hand, and blind to which candidate is the target."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from db.choices import HISTORY_WAYS
from db.datasets import Interaction
from engine.demos.history_selection import clusters, select, semantic
from tests.engine.demos.histories import embed

WORDS = ("lamp", "kettle", "chess", "rope", "violin", "quilt", "jug", "wax")


def bought(titles: Sequence[str], when: Sequence[int] | None = None) -> list[Interaction]:
    moments = when or [None] * len(titles)
    return [
        Interaction(i, i, f"i{i}", title, moment, None, None, None)
        for i, (title, moment) in enumerate(zip(titles, moments, strict=True))
    ]


def positions(rows: Sequence[Interaction]) -> list[int]:
    return [row.position for row in rows]


@given(
    titles=st.lists(st.sampled_from(WORDS), min_size=1, max_size=14),
    candidates=st.lists(st.sampled_from(WORDS), min_size=2, max_size=6, unique=True),
    size=st.integers(1, 8),
    way=st.sampled_from(list(HISTORY_WAYS)),
    seed=st.integers(0, 99),
)
@settings(max_examples=60, deadline=None)
def test_which_candidate_is_the_target_changes_nothing(
    titles: list[str], candidates: list[str], size: int, way: str, seed: int
) -> None:
    """The list's order is all that could tell the target apart, and any order gives the same history."""
    known = bought(titles, range(len(titles)))
    shown = select(known, size, way, candidates, embed)
    swapped = np.random.default_rng(seed).permutation(candidates).tolist()
    assert select(known, size, way, swapped, embed) == shown
    assert positions(shown) == sorted(set(positions(shown)))
    assert len(shown) == min(size, len(known))
    assert all(row in known for row in shown)


def test_semantic_takes_what_is_like_a_candidate_and_the_newer_of_equals() -> None:
    known = bought(["red lamp", "chess set", "blue rope", "chess set", "tin kettle"])
    assert positions(semantic(known, 1, ["chess board"], embed)) == [3]
    assert positions(semantic(known, 2, ["chess board"], embed)) == [1, 3]
    assert positions(semantic(known, 2, ["red lamps", "a blue rope"], embed)) == [0, 2]


def test_clusters_take_the_newest_of_each_stretch_of_time() -> None:
    when = [0, 1, 2, 50, 51, 90, 91, 92, 200, 201]
    known = bought([f"item {i}" for i in range(10)], when)
    assert positions(clusters(known, 4)) == [2, 4, 7, 9]
    assert positions(clusters(known, 6)) == [2, 4, 6, 7, 8, 9]
    assert positions(clusters(known, 2)) == [7, 9]


def test_clusters_are_equal_parts_without_timestamps_and_one_part_in_one_moment() -> None:
    known = bought([f"item {i}" for i in range(8)])
    assert positions(clusters(known, 4)) == [1, 3, 5, 7]
    same = bought([f"item {i}" for i in range(8)], [7] * 8)
    assert positions(clusters(same, 3)) == [5, 6, 7]


@pytest.mark.parametrize("way", HISTORY_WAYS)
def test_a_short_history_is_shown_whole_and_asks_no_model(way: str) -> None:
    known = bought(["lamp", "rope"])

    def never(titles: Sequence[str]) -> np.ndarray:
        raise AssertionError("asked")

    assert select(known, 2, way, ["chess"], never) == known
