"""Data sets: stored whole or not at all, listed, deleted with undo."""

from dataclasses import replace

import numpy as np
import pytest

from db import bulk, datasets, runs
from db.datasets import DatasetColumns, DatasetInfo
from db.errors import BadInput, Conflict, DataError, NotFound
from db.requests import RunRequest
from db.store import Store
from tests.toys import toy_columns


def insert(store: Store, name: str = "toy", columns: DatasetColumns | None = None, fingerprint: str = "a"):
    return datasets.insert(
        store,
        name,
        columns or toy_columns(),
        kind="csv",
        source="toy.csv",
        fingerprint=fingerprint,
        report={},
    )


def same(left: DatasetColumns, right: DatasetColumns) -> bool:
    def equal(a, b) -> bool:
        if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
            return a.dtype == b.dtype and np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
        return a == b

    return all(equal(value, getattr(right, name)) for name, value in vars(left).items())


def test_a_data_set_comes_back_as_it_was_stored(store: Store) -> None:
    columns = replace(
        toy_columns(),
        attributes=[{"price": 1.5 * item, "tags": ["a", "é"]} if item % 2 else {} for item in range(6)],
        tie=np.array([True, False, False, True, False]),
    )
    info = insert(store, columns=columns)
    assert (info.users, info.items, info.interactions) == (5, 6, 25)
    assert info.has_timestamps
    assert info.has_ratings
    assert datasets.get(store, "toy") == info
    assert same(datasets.columns(store, info.id), columns)


def test_missing_timestamps_and_ratings_stay_missing(store: Store) -> None:
    bare = replace(toy_columns(timestamps=False), rating=None)
    info = insert(store, columns=bare)
    assert not info.has_timestamps
    assert not info.has_ratings
    assert same(datasets.columns(store, info.id), bare)
    holes = toy_columns()
    holes.rating[3] = np.nan  # type: ignore[index]
    info = insert(store, "holes", holes, "b")
    assert same(datasets.columns(store, info.id), holes)
    assert datasets.history(store, info.id, 0)[3].rating is None


def test_users_and_items_without_interactions_are_kept(store: Store) -> None:
    columns = toy_columns()
    columns = replace(
        columns,
        item_ids=[*columns.item_ids, "never"],
        titles=[*columns.titles, "Never bought"],
        categories=[*columns.categories, None],
        brands=[*columns.brands, None],
        user_ids=[*columns.user_ids, "nobody"],
        tie=np.append(columns.tie, False),
    )
    info = insert(store, columns=columns)
    assert datasets.user(store, info.id, "nobody").length == 0
    assert datasets.user(store, info.id, "nobody").last_timestamp is None
    assert datasets.history(store, info.id, 5) == []
    assert datasets.items(store, info.id, [6])[6].count == 0
    assert same(datasets.columns(store, info.id), columns)


@pytest.mark.parametrize("interactions", [0, 1, 63, 64, 65, 129])
def test_every_row_of_a_chunk_is_stored(
    store: Store, monkeypatch: pytest.MonkeyPatch, interactions: int
) -> None:
    monkeypatch.setattr(bulk, "CHUNK", 128)
    columns = toy_columns(users=1, items=5, length=interactions)
    info = insert(store, columns=columns)
    assert same(datasets.columns(store, info.id), columns)
    assert len(datasets.occurrences(store, info.id, range(5))) == interactions


def test_the_same_data_again_changes_nothing(store: Store, toy: DatasetInfo) -> None:
    again = insert(store, fingerprint=toy.fingerprint)
    assert again == toy
    assert datasets.listing(store) == [toy]


def test_a_name_taken_by_other_data_is_a_conflict(store: Store, toy: DatasetInfo) -> None:
    with pytest.raises(Conflict, match=r"'toy' is taken .*25 interactions from toy\.csv"):
        insert(store, columns=toy_columns(length=3), fingerprint="other")
    assert datasets.listing(store) == [toy]
    assert len(datasets.history(store, toy.id, 0)) == 5


def test_the_same_data_may_have_two_names(store: Store, toy: DatasetInfo) -> None:
    other = insert(store, "another", fingerprint=toy.fingerprint)
    assert [info.name for info in datasets.listing(store)] == ["another", "toy"]
    assert datasets.history(store, other.id, 2) == datasets.history(store, toy.id, 2)


def test_an_unknown_name_is_told_with_near_matches(store: Store) -> None:
    with pytest.raises(NotFound, match="no data set yet"):
        datasets.get(store, "toy")
    insert(store, "video-games")
    with pytest.raises(NotFound, match="Did you mean 'video-games'"):
        datasets.get(store, "videogames")
    with pytest.raises(NotFound, match="There are: 'video-games'"):
        datasets.get(store, "xyz")


