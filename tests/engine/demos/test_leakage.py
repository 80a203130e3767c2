"""No leakage: the target, anything later and anything not known yet never shapes query or demonstrations.

Proven in three ways on random data sets: nothing unknown is shown; changing or deleting everything unknown
changes nothing; the strategies run with a target that must not be looked at.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from db.choices import SOURCES, STRATEGIES
from db.datasets import DatasetInfo
from db.errors import BadInput
from db.store import Store
from engine.demos import selection, windows
from engine.demos.query import PoolEntry, Query, at, build
from engine.demos.selection import choose, pool
from engine.demos.sources import neighbours
from tests.engine.demos.histories import READER, SEEDS, Histories, histories

SPECS = [f"{name}:3" for name, choice in STRATEGIES.items() if name != "none" and not choice.optimized]
TARGETS = st.sampled_from(["test", "probe"])
PLACES = st.integers(0, 11)
UNTIL = st.none() | st.integers(0, 15)
many = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.fixture(params=[2, 200], ids=["sampled", "all"], scope="module")
def per_item(request: pytest.FixtureRequest) -> Iterator[int]:
    """Also with so few purchases read of each item that they are sampled."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(neighbours, "PER_ITEM", request.param)
        yield request.param


def shown(store: Store, dataset: DatasetInfo, query: Query, seed: int) -> dict[str, list[PoolEntry]]:
    """What every strategy and every source gives."""
    chosen = {spec: choose(store, dataset, query, spec, seed, READER) for spec in SPECS}
    return chosen | {"pool": pool(store, dataset, query, list(SOURCES), 6, seed)}


def content(entries: dict[str, list[PoolEntry]]) -> Any:
    """All of it but the number of the data set in the store."""
    return {
        spec: [replace(entry, demonstration=replace(entry.demonstration, dataset_id=0)) for entry in found]
        for spec, found in entries.items()
    }


def earlier(store: Store, dataset: DatasetInfo, data: Histories, place: int, until: int | None) -> Query:
    """A query of the first user at one of their positions."""
    return at(store, dataset, "u0", 1 + place % (len(data.bought[0]) - 1), known_until=until)


def all_known(entry: PoolEntry, data: Histories, known: set[tuple[int, int]]) -> bool:
    """Whether every purchase shown is a known one of the demonstration's user, or of one of its users."""
    made = entry.demonstration
    users = {int(user[1:]) for user, _ in made.merged} or {int(made.user_id[1:])}
    return all(
        any((u, row.position) in known and data.bought[u][row.position] == row.item for u in users)
        for row in (*entry.history, entry.answer)
    ) and all((int(user[1:]), position) in known for user, position in made.merged)


class Unseen:
    """A target that must not be looked at."""

    def __getattribute__(self, name: str) -> Any:
        raise AssertionError(f"the target's {name} was read")


def test_nothing_that_chooses_knows_the_order_that_has_seen_the_target() -> None:
    root = Path(selection.__file__).parents[1]
    choosing = [file for part in ("demos", "optimize", "studies") for file in (root / part).rglob("*.py")]
    assert len(choosing) > 40
    for file in choosing:
        text = file.read_text(encoding="utf-8")
        assert "predicted_effects" not in text, file
        assert "tasks.predicted" not in text, file


@given(data=histories(), target=TARGETS, seed=SEEDS)
@many
def test_only_known_interactions_are_shown(
    store: Store, per_item: int, data: Histories, target: str, seed: int
) -> None:
    dataset = data.store(store)
    query = build(store, dataset, "u0", target)
    known = data.known(query)
    assert [(row.position, row.item) for row in query.history] == [
        (position, data.bought[0][position]) for position in range(query.target_position)
    ][-10:]
    for spec, entries in shown(store, dataset, query, seed).items():
        for entry in entries:
            assert all_known(entry, data, known), spec
            assert 1 <= len(entry.history) <= windows.LENGTH


