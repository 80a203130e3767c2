"""Global and aggregated demonstrations by hand, and demonstrations in a person's own words."""

from dataclasses import replace

import numpy as np
import pytest

from db import datasets, demonstrations
from db.datasets import DatasetInfo
from db.demonstrations import HAND_WRITTEN, hand_written
from db.errors import BadInput
from db.store import Store
from engine.demos.named import named
from engine.demos.query import build
from engine.demos.selection import choose, pool
from engine.demos.sources import neighbours, representatives
from engine.demos.sources.representatives import middles, vectors
from tests.engine.demos.histories import Histories
from tests.toys import toy_columns


def toy(store: Store, timestamps: bool = True) -> DatasetInfo:
    columns = toy_columns(users=24, items=30, length=8, timestamps=timestamps)
    return datasets.insert(
        store, f"toy {timestamps}", columns, kind="test", source="test", fingerprint="toy", report={}
    )


# --- global


def test_clusters_give_their_middle_the_largest_first() -> None:
    crowd = ["red lamp", "red lamp shade", "red lamp", "blue rope", "blue rope knot"]
    rows = vectors([*crowd, "red lamp"])
    assert np.allclose(np.linalg.norm(rows, axis=1), 1)
    assert middles(rows, 2) in ([0, 3], [0, 4])
    assert sorted(middles(rows, 6)) == sorted(middles(rows, 9)) == list(range(6))
    assert middles(vectors(["same", "same", "same"]), 2) == [0, 1]


def test_a_middle_is_nearer_to_its_cluster_than_the_other_members_are() -> None:
    rng = np.random.default_rng(0)
    centres = np.eye(3)[rng.permutation(np.repeat([0, 1, 2], [20, 10, 5]))]
    rows = centres + 0.1 * rng.normal(size=centres.shape)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    first = [int(np.flatnonzero(centres[:, c])[0]) for c in range(3)]
    order = first + [i for i in range(35) if i not in first]
    chosen = [order[i] for i in middles(rows[order], 3)]
    assert [int(centres[i].argmax()) for i in chosen] == [0, 1, 2]
    for cluster, place in enumerate(chosen):
        members = rows[centres[:, cluster] == 1]
        assert rows[place] @ members.mean(0) == pytest.approx((members @ members.mean(0)).max())


def test_everybody_at_a_moment_is_shown_the_same_global_windows(store: Store) -> None:
    """Without timestamps there is one moment; only a person's own windows are left out."""
    dataset = toy(store, timestamps=False)
    shown = {}
    for user in ("u3", "u9", "u15"):
        chosen = choose(store, dataset, build(store, dataset, user), "global:4", 0)
        shown[user] = {entry.demonstration.id for entry in chosen}
        assert user not in {entry.demonstration.user_id for entry in chosen}
    assert len(set.intersection(*shown.values())) >= 1
    other = choose(store, dataset, build(store, dataset, "u9"), "global:4", 1)
    assert {entry.demonstration.id for entry in other} != shown["u9"]


