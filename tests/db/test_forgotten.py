"""What is forgotten of a data set: a layer that everything reads through, undone without a trace."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from db import datasets, demonstrations, forgotten
from db.datasets import DatasetInfo
from db.datasets.columns import content
from db.demonstrations import Demonstration
from db.errors import BadInput, Conflict, Damaged, NotFound
from db.forgotten import ITEM, PURCHASE, USER, Entry, from_base, to_base, without
from db.integrity import check_all
from db.patience import Patience
from db.settings import Settings
from db.store import Store
from tests.toys import toy_columns


def inserted(store: Store, **shape: int) -> DatasetInfo:
    columns = toy_columns(**{"users": 6, "items": 9, "length": 6, **shape})
    return datasets.insert(
        store, "toy", columns, kind="generic", source="t", fingerprint="toy", report={"n": 1}
    )


def test_a_purchase_is_read_nowhere_and_comes_back(store: Store) -> None:
    before = inserted(store)
    whole = datasets.columns(store, before.id)
    after = forgotten.forget(store, "toy", forgotten.purchase(store, "toy", "u2", "i4"))
    assert (after.id, after.fingerprint) != (before.id, before.fingerprint)
    assert (after.origin_id, after.origin, after.interactions) == (before.id, "toy", before.interactions - 1)
    [entry] = forgotten.entries(after)
    assert (entry.kind, entry.user, entry.item, entry.position) == (PURCHASE, "u2", "i4", 2)
    user = datasets.user(store, after.id, "u2")
    history = datasets.history(store, after.id, user.user)
    assert [row.item_id for row in history] == ["i2", "i3", "i5", "i6", "i7"]
    assert [row.position for row in history] == list(range(5))
    assert datasets.items(store, after.id, [4])[4].count == datasets.items(store, before.id, [4])[4].count - 1
    assert datasets.get(store, "toy") == after
    assert datasets.listing(store) == [after]
    assert not datasets.deleted(store)
    assert content(datasets.columns(store, before.id)) == content(whole), "the rows as imported stay"
    assert forgotten.remember(store, "toy") == before
    assert datasets.get(store, "toy") == before


def test_an_item_leaves_the_catalogue_and_a_user_the_list(store: Store) -> None:
    inserted(store)
    after = forgotten.forget(store, "toy", forgotten.item(store, "toy", "i4"))
    assert "i4" not in datasets.catalogue(store, after.id).item_ids
    last = forgotten.forget(store, "toy", forgotten.user(store, "toy", "u1"))
    assert [user.user_id for user in datasets.users(store, last.id)] == ["u0", "u2", "u3", "u4", "u5"]
    assert [entry.kind for entry in forgotten.entries(last)] == [ITEM, USER]
    undone = forgotten.remember(store, "toy", [forgotten.entries(last)[0].key])
    assert [entry.kind for entry in forgotten.entries(undone)] == [USER]
    assert "i4" in datasets.catalogue(store, undone.id).item_ids


entry_lists = st.lists(
    st.one_of(
        st.builds(lambda u, p: Entry(PURCHASE, f"u{u}", position=p), st.integers(0, 5), st.integers(0, 5)),
        st.builds(lambda i: Entry(ITEM, item=f"i{i}"), st.integers(0, 8)),
        st.builds(lambda u: Entry(USER, f"u{u}"), st.integers(0, 5)),
    ),
    max_size=8,
)


@given(entry_lists, st.booleans())
def test_what_remains_is_the_rest_in_its_order(told: list[Entry], timed: bool) -> None:
    columns = toy_columns(users=6, items=9, length=6, timestamps=timed)
    left, _, _ = without(columns, told)
    datasets.columns  # noqa: B018 - the module that says what a data set is
    bought = {(e.user, e.position) for e in told if e.kind == PURCHASE}
    items = {e.item for e in told if e.kind == ITEM}
    users = {e.user for e in told if e.kind == USER}

    def rows(of: datasets.DatasetColumns) -> list[tuple[str, str]]:
        return [(of.user_ids[u], of.item_ids[i]) for u, i in zip(of.user, of.item, strict=True)]

    expected = [
        pair
        for at, pair in enumerate(rows(columns))
        if (pair[0], at % 6) not in bought and pair[1] not in items and pair[0] not in users
    ]
    assert rows(left) == expected
    assert left.user_ids == [name for name in columns.user_ids if name not in users]
    assert left.item_ids == [name for name in columns.item_ids if name not in items]
    assert len(left.tie) == len(left.user_ids)


@given(st.sets(st.integers(0, 30)), st.integers(0, 30))
def test_positions_translate_both_ways(gone: set[int], place: int) -> None:
    places = sorted(gone)
    assert from_base(to_base(place, places), places) == place
    there = from_base(place, places)
    assert there is None if place in gone else to_base(there or 0, places) == place


def test_ties_are_told_anew(store: Store) -> None:
    columns = toy_columns(users=2, items=6, length=4)
    assert columns.timestamp is not None
    columns.timestamp[3] = columns.timestamp[2]
    tied = replace(columns, tie=np.array([True, False]))
    assert without(tied, [Entry(PURCHASE, "u0", position=3)])[0].tie.tolist() == [False, False]
    assert without(tied, [Entry(PURCHASE, "u0", position=0)])[0].tie.tolist() == [True, False]


def test_demonstrations_that_show_it_are_told_by_their_places(store: Store) -> None:
    info = inserted(store)
    row = Demonstration("", info.id, "neighbours", "u2", ("i3",), "i4", 2, None)
    demos = {
        "answer": replace(row, id="answer"),
        "history": replace(row, id="history", history=("i3", "i4"), answer="i5", position=3),
        "before": replace(row, id="before", history=("i2",), answer="i3", position=1),
        "another user": replace(row, id="another user", user_id="u3"),
        "merged": replace(
            row,
            id="merged",
            user_id="u2, u5",
            history=("i3", "i4"),
            answer="i6",
            position=None,
            merged=(("u2", 3), ("u5", 1)),
        ),
        "free": replace(
            row, id="free", user_id="", history=("",), answer="", position=None, text_override="A\nHalo 3"
        ),
    }
    assert forgotten.showing(store, info, demos.values()) == set()
    after = forgotten.forget(store, "toy", forgotten.purchase(store, "toy", "u2", "i4"))
    assert forgotten.showing(store, after, demos.values()) == {"answer", "history", "merged"}
    forgotten.remember(store, "toy")
    after = forgotten.forget(store, "toy", forgotten.user(store, "toy", "u3"))
    assert forgotten.showing(store, after, demos.values()) == {"another user"}
    forgotten.remember(store, "toy")
    after = forgotten.forget(store, "toy", forgotten.item(store, "toy", "i2"))  # Halo 3
    assert {"before", "free"} <= forgotten.showing(store, after, demos.values())


def test_demonstrations_and_sets_are_found_under_the_data_set_as_imported(store: Store) -> None:
    info = inserted(store)
    kept = Demonstration("d" * 16, info.id, "neighbours", "u3", ("i3",), "i4", 1, None)
    demonstrations.save_many(store, [kept])
    after = forgotten.forget(store, "toy", forgotten.purchase(store, "toy", "u2", "i4"))
    assert demonstrations.get_many(store, [kept.id], after.id) == {kept.id: kept}


def test_what_cannot_be_forgotten_is_refused(store: Store) -> None:
    inserted(store, users=2, items=3, length=6)
    with pytest.raises(BadInput, match="positions 1, 4"):
        forgotten.purchase(store, "toy", "u0", "i0")
    assert forgotten.purchase(store, "toy", "u0", "i0", 3).position == 3
    for wrong in (
        lambda: forgotten.purchase(store, "toy", "u0", "i9"),
        lambda: forgotten.purchase(store, "toy", "u0", "i0", 1),
        lambda: forgotten.purchase(store, "toy", "nobody", "i0"),
        lambda: forgotten.item(store, "toy", "i9"),
        lambda: forgotten.user(store, "toy", "nobody"),
        lambda: forgotten.user(store, "other", "u0"),
    ):
        with pytest.raises(NotFound):
            wrong()


def test_two_at_once_do_not_overwrite_each_other(store: Store) -> None:
    info = inserted(store)
    forgotten.forget(store, "toy", forgotten.purchase(store, "toy", "u2", "i4"))
    with pytest.raises(Conflict, match="just now"):
        forgotten._read_as(store, info, [forgotten.user(store, "toy", "u3")], lambda *_: None)


def test_the_store_stays_whole_and_nothing_is_read_without_the_layer(
    store: Store, settings: Settings
) -> None:
    info = inserted(store)
    after = forgotten.forget(store, "toy", forgotten.item(store, "toy", "i4"))
    assert not check_all(settings, Patience(1.0), lambda *_: None).findings
    datasets.delete(store, "toy")
    [deleted] = datasets.deleted(store)
    assert deleted.info.id == info.id
    assert datasets.restore(store, info.id).id == info.id
    assert datasets.get(store, "toy") == after
    datasets.delete(store, "toy")
    datasets.purge(store, info.id)
    assert datasets.fingerprints(store) == []
    inserted(store)
    after = forgotten.forget(store, "toy", forgotten.item(store, "toy", "i4"))
    with store.write() as connection:
        connection.exec_driver_sql(f"DELETE FROM datasets WHERE id = {after.id}")
    with pytest.raises(Damaged):
        datasets.get(store, "toy")
