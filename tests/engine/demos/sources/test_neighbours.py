"""Neighbours' windows: the best first, and of equally good ones the newest."""

from db.store import Store
from engine.demos.query import build
from engine.demos.sources import neighbours
from tests.engine.demos.histories import Histories


def test_of_windows_that_score_alike_the_newest_come_first(store: Store) -> None:
    others = [(3, answer) for answer in (10, 11, 12, 13, 14)]
    times = [(at, at + 1) for at in (50, 10, 40, 30, 20)]
    dataset = Histories(20, ((1, 2, 3, 0), *others), ((60, 61, 62, 90), *times)).store(store)
    offered = neighbours.find(store, dataset, build(store, dataset, "u0"), 3, 0)
    assert [offer.window.answer.item for offer in offered] == [10, 12, 13]


def test_a_better_window_stands_before_a_newer_one(store: Store) -> None:
    bought = ((1, 2, 3, 0), (2, 3, 10), (8, 3, 11), (9, 3, 12))
    when = ((60, 61, 62, 90), (1, 2, 3), (71, 72, 73), (81, 82, 83))
    dataset = Histories(20, bought, when).store(store)
    offered = neighbours.find(store, dataset, build(store, dataset, "u0"), 3, 0)
    assert [offer.window.answer.item for offer in offered] == [10, 12, 11]
    assert offered[0].similarity > offered[1].similarity == offered[2].similarity
