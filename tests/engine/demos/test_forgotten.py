"""Forgotten purchases, items and users: strategies, sources and lists are as if they had never been.

A data set without the purchase, imported afresh, is the reference for purchases; items and users, whose
numbers shift, must at least be shown nowhere.
"""

from dataclasses import replace
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from db import datasets, demonstrations, forgotten
from db.choices import CANDIDATE_KINDS, SOURCES, STRATEGIES
from db.datasets import DatasetInfo
from db.demonstrations import hand_written
from db.errors import BadInput, DualensError
from db.store import Store
from engine.data.candidates import candidate_list
from engine.demos.named import named
from engine.demos.probes import gives_away, own_probes
from engine.demos.query import PoolEntry, Query, build
from engine.demos.selection import choose, pool
from tests.engine.demos.histories import READER, SEEDS, Histories, histories

SPECS = [f"{name}:3" for name, choice in STRATEGIES.items() if name != "none" and not choice.optimized]
many = settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
fingerprints = count()
PLACES = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 11)), min_size=1, max_size=4)


def shown(store: Store, dataset: DatasetInfo, query: Query, seed: int) -> dict[str, list[PoolEntry]]:
    chosen = {spec: choose(store, dataset, query, spec, seed, READER) for spec in SPECS}
    return chosen | {"pool": pool(store, dataset, query, list(SOURCES), 6, seed)}


def content(entries: dict[str, list[PoolEntry]]) -> Any:
    """What is shown; ids and places name purchases by the history as imported, which differs."""
    return {
        spec: [(e.history, e.answer, e.similarity, e.shared, e.demonstration.user_id) for e in found]
        for spec, found in entries.items()
    }


def asked(store: Store, dataset: DatasetInfo) -> Query | None:
    try:
        return build(store, dataset, "u0", "test")
    except DualensError:
        return None


@many
@given(data=histories(), places=PLACES, seed=SEEDS)
def test_everything_is_as_if_the_purchase_had_never_been(
    store: Store, data: Histories, places: list[tuple[int, int]], seed: int
) -> None:
    gone = {(u, p) for u, p in places if u < len(data.bought) and p < len(data.bought[u])}
    assume(gone)
    keep = [[p for p in range(len(own)) if (user, p) not in gone] for user, own in enumerate(data.bought)]
    reference, info = data._keeping(keep).store(store), data.store(store)
    for user, place in sorted(gone, reverse=True):  # positions are of the history as it is read
        item = f"i{data.bought[user][place]}"
        entry = forgotten.purchase(store, info.name, f"u{user}", item, place)
        info = forgotten.forget(store, info.name, entry)
    query = asked(store, info)
    assert (query is None) == (asked(store, reference) is None)
    assume(query is not None)
    assert query is not None
    assert replace(query, gone=()) == asked(store, reference)
    here = shown(store, info, query, seed)
    assert content(here) == content(shown(store, reference, query, seed))
    for entries in here.values():
        assert not forgotten.showing(store, info, (entry.demonstration for entry in entries))
        assert not {(int(name[1:]), place) for e in entries for name, place in e.demonstration.places} & gone
        unique = list({entry.demonstration.id: entry for entry in entries}.values())
        demonstrations.save_many(store, [entry.demonstration for entry in unique])
        again = named(store, info, query, [entry.demonstration.id for entry in unique])
        assert [(e.demonstration.id, e.history, e.answer) for e in again] == [
            (e.demonstration.id, e.history, e.answer) for e in unique
        ]
        for probe in own_probes(store, info, query, 5, 5):
            for entry in entries:
                if gives_away(entry, query, probe):
                    continue
                own = entry.demonstration.user_id == "u0" and not entry.demonstration.merged
                rows = [row.position for row in (*entry.history, entry.answer)]
                assert not own or probe.purchase.position not in rows


@many
@given(data=histories(), item=st.integers(0, 8), user=st.integers(1, 6), seed=SEEDS)
def test_a_forgotten_item_or_user_is_shown_nowhere(
    store: Store, data: Histories, item: int, user: int, seed: int
) -> None:
    assume(item < data.items and user < len(data.bought))
    info = data.store(store, f"data {next(fingerprints)}")  # indexes of each are kept under its own
    forgotten.forget(store, info.name, forgotten.item(store, info.name, f"i{item}"))
    info = forgotten.forget(store, info.name, forgotten.user(store, info.name, f"u{user}"))
    query = asked(store, info)
    assume(query is not None)
    assert query is not None
    for entries in shown(store, info, query, seed).values():
        items = {row.item_id for entry in entries for row in (*entry.history, entry.answer)}
        names = {name for entry in entries for name, _ in entry.demonstration.places}
        assert f"i{item}" not in items
        assert f"u{user}" not in names
    for kind in CANDIDATE_KINDS:
        try:
            drawn = candidate_list(store, info, query.user, query.target_position, kind, 2, seed)
        except BadInput:
            continue
        known = datasets.items(store, info.id, drawn.items)
        assert all(known[n].item_id != f"i{item}" for n in drawn.items)


@pytest.mark.parametrize("kind", CANDIDATE_KINDS)
def test_candidate_lists_of_other_users_stay_as_they_are(store: Store, kind: str) -> None:
    data = Histories(60, tuple(tuple(range(3 * u, 3 * u + 9)) for u in range(18)), None)
    info = data.store(store, f"data {next(fingerprints)}")
    before = titles(store, info, "u3", kind)
    after = forgotten.forget(store, info.name, forgotten.purchase(store, info.name, "u0", "i2"))
    if kind != "popular":  # drawn by how often items were bought
        assert titles(store, after, "u3", kind) == before
    else:
        assert len(set(titles(store, after, "u3", kind)) & set(before)) >= 9
    gone = next(item for item in before if item not in {f"i{n}" for n in range(9, 18)})
    after = forgotten.forget(store, info.name, forgotten.item(store, info.name, gone))
    left = titles(store, after, "u3", kind)
    assert gone not in left
    assert len(set(left) & set(before)) >= 8


def titles(store: Store, info: DatasetInfo, user: str, kind: str) -> list[str]:
    query = build(store, info, user, "test")
    drawn = candidate_list(store, info, query.user, query.target_position, kind, 10, 0)
    rows = datasets.items(store, info.id, drawn.items)
    return [rows[item].item_id for item in drawn.items]


def test_a_chosen_demonstration_that_shows_it_is_refused_by_name(store: Store) -> None:
    data = Histories(12, tuple(tuple(range(u, u + 6)) for u in range(4)), None)
    info = data.store(store)
    query = build(store, info, "u0", "test")
    [entry, *_] = choose(store, info, query, "neighbours:2", 0)
    edited = hand_written(info, ["In other words"], "An answer", entry.demonstration)
    demonstrations.save_many(store, [entry.demonstration, edited])
    name, place = entry.demonstration.places[0]
    wanted = forgotten.purchase(store, info.name, name, entry.answer.item_id, place)
    after = forgotten.forget(store, info.name, wanted)
    for each in (entry.demonstration.id, edited.id):
        with pytest.raises(BadInput, match="shows something that is forgotten"):
            named(store, after, build(store, after, "u0", "test"), [each])
    written = pool(store, after, build(store, after, "u0", "test"), ["hand-written"], 6, 0)
    assert edited.id not in {each.demonstration.id for each in written}
    back = forgotten.remember(store, info.name)
    assert named(store, back, query, [edited.id])[0].demonstration.id == edited.id