def test_deleting_hides_and_restoring_brings_back(store: Store, toy: DatasetInfo) -> None:
    datasets.delete(store, "toy")
    assert datasets.listing(store) == []
    with pytest.raises(NotFound):
        datasets.get(store, "toy")
    with pytest.raises(NotFound, match="is deleted already"):
        datasets.delete(store, "toy")
    (entry,) = datasets.deleted(store)
    assert entry.info == toy
    assert entry.bytes > 0
    assert datasets.restore(store, toy.id) == toy
    assert len(datasets.history(store, toy.id, 0)) == 5
    assert datasets.deleted(store) == []
    with pytest.raises(NotFound, match="no longer in the bin"):
        datasets.restore(store, toy.id)


def test_inserting_deleted_data_again_brings_it_back(store: Store, toy: DatasetInfo) -> None:
    datasets.delete(store, "toy")
    assert insert(store, fingerprint=toy.fingerprint) == toy
    assert datasets.listing(store) == [toy]


def test_a_freed_name_can_be_used_and_blocks_the_return(store: Store, toy: DatasetInfo) -> None:
    datasets.delete(store, "toy")
    other = insert(store, fingerprint="other")
    assert other.id != toy.id
    with pytest.raises(Conflict, match="has that name now"):
        datasets.restore(store, toy.id)
    datasets.delete(store, "toy")
    assert [entry.info for entry in datasets.deleted(store)] == [other, toy]
    assert datasets.restore(store, other.id) == other


def test_purging_removes_the_rows_and_keeps_the_runs(store: Store, toy: DatasetInfo) -> None:
    run = runs.Run("k" * 64, RunRequest("toy", "u0"), "d", toy.id, "u0", "embedded", {}, {})
    runs.save(store, run)
    with pytest.raises(NotFound):
        datasets.purge(store, toy.id)
    assert datasets.history(store, toy.id, 0)
    datasets.delete(store, "toy")
    assert datasets.purge(store, toy.id) == toy
    assert datasets.history(store, toy.id, 0) == []
    assert datasets.catalogue(store, toy.id).titles == []
    assert datasets.deleted(store) == []
    with pytest.raises(NotFound):
        datasets.restore(store, toy.id)
    stored = runs.by_key(store, run.key)
    assert stored is not None
    assert stored.dataset_id is None
    assert insert(store).id != toy.id


@pytest.mark.parametrize("name", ["", " ", " toy", "toy\n", "a\x00b", "x" * 201, "\ud800", "\u202etoy"])
def test_an_unusable_name_is_refused(store: Store, name: str) -> None:
    with pytest.raises(BadInput, match="data set"):
        insert(store, name)
    assert datasets.listing(store) == []


@pytest.mark.parametrize(
    "name", ["'; DROP TABLE datasets; --", "../../etc", "100%_\\", "日本語", "a/b?c=d&e#f"]
)
def test_a_hostile_name_is_a_name(store: Store, name: str) -> None:
    info = insert(store, name)
    assert datasets.get(store, name) == info
    datasets.delete(store, name)
    assert datasets.restore(store, info.id) == info


def broken(**changes) -> DatasetColumns:
    return replace(toy_columns(), **changes)


TOY = toy_columns()
BROKEN = {
    "item has 24 entries": {"item": TOY.item[1:]},
    "titles has 5 entries": {"titles": TOY.titles[1:]},
    "tie has 2 entries": {"tie": TOY.tie[:2]},
    "item points outside": {"item": TOY.item + 1},
    "user points outside": {"user": TOY.user - 1},
    "not sorted by user: see row 5": {"user": TOY.user[::-1].copy()},
    "item_ids holds 'i0' twice": {"item_ids": ["i0", "i0", "i2", "i3", "i4", "i5"]},
    "user_ids, row 1: ''": {"user_ids": ["u0", "", "u2", "u3", "u4"]},
    "item_ids, row 2: 'a.x00b'": {"item_ids": ["i0", "i1", "a\x00b", "i3", "i4", "i5"]},
    "user_ids, row 0: '.ud800'": {"user_ids": ["\ud800", "u1", "u2", "u3", "u4"]},
    "timestamp holds float64": {"timestamp": TOY.timestamp.astype(float)},  # type: ignore[union-attr]
}


@pytest.mark.parametrize("message", BROKEN)
def test_columns_that_do_not_fit_are_refused(store: Store, message: str) -> None:
    with pytest.raises(DataError, match=message):
        insert(store, columns=broken(**BROKEN[message]))
    assert datasets.listing(store) == []


def test_unstorable_characters_in_titles_are_replaced_and_counted(store: Store) -> None:
    titles = ["a\x00b", "half \ud83d", "plain", "plain", "😀", ""]
    info = insert(store, columns=broken(titles=titles, brands=["\x00", None, None, None, None, None]))
    assert info.report["texts_repaired"] == 3
    assert datasets.catalogue(store, info.id).titles == ["a�b", "half �", "plain", "plain", "😀", ""]
    assert datasets.items(store, info.id, [0])[0].brand == "�"


def test_a_failure_on_the_way_leaves_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop_at_occurrences(*_):
        raise RuntimeError("out of luck")

    monkeypatch.setattr("db.datasets.insertion._occurrences", stop_at_occurrences)
    with pytest.raises(RuntimeError):
        insert(store)
    monkeypatch.undo()
    assert datasets.listing(store) == []
    assert datasets.history(store, 1, 0) == []
    insert(store)