@given(data=histories(), target=TARGETS)
@many
def test_the_gate_lets_in_exactly_the_windows_that_are_known(
    store: Store, data: Histories, target: str
) -> None:
    """Whatever is asked for: every user's positions, the query's own among them, and some there are not."""
    dataset = data.store(store)
    query = build(store, dataset, "u0", target)
    known = data.known(query)
    asked = [(user, place) for user in range(len(data.bought)) for place in range(-1, 14)]
    found = windows.load(store, dataset, query, asked)
    assert [window.place for window in found] == [place for place in asked if place in known and place[1] > 0]
    for window in found:
        start = max(0, window.answer.position - windows.LENGTH)
        assert [row.position for row in window.history] == list(range(start, window.answer.position))
        assert window.items == list(data.bought[window.user][start : window.answer.position + 1])


@given(data=histories(), target=TARGETS, seed=SEEDS, change=st.integers(0, 99))
@many
def test_changing_what_is_unknown_changes_nothing(
    store: Store, per_item: int, data: Histories, target: str, seed: int, change: int
) -> None:
    dataset = data.store(store)
    query = build(store, dataset, "u0", target)
    other_data = data.changed(query, change)
    other = other_data.store(store)
    other_query = build(store, other, "u0", target)
    assert other_query.target.item != query.target.item
    assert replace(other_query, target=query.target) == query
    before, after = shown(store, dataset, query, seed), shown(store, other, other_query, seed)
    assert content(after) == content(before)


@given(data=histories(timestamps=True), target=TARGETS, seed=SEEDS)
@many
def test_deleting_the_future_changes_nothing(
    store: Store, per_item: int, data: Histories, target: str, seed: int
) -> None:
    dataset = data.store(store)
    query = replace(build(store, dataset, "u0", target), target=Unseen())
    for everybody in (True, False):
        less = data.cut(query, everybody).store(store)
        assert content(shown(store, less, query, seed)) == content(shown(store, dataset, query, seed))


@given(data=histories(timestamps=False), target=TARGETS, seed=SEEDS)
@many
def test_deleting_the_target_and_what_follows_changes_nothing_without_timestamps(
    store: Store, data: Histories, target: str, seed: int
) -> None:
    dataset = data.store(store)
    query = replace(build(store, dataset, "u0", target), target=Unseen())
    less = data.cut(query, everybody=False).store(store)
    assert content(shown(store, less, query, seed)) == content(shown(store, dataset, query, seed))


@given(data=histories(), seed=SEEDS)
@many
def test_a_probe_is_the_test_of_a_store_that_has_not_seen_the_last_interaction(
    store: Store, per_item: int, data: Histories, seed: int
) -> None:
    """With timestamps the user's own is enough; without them everybody's last one is what is held out."""
    dataset = data.store(store)
    probe = build(store, dataset, "u0", "probe")
    earlier = data.without_last([0] if data.when is not None else range(len(data.bought))).store(store)
    test = build(store, earlier, "u0", "test")
    assert replace(test, held_out=probe.held_out) == probe
    assert content(shown(store, earlier, test, seed)) == content(shown(store, dataset, probe, seed))


@given(data=histories(timestamps=True), place=PLACES, until=UNTIL, seed=SEEDS)
@many
def test_only_what_was_known_at_an_earlier_moment_is_shown(
    store: Store, per_item: int, data: Histories, place: int, until: int | None, seed: int
) -> None:
    """At any position of the history; the history itself goes on up to the target."""
    dataset = data.store(store)
    query = replace(earlier(store, dataset, data, place, until), target=Unseen())
    known = data.known(query)
    assert [row.position for row in query.history] == list(range(query.target_position))[-10:]
    for spec, entries in shown(store, dataset, query, seed).items():
        for entry in entries:
            assert all_known(entry, data, known), spec
    asked = [(user, place) for user in range(len(data.bought)) for place in range(14)]
    found = windows.load(store, dataset, query, asked)
    assert [window.place for window in found] == [place for place in asked if place in known and place[1] > 0]


