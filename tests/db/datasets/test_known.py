"""What was known at a moment, against a reading of the columns row by row."""

import numpy as np
import pytest

from db import datasets
from db.datasets import DatasetColumns, DatasetInfo, known
from db.store import Store
from tests.toys import toy_columns

USERS, ITEMS = 40, 7


@pytest.fixture(params=[True, False], ids=["timestamps", "order"])
def columns(request: pytest.FixtureRequest) -> DatasetColumns:
    """40 histories of 0 to 60 purchases of seven items, most of them of item 0; moments tie often."""
    random = np.random.default_rng(3)
    lengths = random.integers(0, 61, USERS)
    lengths[0] = 0
    user = np.repeat(np.arange(USERS, dtype=np.int32), lengths)
    item = (random.random(len(user)) ** 2 * (ITEMS - 1)).astype(np.int32)  # item 6 is never bought
    moments = np.concatenate([np.sort(random.integers(0, 50, length)) for length in lengths])
    toy = toy_columns(users=USERS, items=ITEMS, length=0)
    return DatasetColumns(
        **{
            **vars(toy),
            "user": user,
            "item": item,
            "timestamp": moments.astype(np.int64) if request.param else None,
            "rating": None,
        }
    )


@pytest.fixture
def dataset(store: Store, columns: DatasetColumns) -> DatasetInfo:
    return datasets.insert(store, "known", columns, kind="t", source="t", fingerprint="f", report={})


def moments(columns: DatasetColumns) -> list[tuple[int | None, int]]:
    """(before, hide_last) to ask for."""
    if columns.timestamp is None:
        return [(None, 0), (None, 1), (None, 2), (None, 30), (None, 100)]
    return [(-5, 1), (0, 1), (1, 2), (17, 1), (49, 2), (50, 1), (1000, 1)]


def rows(columns: DatasetColumns, before: int | None, hide_last: int) -> list[tuple[int, int, int]]:
    """(item, user, position) of every known interaction, one by one."""
    lengths = np.bincount(columns.user, minlength=USERS)
    starts = np.cumsum(lengths) - lengths
    found = []
    for row, (user, item) in enumerate(zip(columns.user.tolist(), columns.item.tolist(), strict=True)):
        position = row - int(starts[user])
        if columns.timestamp is None:
            is_known = position < lengths[user] - hide_last
        else:
            is_known = before is not None and columns.timestamp[row] < before
        if is_known:
            found.append((item, user, position))
    return found


@pytest.mark.parametrize("without", [1, 2, 39])
def test_all_known_purchases_and_no_others(
    store: Store, dataset: DatasetInfo, columns: DatasetColumns, without: int
) -> None:
    for before, hide_last in moments(columns):
        expected = [row for row in rows(columns, before, hide_last) if row[1] != without]
        found = known.known_purchases(
            store,
            dataset.id,
            [*range(ITEMS), 3, 99],
            before=before,
            hide_last=hide_last,
            without=without,
            per_item=10_000,
            seed=0,
        )
        assert set(found) == set(range(ITEMS))
        for item, purchases in found.items():
            places = [(user, position) for number, user, position in expected if number == item]
            assert sorted(purchases.sample) == sorted(places)
            assert purchases.count == len(places)


def test_a_sample_is_drawn_from_the_known_ones_by_the_seed(
    store: Store, dataset: DatasetInfo, columns: DatasetColumns
) -> None:
    before, hide_last = moments(columns)[3]
    limits = {"before": before, "hide_last": hide_last, "without": 1, "per_item": 20}
    everything = {row[1:] for row in rows(columns, before, hide_last) if row[0] == 0 and row[1] != 1}
    seen, samples = set(), set()
    for seed in range(40):
        drawn = known.known_purchases(store, dataset.id, [0], seed=seed, **limits)[0]
        assert drawn == known.known_purchases(store, dataset.id, [0], seed=seed, **limits)[0]
        assert drawn.count == len(everything) > 40
        assert 15 <= len(set(drawn.sample)) == len(drawn.sample) <= 20
        assert set(drawn.sample) <= everything
        seen |= set(drawn.sample)
        samples.add(tuple(drawn.sample))
    assert len(samples) == 40
    assert len(seen) > 0.9 * len(everything)


def test_known_lengths(store: Store, dataset: DatasetInfo, columns: DatasetColumns) -> None:
    for before, hide_last in moments(columns):
        expected = np.bincount([row[1] for row in rows(columns, before, hide_last)], minlength=USERS)
        found = known.known_lengths(store, dataset.id, range(USERS + 2), before=before, hide_last=hide_last)
        assert [found.get(user, 0) for user in range(USERS)] == expected.tolist()
        assert USERS not in found


def test_user_ids(store: Store, dataset: DatasetInfo) -> None:
    assert known.user_ids(store, dataset.id, [3, 0, 3, 99]) == {0: "u0", 3: "u3"}
    assert known.user_ids(store, dataset.id, []) == {}
    assert (
        known.known_purchases(store, dataset.id, [], before=None, hide_last=1, without=0, per_item=5, seed=0)
        == {}
    )
