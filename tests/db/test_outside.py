"""Scores of outside systems in the store: one per name and kind of lists, replaced, listed, removed."""

import pytest

from db import datasets, forgotten, outside
from db.datasets import DatasetInfo
from db.errors import BadInput, NotFound
from db.outside import Lists, Scored
from db.store import Store
from tests.toys import toy_columns

LISTS = Lists()
ROWS = {"u0": Scored("f", [1.0, -2.5]), "u1": Scored("g", [0.1, 1e300])}


def test_scores_come_back_as_they_were_given(store: Store, toy: DatasetInfo) -> None:
    kept = outside.save(store, toy, LISTS, "mine", ROWS, "file.csv")
    assert (kept.name, kept.lists, kept.users, kept.source) == ("mine", LISTS, 2, "file.csv")
    assert outside.scored(store, toy, LISTS, "mine") == ROWS
    assert outside.get(store, toy, LISTS, "mine") == kept


def test_a_name_is_kept_once_for_each_kind_of_lists(store: Store, toy: DatasetInfo) -> None:
    others = [Lists(kind="hard"), Lists(size=5), Lists(seed=2**31 - 1), Lists(target="probe")]
    for lists in (LISTS, *others):
        outside.save(store, toy, lists, "mine", ROWS)
    outside.save(store, toy, LISTS, "mine", {"u2": ROWS["u0"]})
    outside.save(store, toy, LISTS, "another", ROWS)
    assert outside.scored(store, toy, LISTS, "mine") == {"u2": ROWS["u0"]}, "replaced"
    assert [outside.scored(store, toy, lists, "mine") for lists in others] == [ROWS] * 4
    assert outside.names(store, toy, LISTS) == ["another", "mine"]
    assert len(outside.listing(store, toy)) == 6
    assert outside.delete(store, toy, "mine", others[0]) == 1
    assert outside.delete(store, toy, "mine") == 4
    assert [system.name for system in outside.listing(store, toy)] == ["another"]


def test_what_is_not_there_is_said(store: Store, toy: DatasetInfo) -> None:
    outside.save(store, toy, LISTS, "mine", ROWS)
    for ask in (
        lambda: outside.scored(store, toy, LISTS, "other"),
        lambda: outside.get(store, toy, Lists(seed=1), "mine"),
        lambda: outside.delete(store, toy, "other"),
    ):
        with pytest.raises(NotFound, match="has no outside system"):
            ask()
    with pytest.raises(NotFound, match="there are: mine"):
        outside.get(store, toy, LISTS, "other")
    with pytest.raises(BadInput, match="needs a name"):
        outside.save(store, toy, LISTS, " ", ROWS)


def test_a_data_set_takes_its_systems_with_it_and_keeps_them_when_it_forgets(store: Store) -> None:
    first = datasets.insert(store, "shop", toy_columns(), kind="t", source="t", fingerprint="s", report={})
    outside.save(store, first, LISTS, "mine", ROWS)
    forgotten.forget(store, "shop", forgotten.user(store, "shop", "u3"))
    layer = datasets.get(store, "shop")
    assert layer.id != first.id
    assert outside.names(store, layer, LISTS) == ["mine"]
    datasets.delete(store, "shop")
    [gone] = datasets.deleted(store)
    datasets.purge(store, gone.info.id)
    assert outside.listing(store, first) == []