@given(data=histories(timestamps=True), place=PLACES, until=UNTIL, seed=SEEDS)
@many
def test_deleting_what_happened_since_changes_no_stale_demonstration(
    store: Store, per_item: int, data: Histories, place: int, until: int | None, seed: int
) -> None:
    dataset = data.store(store)
    query = earlier(store, dataset, data, place, until)
    less = data.frozen(query).store(store)
    again = earlier(store, less, data, place, until)
    assert replace(again, held_out=query.held_out) == query
    query, again = replace(query, target=Unseen()), replace(again, target=Unseen())
    assert content(shown(store, less, again, seed)) == content(shown(store, dataset, query, seed))


@given(data=histories(timestamps=True), place=PLACES, seed=SEEDS)
@many
def test_an_earlier_query_is_the_test_of_a_store_in_which_its_user_stopped_there(
    store: Store, data: Histories, place: int, seed: int
) -> None:
    dataset = data.store(store)
    query = earlier(store, dataset, data, place, None)
    less = data.frozen(query).store(store)
    test = build(store, less, "u0", "test")
    assert replace(query, held_out=1) == test
    assert content(shown(store, less, test, seed)) == content(shown(store, dataset, query, seed))


@pytest.mark.parametrize("until", [30, None])
def test_a_window_bought_since_is_fresh_and_not_stale(store: Store, until: int | None) -> None:
    """The best match was bought at 35, before the target at 40: only a fresh choice may show it."""
    data = Histories(
        items=8,
        bought=((0, 1, 2, 7), (3, 4, 1, 2, 5), (6, 1, 6, 4, 3)),
        when=((10, 20, 30, 40), (5, 10, 15, 20, 35), (1, 2, 3, 4, 5)),
    )
    dataset = data.store(store)
    [best] = choose(store, dataset, at(store, dataset, "u0", 3, known_until=until), "neighbours:1", 0)
    assert (best.answer.item == 5) == (until is None)


def test_a_moment_needs_timestamps(store: Store) -> None:
    dataset = Histories(8, ((0, 1, 2, 7), (3, 4, 1, 2, 5)), None).store(store)
    with pytest.raises(BadInput, match="no timestamps"):
        at(store, dataset, "u0", 2, known_until=30)


@pytest.mark.parametrize("position", [-1, 0, 4])
def test_a_position_without_a_history_or_a_target_is_refused(store: Store, position: int) -> None:
    dataset = Histories(8, ((0, 1, 2, 7),), ((1, 2, 3, 4),)).store(store)
    with pytest.raises(BadInput, match="1 to 3"):
        at(store, dataset, "u0", position)


@pytest.mark.parametrize("timestamps", [True, False])
def test_the_proof_has_teeth(store: Store, monkeypatch: pytest.MonkeyPatch, timestamps: bool) -> None:
    """A window that gives the target away is the best match; only the gate keeps it out."""
    data = Histories(
        items=8,
        bought=((0, 1, 2, 7), (3, 4, 1, 2, 7), (5, 1, 6, 4, 3)),
        when=((10, 20, 30, 40), (5, 10, 15, 39, 40), (1, 2, 3, 4, 5)) if timestamps else None,
    )
    dataset = data.store(store)
    query = build(store, dataset, "u0", "test")
    [honest] = choose(store, dataset, query, "neighbours:1", 0)
    assert honest.answer.item != 7
    monkeypatch.setattr(windows, "_known", lambda *_: True)
    [leaking] = choose(store, dataset, query, "neighbours:1", 0)
    assert leaking.answer.item == query.target.item == 7


@pytest.mark.parametrize("target", ["test", "probe"])
def test_an_answer_may_be_the_targets_item_where_somebody_bought_it_before(store: Store, target: str) -> None:
    after = (7,) if target == "test" else (7, 6)
    data = Histories(
        items=8,
        bought=((0, 1, 2, *after), (3, 1, 2, 7, 4, 5)),
        when=((10, 20, 30, 40, 50)[: 3 + len(after)], (5, 10, 15, 20, 25, 30)),
    )
    dataset = data.store(store)
    query = build(store, dataset, "u0", target)
    [best] = choose(store, dataset, query, "neighbours:1", 0)
    assert best.answer.item == query.target.item == 7