def test_what_a_global_choice_reads_does_not_grow_with_the_users(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = toy(store)
    asked = []
    monkeypatch.setattr(representatives, "SAMPLE", 8)
    monkeypatch.setattr(representatives, "load", lambda *given: asked.append(len(given[-1])) or [])
    choose(store, dataset, build(store, dataset, "u9"), "global:2", 0)
    assert 0 < asked[0] <= 8


# --- aggregated


def test_an_aggregated_demonstration_tells_several_users_purchases_in_the_order_of_time(
    store: Store,
) -> None:
    bought = ((1, 2, 3, 0), (9, 3, 10), (8, 3, 11), (7, 3, 12), (6, 2, 13))
    when = ((10, 20, 30, 90), (1, 21, 31), (2, 22, 29), (3, 23, 30), (4, 5, 6))
    dataset = Histories(20, bought, when).store(store)
    [entry] = choose(store, dataset, build(store, dataset, "u0"), "aggregated:1", 0)
    moments = [row.timestamp for row in (*entry.history, entry.answer)]
    assert moments == sorted(moments)
    assert [row.item for row in (*entry.history, entry.answer)] == [3, 11, 12, 10]  # item 3 once, its latest
    made = entry.demonstration
    assert (made.source, made.position, made.timestamp) == ("aggregated", None, 31)
    assert {user for user, _ in made.merged} == {"u1", "u2", "u3"}
    assert sorted(made.user_id.split(", ")) == ["u1", "u2", "u3"]


def test_without_timestamps_the_nearest_neighbour_comes_last(store: Store) -> None:
    dataset = Histories(20, ((1, 2, 3, 0), (9, 3, 10, 5), (8, 2, 11, 5), (7, 1, 12, 5)), None).store(store)
    [entry] = choose(store, dataset, build(store, dataset, "u0"), "aggregated:1", 0)
    assert [row.item for row in (*entry.history, entry.answer)] == [1, 12, 2, 11, 3, 10]


def test_one_user_is_no_aggregate(store: Store) -> None:
    dataset = Histories(9, ((1, 2, 3, 0), (1, 4, 2, 5, 3, 6, 7), (8, 8, 8)), None).store(store)
    assert choose(store, dataset, build(store, dataset, "u0"), "aggregated:3", 0) == []


def test_an_aggregate_of_a_purchase_not_made_yet_is_refused(store: Store) -> None:
    dataset = toy(store)
    [entry] = choose(store, dataset, build(store, dataset, "u9"), "aggregated:1", 0)
    demonstrations.save_many(store, [entry.demonstration])
    assert named(store, dataset, build(store, dataset, "u9"), [entry.demonstration.id]) == [entry]
    with pytest.raises(BadInput, match="not known yet"):
        named(store, dataset, build(store, dataset, "u3", "probe"), [entry.demonstration.id])


# --- hand-written


def test_a_persons_own_words_become_a_demonstration(store: Store) -> None:
    dataset = toy(store)
    query = build(store, dataset, "u9")
    made = hand_written(dataset, [" Red   lamp ", "Café No. 5"], "Blue\nrope")
    assert made.text_override == "Red lamp\nCafé No. 5\nBlue rope"
    assert made.id == hand_written(dataset, ["Red lamp", "Café No. 5"], "Blue rope").id
    assert made.id != hand_written(dataset, ["Red lamp"], "Blue rope").id
    demonstrations.save_many(store, [made])
    [entry] = named(store, dataset, query, [made.id])
    assert [row.title for row in (*entry.history, entry.answer)] == ["Red lamp", "Café No. 5", "Blue rope"]
    assert (entry.demonstration, entry.similarity, entry.shared) == (made, 0.0, 0)


@pytest.mark.parametrize("history, answer", [([], "a"), (["a"] * 6, "b"), (["a", " "], "b"), (["a"], "")])
def test_words_that_make_no_demonstration_are_refused(store: Store, history: list[str], answer: str) -> None:
    with pytest.raises(BadInput, match="demonstration"):
        hand_written(toy(store), history, answer)


def test_an_edited_window_keeps_its_place_in_time(store: Store) -> None:
    """Also when its words are changed it is not shown before the purchases it was made of."""
    dataset = toy(store)
    query = build(store, dataset, "u9")
    [own] = choose(store, dataset, query, "proximal:1", 0)
    titles = [row.title for row in own.history]
    edited = hand_written(dataset, titles, "A better answer", own.demonstration)
    demonstrations.save_many(store, [own.demonstration, edited])
    assert edited.id != own.demonstration.id
    assert (edited.user_id, edited.position) == (own.demonstration.user_id, own.demonstration.position)
    [entry] = named(store, dataset, query, [edited.id])
    assert [row.title for row in (*entry.history, entry.answer)] == [*titles, "A better answer"]
    assert entry.shared == own.shared
    probe = build(store, dataset, "u9", "probe")
    with pytest.raises(BadInput, match="not known yet"):
        named(store, dataset, probe, [edited.id])
    offered = {
        target: {entry.demonstration.id for entry in pool(store, dataset, asked, [HAND_WRITTEN], 64, 0)}
        for target, asked in (("test", query), ("probe", probe))
    }
    assert edited.id in offered["test"]
    assert edited.id not in offered["probe"]
    shorter = hand_written(dataset, titles[1:], "A better answer", own.demonstration)
    assert shorter.history == ("",) * (len(titles) - 1)


def test_an_edited_aggregate_stays_one(store: Store) -> None:
    dataset = toy(store)
    query = build(store, dataset, "u9")
    [entry] = choose(store, dataset, query, "aggregated:1", 0)
    edited = hand_written(dataset, ["One", "Two"], "Another", entry.demonstration)
    assert edited == replace(
        entry.demonstration,
        id=edited.id,
        source=HAND_WRITTEN,
        history=("", ""),
        text_override="One\nTwo\nAnother",
    )
    demonstrations.save_many(store, [edited])
    assert demonstrations.get_many(store, [edited.id], dataset.id)[edited.id] == edited
    [shown] = named(store, dataset, query, [edited.id])
    assert shown.answer.title == "Another"


def test_what_a_source_reads_of_the_query_is_read_once_for_all_of_a_desk(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every move of a slider names the same demonstrations again."""
    dataset = toy(store)
    query = build(store, dataset, "u9")
    chosen = [
        *choose(store, dataset, query, "neighbours:4", 0),
        *choose(store, dataset, query, "proximal:2", 0),
    ]
    mixed = chosen[::2] + chosen[1::2]
    demonstrations.save_many(store, [entry.demonstration for entry in mixed])
    read = []
    known = neighbours.known_purchases
    monkeypatch.setattr(
        neighbours, "known_purchases", lambda *given, **more: read.append(given) or known(*given, **more)
    )
    assert named(store, dataset, query, [entry.demonstration.id for entry in mixed]) == mixed
    assert len(read) == 1
