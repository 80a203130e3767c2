"""Finding users: by id, by title, by length, at random."""

import numpy as np
import pytest

from db import datasets
from db.datasets import DatasetInfo, UserInfo
from db.errors import BadInput, NotFound
from db.store import Store
from tests.toys import toy_columns


def ids(found: list[UserInfo]) -> list[str]:
    return [user.user_id for user in found]


def test_a_page_of_users(store: Store, toy: DatasetInfo) -> None:
    assert ids(datasets.users(store, toy.id)) == ["u0", "u1", "u2", "u3", "u4"]
    assert ids(datasets.users(store, toy.id, limit=2, offset=3)) == ["u3", "u4"]
    assert datasets.users(store, toy.id, limit=0) == []
    assert datasets.users(store, toy.id)[1] == UserInfo(1, "u1", 5, 1_000_000_000 + 5 * 86_400, False)
    with pytest.raises(BadInput, match="limit"):
        datasets.users(store, toy.id, limit=-1)


def test_users_by_length(store: Store) -> None:
    columns = toy_columns(users=4, items=6, length=6)
    keep = np.concatenate([np.arange(6 * user, 6 * user + 3 + user) for user in range(4)])
    columns = datasets.DatasetColumns(
        **{
            **vars(columns),
            **{name: getattr(columns, name)[keep] for name in ("user", "item", "timestamp", "rating")},
        }
    )
    info = datasets.insert(store, "uneven", columns, kind="", source="", fingerprint="", report={})
    assert [user.length for user in datasets.users(store, info.id)] == [3, 4, 5, 6]
    assert ids(datasets.users(store, info.id, min_length=4, max_length=5)) == ["u1", "u2"]
    assert datasets.lengths(store, info.id, [3, 0, 0, 99]) == {0: 3, 3: 6}
    assert datasets.random_user(store, info.id, seed=0, min_length=6).user_id == "u3"


@pytest.mark.parametrize(
    "search, expected",
    [
        ("u3", ["u3"]),
        ("U3", ["u3"]),
        ("zelda", ["u0", "u2", "u3", "u4"]),
        ("  WIND  zel ", ["u0", "u2", "u3", "u4"]),
        ("cafe inter", ["u0", "u1", "u2", "u3"]),
        ("CAFÉ", ["u0", "u1", "u2", "u3"]),
        ("zelda mario", []),
        ("%", []),
        ("_", []),
        ("'", []),
        ("\\", []),
        ("", ["u0", "u1", "u2", "u3", "u4"]),
        ("nothing like it", []),
    ],
)
def test_users_by_id_or_title(store: Store, toy: DatasetInfo, search: str, expected: list[str]) -> None:
    assert ids(datasets.users(store, toy.id, search)) == expected


def test_the_exact_id_comes_first(store: Store) -> None:
    columns = toy_columns(users=25, items=6, length=3)
    info = datasets.insert(store, "many", columns, kind="", source="", fingerprint="", report={})
    assert ids(datasets.users(store, info.id, "u2"))[:3] == ["u2", "u20", "u21"]


def test_a_search_for_a_common_word_stays_bounded(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("db.datasets.people._MOST_OCCURRENCES", 6)
    columns = toy_columns(users=30, items=6, length=3)
    info = datasets.insert(store, "many", columns, kind="", source="", fingerprint="", report={})
    found = datasets.users(store, info.id, "a")
    assert 0 < len(found) <= 15
    assert ids(datasets.users(store, info.id, "u7")) == ["u7"]


def test_a_user_by_id(store: Store, toy: DatasetInfo) -> None:
    assert datasets.user(store, toy.id, "u4").user == 4
    with pytest.raises(NotFound, match=r"no user 'u11'.*'u2', 'u3', 'u4'"):
        datasets.user(store, toy.id, "u11")
    with pytest.raises(NotFound):
        datasets.user(store, toy.id, "' OR 1=1 --")


def test_a_random_user_is_a_function_of_the_seed(store: Store, toy: DatasetInfo) -> None:
    drawn = {datasets.random_user(store, toy.id, seed).user_id for seed in range(60)}
    assert drawn == {"u0", "u1", "u2", "u3", "u4"}
    assert datasets.random_user(store, toy.id, 7) == datasets.random_user(store, toy.id, 7)
    with pytest.raises(NotFound, match="6 or more"):
        datasets.random_user(store, toy.id, 0, min_length=6)


def test_a_random_user_can_be_another_one(store: Store, toy: DatasetInfo) -> None:
    drawn = {datasets.random_user(store, toy.id, seed, other_than="u2").user_id for seed in range(60)}
    assert drawn == {"u0", "u1", "u3", "u4"}


@pytest.mark.parametrize("text", ["\ud800", "u\x00", "\x00"])
def test_text_that_cannot_be_stored_is_not_found(store: Store, toy: DatasetInfo, text: str) -> None:
    assert datasets.users(store, toy.id, text) == []
    with pytest.raises(NotFound):
        datasets.user(store, toy.id, text)
