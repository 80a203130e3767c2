"""Histories, windows, items and occurrences, against the toy data set worked out by hand."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from db import datasets
from db.datasets import DatasetInfo, Interaction, Item
from db.store import Store
from tests.toys import TITLES, toy_columns


def test_a_history_is_in_order_with_titles(store: Store, toy: DatasetInfo) -> None:
    found = datasets.history(store, toy.id, 2)
    assert [one.item for one in found] == [2, 3, 4, 5, 0]
    assert [one.position for one in found] == [0, 1, 2, 3, 4]
    assert found[1] == Interaction(
        1, 3, "i3", "Café International", 1_000_000_000 + 3 * 86_400, 4.0, "Games", "Nintendo"
    )
    assert datasets.history(store, toy.id, 99) == []
    assert datasets.history(store, toy.id + 1, 2) == []
    assert len(datasets.history(store, toy.id, np.int64(2))) == 5  # type: ignore[arg-type]


def test_windows_are_slices_of_histories(store: Store, toy: DatasetInfo) -> None:
    spans = [(2, 1, 3), (0, 0, 5), (2, 1, 3), (4, 3, 99), (1, 2, 2), (77, 0, 5)]
    found = datasets.windows(store, toy.id, spans)
    assert found == [datasets.history(store, toy.id, user)[start:stop] for user, start, stop in spans]
    assert datasets.windows(store, toy.id, []) == []


def test_windows_beyond_one_statement(store: Store, toy: DatasetInfo) -> None:
    spans = [(n % 5, n % 4, n % 4 + 2) for n in range(1203)]
    histories = [datasets.history(store, toy.id, user) for user in range(5)]
    assert datasets.windows(store, toy.id, spans) == [histories[user][a:b] for user, a, b in spans]


def test_items_by_number_and_by_id(store: Store, toy: DatasetInfo) -> None:
    zelda = Item(0, "i0", TITLES[0], "Video Games", "Nintendo", 4)
    assert datasets.items(store, toy.id, [0, 99])[0] == zelda
    assert list(datasets.items(store, toy.id, [0, 99])) == [0]
    assert datasets.item_by_ids(store, toy.id, ["i0", "nothing", "a\x00b"[:1]]) == {"i0": zelda}
    assert datasets.items(store, toy.id, []) == {}
    many = datasets.items(store, toy.id, range(20_000))
    assert sorted(many) == list(range(6))


def test_the_catalogue_counts_interactions(store: Store, toy: DatasetInfo) -> None:
    catalogue = datasets.catalogue(store, toy.id)
    assert catalogue.titles == list(TITLES)
    assert catalogue.item_ids == [f"i{item}" for item in range(6)]
    assert catalogue.counts.dtype == np.int64
    assert catalogue.counts.tolist() == [Counter(toy_columns().item.tolist())[item] for item in range(6)]


def test_occurrences_are_all_or_a_uniform_sample(store: Store) -> None:
    columns = toy_columns(users=400, items=2, length=2)
    info = datasets.insert(store, "two", columns, kind="", source="", fingerprint="2", report={})
    everything = datasets.occurrences(store, info.id, [1, 0], per_item=400)
    assert [item for item, _, _ in everything] == [1] * 400 + [0] * 400
    assert {(user, position) for item, user, position in everything if item == 1} == {
        (user, (user + 1) % 2) for user in range(400)
    }
    sample = datasets.occurrences(store, info.id, [1, 5], per_item=50, seed=3)
    assert len(set(sample)) == 50
    assert set(sample) <= set(everything)
    assert sample == datasets.occurrences(store, info.id, [1], per_item=50, seed=3)
    assert sample != datasets.occurrences(store, info.id, [1], per_item=50, seed=4)
    drawn = Counter(
        user for seed in range(100) for _, user, _ in datasets.occurrences(store, info.id, [1], 50, seed)
    )
    assert sum(drawn[user] for user in range(200)) == pytest.approx(2500, abs=200)


def test_occurrences_of_an_item_come_in_the_order_they_became_known(store: Store) -> None:
    rng = np.random.default_rng(0)
    columns = toy_columns(users=30, items=4, length=6)
    columns.timestamp[:] = np.sort(rng.integers(0, 50, (30, 6)), axis=1).ravel()  # type: ignore[index]
    info = datasets.insert(store, "timed", columns, kind="", source="", fingerprint="1", report={})
    when = {
        (user, one.position): one.timestamp
        for user in range(30)
        for one in datasets.history(store, info.id, user)
    }
    for item in range(4):
        times = [when[user, position] for _, user, position in datasets.occurrences(store, info.id, [item])]
        assert times == sorted(times)

    bare = replace(columns, timestamp=None)
    info = datasets.insert(store, "bare", bare, kind="", source="", fingerprint="3", report={})
    for item in range(4):
        after = [5 - position for _, _, position in datasets.occurrences(store, info.id, [item])]
        assert after == sorted(after, reverse=True)


def test_data_sets_do_not_see_each_other(store: Store, toy: DatasetInfo) -> None:
    columns = toy_columns(users=2, items=3, length=4)
    other = datasets.insert(store, "other", columns, kind="", source="", fingerprint="o", report={})
    assert len(datasets.history(store, other.id, 0)) == 4
    assert len(datasets.history(store, toy.id, 0)) == 5
    assert len(datasets.occurrences(store, other.id, [0])) == 3
    assert len(datasets.users(store, other.id)) == 2
    assert datasets.columns(store, other.id).item.tolist() == columns.item.tolist()


def test_what_was_rated_low_is_read_alone(store: Store, toy: DatasetInfo) -> None:
    for user in range(toy.users):
        whole = datasets.history(store, toy.id, user)
        for until, rating in ((99, 4.0), (3, 4.0), (99, 3.5), (99, -1.0)):
            low = [row.title for row in whole[:until] if row.rating is not None and row.rating < rating]
            assert datasets.rated_below(store, toy.id, user, until, rating) == low
    assert datasets.rated_below(store, toy.id, 2, 99, 99.0)


def test_what_was_bought_is_the_items_of_the_history(store: Store, toy: DatasetInfo) -> None:
    whole = [row.item for row in datasets.history(store, toy.id, 2)]
    assert datasets.bought(store, toy.id, 2, 99) == whole
    assert datasets.bought(store, toy.id, 2, 3) == whole[:3]
    assert datasets.bought(store, toy.id, 999, 3) == []
    counts = np.bincount(datasets.columns(store, toy.id).item, minlength=toy.items)
    assert datasets.item_counts(store, toy.id).tolist() == counts.tolist()
