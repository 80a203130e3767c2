"""Placebos: the answers of the same windows permuted, and windows of others as long as these."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db import datasets, demonstrations
from db.choices import CONTROLLED
from db.datasets import DatasetInfo
from db.errors import BadInput
from db.store import Store
from engine.demos.named import named
from engine.demos.query import PoolEntry, Query, build
from engine.demos.reader import Reader
from engine.demos.selection import choose
from engine.demos.strategies import placebo, placebo_users
from tests.engine.demos.histories import READER, embed
from tests.toys import toy_columns

ITEMS = st.lists(st.integers(0, 4), max_size=12)


def toy(store: Store, name: str) -> tuple[DatasetInfo, Query]:
    """24 users with 8 purchases of 30 items each, and the query of one of them."""
    columns = toy_columns(users=24, items=30, length=8)
    dataset = datasets.insert(store, name, columns, kind="t", source="t", fingerprint="toy", report={})
    return dataset, build(store, dataset, "u9")


def shown(entries: list[PoolEntry]) -> list[tuple[list[int], int]]:
    return [([row.item for row in entry.history], entry.answer.item) for entry in entries]


@given(items=ITEMS, seed=st.integers(0, 9))
def test_as_many_places_as_can_get_another_item(items: list[int], seed: int) -> None:
    gets = placebo.permuted(items, seed)
    assert sorted(gets) == list(range(len(items)))
    most = max(map(items.count, items), default=0)
    changed = sum(items[place] != items[other] for place, other in enumerate(gets))
    assert changed == min(len(items), 2 * (len(items) - most))
    assert gets == placebo.permuted(items, seed)


def test_the_permutation_depends_on_the_seed() -> None:
    assert len({tuple(placebo.permuted(range(6), seed)) for seed in range(20)}) > 5


@pytest.mark.parametrize("of", CONTROLLED)
def test_the_same_windows_have_each_others_answers(store: Store, of: str) -> None:
    dataset, query = toy(store, f"permuted {of}")
    plain = choose(store, dataset, query, f"{of}:4", 0, READER)
    permuted = choose(store, dataset, query, "placebo:4", 0, READER, of)
    assert [history for history, _ in shown(permuted)] == [history for history, _ in shown(plain)]
    own, given = ([answer for _, answer in shown(entries)] for entries in (plain, permuted))
    assert sorted(own) == sorted(given)
    if len(set(own)) == len(own):
        assert all(one != other for one, other in zip(own, given, strict=True))
    again = choose(store, dataset, query, "placebo:4", 0, READER, of)
    assert again == permuted


@pytest.mark.parametrize("of", CONTROLLED)
def test_a_placebo_is_found_again_by_its_id(store: Store, of: str) -> None:
    """The desk names its demonstrations by id: what is read back is what the strategy gave."""
    dataset, query = toy(store, f"named {of}")
    permuted = choose(store, dataset, query, "placebo:4", 0, READER, of)
    demonstrations.save_many(store, [entry.demonstration for entry in permuted])
    read = named(store, dataset, query, [entry.demonstration.id for entry in permuted])
    assert shown(read) == shown(permuted)
    assert [entry.demonstration.id for entry in read] == [entry.demonstration.id for entry in permuted]


def test_a_placebo_is_not_known_before_both_of_its_windows_are(store: Store) -> None:
    dataset, query = toy(store, "known")
    permuted = choose(store, dataset, query, "placebo:2", 0)
    demonstrations.save_many(store, [entry.demonstration for entry in permuted])
    moments = [
        [row.timestamp for row in (*entry.history, entry.answer)]
        for entry in choose(store, dataset, query, "neighbours:2", 0)
    ]
    latest = max(moment for some in moments for moment in some if moment is not None)
    before, ids = replace(query, known_until=latest), [entry.demonstration.id for entry in permuted]
    with pytest.raises(BadInput, match="not known"):
        named(store, dataset, before, ids)


def test_answers_that_stay_are_counted(store: Store) -> None:
    dataset, query = toy(store, "counted")
    plain = choose(store, dataset, query, "random:3", 0)
    permuted = choose(store, dataset, query, "placebo:3", 0, None, "random")
    assert len({answer for _, answer in shown(plain)}) == 3
    assert placebo.measured(plain, permuted, READER) == {"windows": 3, "kept": 0}
    one, same = (choose(store, dataset, query, f"{name}:1", 0) for name in ("neighbours", "placebo"))
    assert placebo.measured(one, same, READER) == {"windows": 1, "kept": 1}
    assert "1 of 1 windows keep an answer equal to their own" in placebo.said({"windows": 1, "kept": 1})


def test_others_windows_are_as_long_and_of_other_users(store: Store) -> None:
    dataset, query = toy(store, "long")
    reader = Reader(embed, lambda entry: 3 + 7 * len(entry.history))
    for of in CONTROLLED:
        plain = choose(store, dataset, query, f"{of}:2", 0, reader)
        others = choose(store, dataset, query, "placebo-users:2", 0, reader, of)
        found = placebo_users.measured(plain[::-1], others[::-1], reader)
        assert found["windows"] == 2
        assert found["tokens_of"] == sum(map(reader.tokens, plain))
        assert found["apart"] <= 2 * 7
        owners = {name for entry in plain for name in entry.demonstration.user_id.split(", ")}
        assert not owners & {entry.demonstration.user_id for entry in others}
        assert query.user_id not in {entry.demonstration.user_id for entry in others}
        assert len({entry.demonstration.user_id for entry in others}) == 2
    assert choose(store, dataset, query, "placebo-users:4", 1, reader) != choose(
        store, dataset, query, "placebo-users:4", 0, reader
    )


def test_each_length_takes_the_nearest_that_is_free() -> None:
    assert placebo_users.nearest([10, 10, 3], [4, 9, 12, 9]) == [1, 3, 0]
    assert placebo_users.nearest([5, 6, 7], [9]) == [0]
    said = placebo_users.said({"windows": 4, "tokens": 50, "tokens_of": 52, "apart": 6})
    assert "12.5 tokens on average, the windows they stand for 13.0; two of a pair differ by 1.5" in said
