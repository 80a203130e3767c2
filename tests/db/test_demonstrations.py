"""Demonstrations: identified by their content, stored once per data set."""

from dataclasses import replace

from db import datasets, demonstrations
from db.datasets import DatasetInfo
from db.demonstrations import Demonstration, demonstration_id
from db.store import Store
from tests.toys import toy_columns


def demonstration(info: DatasetInfo, **changes) -> Demonstration:
    one = Demonstration("", info.id, "neighbours", "u1", ("i1", "i2"), "i3", 2, 1_000, None)
    one = replace(one, **changes)
    content = (one.user_id, one.history, one.answer, one.position, one.text_override)
    return replace(one, id=demonstration_id(info.fingerprint, *content))


def test_the_identity_of_a_demonstration_is_its_content(store: Store, toy: DatasetInfo) -> None:
    one = demonstration(toy)
    assert len(one.id) == 16
    assert demonstration(toy, source="random", timestamp=5).id == one.id
    others = [
        demonstration(toy, **change)
        for change in (
            {"user_id": "u2"},
            {"history": ("i2", "i1")},
            {"history": ("i1",)},
            {"answer": "i4"},
            {"position": 3},
            {"position": None},
            {"text_override": "Bought: Zelda"},
        )
    ]
    others.append(demonstration(replace(toy, fingerprint="other")))
    assert len({one.id, *(other.id for other in others)}) == 9


def test_demonstrations_are_stored_once(store: Store, toy: DatasetInfo) -> None:
    plain, edited = demonstration(toy), demonstration(toy, text_override="Gekauft:\nZelda 😀", position=None)
    demonstrations.save_many(store, [plain, edited, plain])
    demonstrations.save_many(store, [replace(plain, source="random")])
    demonstrations.save_many(store, [])
    found = demonstrations.get_many(store, [edited.id, plain.id, "unknown"])
    assert found == {plain.id: plain, edited.id: edited}
    assert demonstrations.get_many(store, []) == {}


def test_equal_data_sets_have_demonstrations_of_their_own(store: Store, toy: DatasetInfo) -> None:
    twin = datasets.insert(
        store, "twin", toy_columns(), kind="", source="", fingerprint=toy.fingerprint, report={}
    )
    one, other = demonstration(toy), demonstration(twin)
    assert one.id == other.id
    demonstrations.save_many(store, [one, other])
    for info in (toy, twin):
        assert demonstrations.get_many(store, [one.id], info.id)[one.id].dataset_id == info.id
    datasets.delete(store, "toy")
    datasets.purge(store, toy.id)
    assert demonstrations.get_many(store, [one.id]) == {one.id: other}
