"""The query: what of a history goes into it, and which histories have none."""

import pytest

from db import datasets
from db.errors import BadInput, NotFound
from db.store import Store
from engine.demos.query import build
from engine.progress import counted
from tests.engine.demos.histories import Histories


def test_the_newest_items_before_the_target(store: Store) -> None:
    dataset = Histories(20, (tuple(range(15)),), (tuple(range(100, 115)),)).store(store)
    query = build(store, dataset, "u0", history=3)
    assert [row.item for row in query.history] == [11, 12, 13]
    assert (query.target.item, query.target_position, query.target_timestamp) == (14, 14, 114)
    assert len(build(store, dataset, "u0").history) == 10
    probe = build(store, dataset, "u0", "probe", 3)
    assert [row.item for row in probe.history] == [10, 11, 12]
    assert (probe.target.item, probe.target_position, probe.target_timestamp) == (13, 13, 113)


def test_without_timestamps_there_is_no_moment(store: Store) -> None:
    dataset = Histories(3, ((0, 1, 2),), None).store(store)
    assert build(store, dataset, "u0").target_timestamp is None
    assert (build(store, dataset, "u0").held_out, build(store, dataset, "u0", "probe").held_out) == (1, 2)


@pytest.mark.parametrize("length, target", [(0, "test"), (1, "test"), (1, "probe"), (2, "probe")])
def test_a_history_too_short_names_the_user_and_its_length(store: Store, length: int, target: str) -> None:
    dataset = Histories(3, ((0, 1, 2), (0,) * length), None).store(store)
    with pytest.raises(
        BadInput, match=f"'u1' of .* history of {counted(length, 'interaction')}; the {target}"
    ):
        build(store, dataset, "u1", target)


def test_what_is_not_there_is_said(store: Store) -> None:
    dataset = Histories(3, ((0, 1, 2),), None).store(store)
    with pytest.raises(NotFound, match="no user 'u7'"):
        build(store, dataset, "u7")
    with pytest.raises(BadInput, match="test, probe"):
        build(store, dataset, "u0", "last")
    with pytest.raises(BadInput, match="history is 0"):
        build(store, dataset, "u0", history=0)


def test_the_whole_history_is_read_from_the_store(store: Store) -> None:
    dataset = Histories(4, ((3, 1, 2),), None).store(store)
    assert build(store, dataset, "u0").history == datasets.history(store, dataset.id, 0)[:2]
