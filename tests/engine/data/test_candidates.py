"""Candidate lists: what is in them, what never is, and that they are drawn once and the same everywhere."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from db import candidates as stored
from db import datasets
from db.datasets import DatasetColumns, DatasetInfo
from db.errors import BadInput
from db.settings import Settings
from db.store import Store
from engine.data import candidates
from engine.data.candidates import ORDERS, candidate_list
from engine.demos import query as queries

KINDS = st.sampled_from(sorted(ORDERS))
WORDS = ("red", "blue", "wool", "hat", "lamp", "chess", "rope")
USERS, ITEMS, LENGTH = 12, 60, 6


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """One store for the module: lists are told apart by user, kind, size and seed."""
    home: Path = tmp_path_factory.mktemp("candidates")
    with Store.open(Settings(home=home, database_url=f"sqlite:///{home}/dualens.db")) as opened:
        yield opened


@pytest.fixture(scope="module")
def dataset(store: Store) -> DatasetInfo:
    """12 users, 60 items with titles of words and a number; items 58 and 59 share theirs with 0 and 1."""
    return insert(store, "shop", np.arange(USERS * LENGTH) * 7 % ITEMS)


def insert(store: Store, name: str, item: np.ndarray, titles: list[str] | None = None) -> DatasetInfo:
    numbered = [f"{WORDS[n % 7]} {WORDS[n // 7 % 7]} {WORDS[n * 3 % 7]} {n % 58}" for n in range(ITEMS)]
    numbered[58], numbered[59] = numbered[0].upper(), f" {numbered[1]}  "
    columns = DatasetColumns(
        item_ids=[f"i{n}" for n in range(ITEMS)],
        titles=titles or numbered,
        categories=[None] * ITEMS,
        brands=[None] * ITEMS,
        attributes=None,
        user_ids=[f"u{n}" for n in range(USERS)],
        user=np.repeat(np.arange(USERS, dtype=np.int32), LENGTH),
        item=item.astype(np.int32),
        timestamp=None,
        rating=None,
        tie=np.zeros(USERS, dtype=bool),
    )
    return datasets.insert(store, name, columns, kind="test", source="test", fingerprint=name, report={})


def titles_of(store: Store, dataset: DatasetInfo, items: tuple[int, ...]) -> list[str]:
    rows = datasets.items(store, dataset.id, items)
    return [" ".join(rows[item].title.split()).lower() for item in items]


@given(
    user=st.integers(0, USERS - 1),
    place=st.integers(0, LENGTH - 1),
    kind=KINDS,
    size=st.integers(2, 30),
    seed=st.integers(0, 2**31 - 1),
)
@settings(max_examples=60, deadline=None)
def test_the_target_stands_once_among_items_the_user_had_not_bought_by_then(
    store: Store, dataset: DatasetInfo, user: int, place: int, kind: str, size: int, seed: int
) -> None:
    own = [row.item for row in datasets.history(store, dataset.id, user)][: place + 1]
    drawn = candidate_list(store, dataset, user, place, kind, size, seed)
    assert len(drawn.items) == drawn.size == size
    assert [item for item in drawn.items if item in own] == [own[place]]
    titles = titles_of(store, dataset, drawn.items)
    assert len(set(titles)) == size
    others = set(titles_of(store, dataset, tuple(own))) - {titles[drawn.items.index(own[place])]}
    assert not others & set(titles)


def test_what_was_bought_after_the_target_decides_nothing(store: Store) -> None:
    """The list of a probe is the same whatever the held-out purchase is."""
    item = np.arange(USERS * LENGTH) * 7 % ITEMS
    seen: dict[str, set[tuple[int, ...]]] = {"random": set(), "hard": set()}
    for last in range(ITEMS):
        item[LENGTH - 1] = last
        told = replace(insert(store, f"last {last}", item), fingerprint="the same")
        for kind, lists in seen.items():
            lists.add(candidate_list(store, told, 0, LENGTH - 2, kind, 20, 3).items)
    assert {kind: len(lists) for kind, lists in seen.items()} == {"random": 1, "hard": 1}


@given(kind=KINDS, seed=st.integers(0, 1000), short=st.integers(2, 20), more=st.integers(0, 10))
@settings(max_examples=30, deadline=None)
def test_a_shorter_list_lies_within_a_longer_one(
    store: Store, dataset: DatasetInfo, kind: str, seed: int, short: int, more: int
) -> None:
    few = candidate_list(store, dataset, 1, 5, kind, short, seed)
    many = candidate_list(store, dataset, 1, 5, kind, short + more, seed)
    assert set(few.items) <= set(many.items)


@pytest.mark.parametrize("kind", sorted(ORDERS))
def test_a_list_is_drawn_once_and_then_read(
    store: Store, dataset: DatasetInfo, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = candidate_list(store, dataset, 2, 5, kind, 10, 4)
    assert stored.find(store, dataset.id, 2, 5, kind, 10, 4) == first
    monkeypatch.setattr(candidates, "ORDERS", dict.fromkeys(ORDERS))
    assert candidate_list(store, dataset, 2, 5, kind, 10, 4) == first


def test_equal_on_every_machine(store: Store, dataset: DatasetInfo) -> None:
    """Written down once: a change here makes stored runs incomparable with new ones."""
    drawn = {kind: candidate_list(store, dataset, 3, 5, kind, 8, 1) for kind in ORDERS}
    assert {kind: list(listed.items) for kind, listed in drawn.items()} == {
        "random": [38, 41, 17, 14, 0, 43, 8, 28],
        "popular": [18, 14, 10, 42, 16, 43, 41, 7],
        "hard": [33, 32, 39, 48, 46, 30, 41, 53],
    }
    assert drawn["random"].fingerprint[:16] == "70ee5bc13b3461c2"


def test_every_input_but_the_draw_itself_is_in_the_fingerprint(store: Store, dataset: DatasetInfo) -> None:
    lists = [
        candidate_list(store, dataset, user, place, kind, size, seed)
        for user in (4, 5)
        for place in (4, 5)
        for kind in ORDERS
        for size in (5, 6)
        for seed in (0, 1)
    ]
    assert len({listed.fingerprint for listed in lists}) == len(lists)


def test_the_target_stands_anywhere(store: Store, dataset: DatasetInfo) -> None:
    target = datasets.history(store, dataset.id, 6)[5].item
    places = Counter(
        candidate_list(store, dataset, 6, 5, "random", 5, seed).items.index(target) for seed in range(200)
    )
    assert set(places) == set(range(5))
    assert max(places.values()) < 70


def test_random_negatives_come_from_the_whole_catalogue(store: Store, dataset: DatasetInfo) -> None:
    seen = {
        item for seed in range(60) for item in candidate_list(store, dataset, 7, 5, "random", 20, seed).items
    }
    own = {row.item for row in datasets.history(store, dataset.id, 7)}
    assert len(seen | own) >= ITEMS - 4


def test_popular_negatives_come_by_how_often_they_were_bought(store: Store) -> None:
    crowd = np.resize([1, 1, 1, 1, 1, 1, 2, 2, 3], USERS * LENGTH)
    crowd[:LENGTH] = [20, 21, 22, 23, 24, 25]
    popular = insert(store, "popular", crowd)
    counts = np.bincount(crowd, minlength=ITEMS)
    drawn = Counter(
        item
        for seed in range(300)
        for item in candidate_list(store, popular, 0, 5, "popular", 2, seed).items
        if item != 25
    )
    assert set(drawn) == {1, 2, 3}
    expected = counts[[1, 2, 3]] / counts[[1, 2, 3]].sum()
    assert np.array([drawn[1], drawn[2], drawn[3]]) / 300 == pytest.approx(expected, abs=0.09)


def test_hard_negatives_have_the_words_of_the_target(store: Store) -> None:
    titles = [f"plain thing {n}" for n in range(ITEMS)]
    for n, title in {
        5: "Super Mario Kart 8",
        30: "Mario Kart 7",
        31: "Mario Party 8",
        32: "Kart Fighter",
    }.items():
        titles[n] = title
    hard = insert(store, "hard", np.arange(USERS * LENGTH) % 12, titles)
    for seed in (0, 1):
        assert set(candidate_list(store, hard, 0, 5, "hard", 4, seed).items) == {5, 30, 31, 32}
    assert len(candidate_list(store, hard, 0, 5, "hard", 20, 0).items) == 20


@pytest.mark.parametrize(
    "kind, size, place, says",
    [
        ("near", 20, 5, "candidate_kind is 'near'; it must be one of random, popular, hard"),
        ("random", 1, 5, "candidates is 1"),
        ("random", 500, 5, r"'shop' has only \d+ random negatives.*Ask for at most \d+"),
        ("random", 20, 6, "position 6 lies outside the user's history of 6"),
        ("random", 20, -1, "position -1 lies outside"),
    ],
)
def test_what_cannot_be_drawn_is_said(
    store: Store, dataset: DatasetInfo, kind: str, size: int, place: int, says: str
) -> None:
    with pytest.raises(BadInput, match=says):
        candidate_list(store, dataset, 8, place, kind, size, 0)


def test_the_largest_list_named_in_the_error_can_be_drawn(store: Store, dataset: DatasetInfo) -> None:
    with pytest.raises(BadInput) as refused:
        candidate_list(store, dataset, 8, 5, "random", 500, 0)
    most = int(str(refused.value).rstrip(".").split()[-1])
    assert len(candidate_list(store, dataset, 8, 5, "random", most, 0).items) == most
    with pytest.raises(BadInput):
        candidate_list(store, dataset, 8, 5, "random", most + 1, 0)


@pytest.mark.parametrize("kind", sorted(ORDERS))
def test_a_long_history_gives_the_list_that_a_short_one_would(
    store: Store, dataset: DatasetInfo, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its titles are compared by kept numbers instead of being read."""
    drawn = [candidates._drawn(store, dataset, user, 5, kind, 40, 7) for user in range(USERS)]
    monkeypatch.setattr(candidates, "MANY", 0)
    assert [candidates._drawn(store, dataset, user, 5, kind, 40, 7) for user in range(USERS)] == drawn


def test_no_history_is_read_whole(
    store: Store, dataset: DatasetInfo, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a query and a list cost does not grow with a history of hundreds of thousands."""
    monkeypatch.setattr(datasets, "history", None)
    query = queries.build(store, dataset, "u3", history=2)
    assert [row.position for row in (*query.history, query.target)] == [3, 4, 5]
    assert query.held_out == 1
    candidate_list(store, dataset, query.user, query.target_position, "hard", 9, 11)
