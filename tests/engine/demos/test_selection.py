"""What each source and strategy chooses, on data sets small enough to work out by hand."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from db import datasets, demonstrations
from db.choices import HAND_WRITTEN, SOURCES, STRATEGIES
from db.datasets import DatasetInfo
from db.errors import BadInput, NotFound
from db.requests.strategy_spec import parse_spec
from db.store import Store
from engine.demos.named import named
from engine.demos.query import PoolEntry, build
from engine.demos.reader import Reader
from engine.demos.selection import choose, pool
from engine.demos.sources import proximal
from engine.demos.windows import Offer, entries, load
from tests.engine.demos.histories import READER, Histories, embed, histories
from tests.toys import toy_columns

PLAIN = [name for name, choice in STRATEGIES.items() if name != "none" and not choice.optimized]
"""Strategies that need no user's optimization."""


def sells(*bought: tuple[int, ...], items: int = 20, when: tuple | None = None) -> Histories:
    """Histories of these purchases; the query is the first user's."""
    return Histories(items, bought, when)


def answers(entries: list[PoolEntry]) -> list[int]:
    return [entry.answer.item for entry in entries]


def users(entries: list[PoolEntry]) -> list[str]:
    return [entry.demonstration.user_id for entry in entries]


def toy(store: Store, timestamps: bool = True) -> DatasetInfo:
    """24 users with 8 purchases of 30 items each, known by hand (`tests.toys`)."""
    columns = toy_columns(users=24, items=30, length=8, timestamps=timestamps)
    return datasets.insert(
        store, f"toy {timestamps}", columns, kind="test", source="test", fingerprint="toy", report={}
    )


# --- the words for a strategy


@pytest.mark.parametrize("spec, name, size", [("none", "none", 0), ("neighbours:4", "neighbours", 4)])
def test_a_spec_is_a_name_and_a_number(spec: str, name: str, size: int) -> None:
    parsed = parse_spec(f" {spec} ")
    assert (parsed.name, parsed.size, str(parsed)) == (name, size, spec)


@pytest.mark.parametrize(
    "spec, says",
    [
        ("", "unknown strategy ''"),
        ("similar:4", "unknown strategy 'similar'"),
        ("neighbours", "neighbours:K with K a number"),
        ("neighbours:", "neighbours:K with K a number"),
        ("neighbours:four", "neighbours:K with K a number"),
        ("neighbours:-1", "neighbours:K with K a number"),
        ("neighbours:²", "neighbours:K with K a number"),
        ("neighbours:65", "from 0 to 64"),
        ("none:3", "none takes no number"),
    ],
)
def test_a_senseless_spec_is_refused_with_what_it_may_be(spec: str, says: str) -> None:
    with pytest.raises(BadInput, match=says):
        parse_spec(spec)


@pytest.mark.parametrize("name", PLAIN)
def test_a_budget_of_tokens_is_used_and_kept(store: Store, name: str) -> None:
    dataset = toy(store)
    query = build(store, dataset, "u9")
    for budget, fit in ((1, 0), (19, 0), (20, 1), (99, 4), (100, 5)):
        assert len(choose(store, dataset, query, f"{name}:{budget}t", 0, READER)) == fit
    with pytest.raises(BadInput, match="give a model"):
        choose(store, dataset, query, f"{name}:96t", 0)


def test_a_larger_budget_only_adds(store: Store) -> None:
    dataset = toy(store)
    query = build(store, dataset, "u9")
    uneven = Reader(embed, lambda entry: 10 * len(entry.history))
    draws = [choose(store, dataset, query, f"proximal:{budget}t", 0, uneven) for budget in range(7, 200, 7)]
    for less, more in pairwise(draws):
        assert more[len(more) - len(less) :] == less
    assert [len(draws[0]), len(draws[-1])] == [0, 5]


def test_several_prompts_take_no_more_than_there_can_be() -> None:
    assert parse_spec("mmr:4").times(3).size == 12
    with pytest.raises(BadInput, match="prompts: 9 times mmr:8 is more than 64"):
        parse_spec("mmr:8").times(9)
    assert str(parse_spec("mmr:96t").times(9)) == "mmr:864t"


@given(st.text(max_size=12))
def test_any_text_is_a_spec_or_refused(spec: str) -> None:
    try:
        parsed = parse_spec(spec)
    except BadInput:
        return
    assert parse_spec(str(parsed)) == parsed


# --- every strategy


@pytest.mark.parametrize("spec", ["none", *(f"{name}:0" for name in STRATEGIES if name != "none")])
def test_zero_demonstrations_means_zero(store: Store, spec: str) -> None:
    dataset = toy(store)
    assert choose(store, dataset, build(store, dataset, "u9"), spec, 0, READER) == []


@pytest.mark.parametrize("timestamps", [True, False])
@pytest.mark.parametrize("name", PLAIN)
def test_a_strategy_gives_as_many_as_asked_without_twins(store: Store, name: str, timestamps: bool) -> None:
    dataset = toy(store, timestamps)
    query = build(store, dataset, "u9")
    for size in (1, 4, 6):
        chosen = choose(store, dataset, query, f"{name}:{size}", 3, READER)
        assert len({entry.demonstration.id for entry in chosen}) == len(chosen) == size
        assert all(0 <= entry.similarity <= 1 for entry in chosen)
        assert chosen == choose(store, dataset, query, f"{name}:{size}", 3, READER)


@pytest.mark.parametrize("name", ["bm25", "neighbours", "proximal", "embedding", "votek"])
def test_the_best_match_stands_last(store: Store, name: str) -> None:
    dataset = toy(store)
    chosen = choose(store, dataset, build(store, dataset, "u9"), f"{name}:5", 0, READER)
    rated = [entry.similarity for entry in chosen]
    assert rated == sorted(rated)
    assert rated[0] < rated[-1]
    [best] = choose(store, dataset, build(store, dataset, "u9"), f"{name}:1", 0, READER)
    assert best.similarity == rated[-1]


@given(data=histories(), size=st.integers(1, 9))
@settings(max_examples=25, deadline=None)
def test_where_there_is_less_than_asked_all_of_it_is_given(store: Store, data: Histories, size: int) -> None:
    """Also for a history of nothing but one item, bought by nobody else."""
    dataset = data.store(store)
    query = build(store, dataset, "u0")
    for spec in ["none", *(f"{name}:{size}" for name in PLAIN)]:
        chosen = choose(store, dataset, query, spec, 0, READER)
        assert len({entry.demonstration.id for entry in chosen}) == len(chosen) <= size


def test_a_demonstration_says_where_it_comes_from(store: Store) -> None:
    dataset = toy(store)
    [entry] = choose(store, dataset, build(store, dataset, "u9"), "proximal:1", 0)
    made = entry.demonstration
    assert (made.source, made.user_id, made.position, made.dataset_id) == ("proximal", "u9", 6, dataset.id)
    assert (made.history, made.answer) == (("i10", "i11", "i12", "i13", "i14"), "i15")
    assert made.timestamp == entry.answer.timestamp
    assert entry.shared == 6
    assert made.id == demonstrations.demonstration_id("toy", "u9", made.history, made.answer, 6)


def test_draws_are_the_same_on_every_machine(store: Store) -> None:
    """Written down once: a change here changes every stored run that used a drawn demonstration."""
    dataset = toy(store)
    drawn = choose(store, dataset, build(store, dataset, "u9"), "random:4", 7)
    assert [(entry.demonstration.user_id, entry.answer.position) for entry in drawn] == [
        ("u2", 1),
        ("u1", 6),
        ("u12", 2),
        ("u10", 5),
    ]


# --- neighbours


def test_neighbours_prefer_what_came_right_after_the_newest_items(store: Store) -> None:
    others = ((9, 3, 10, 0), (9, 2, 11, 0), (9, 1, 12, 0), (8, 3, 13, 14, 0))
    dataset = sells((1, 2, 3, 0), *others).store(store)
    chosen = choose(store, dataset, build(store, dataset, "u0"), "neighbours:9", 0)
    place = {answer: at for at, answer in enumerate(answers(chosen))}
    assert place[14] < place[13]
    assert place[12] < place[11]
    assert place[11] > place[14]


def test_neighbours_prefer_rare_items(store: Store) -> None:
    """Items 1 and 2 are as recent as each other within 20 %, but everybody has bought item 2."""
    crowd = tuple((8, 2, 4, 0) for _ in range(12))
    dataset = sells((1, 2, 5, 0), (9, 1, 10, 0), *crowd).store(store)
    [best] = choose(store, dataset, build(store, dataset, "u0"), "neighbours:1", 0)
    assert best.answer.item == 10


def test_more_shared_items_make_a_better_neighbour(store: Store) -> None:
    dataset = sells((1, 2, 3, 0), (9, 3, 10, 0), (2, 3, 11, 0), (1, 2, 3, 12, 0)).store(store)
    chosen = choose(store, dataset, build(store, dataset, "u0"), "neighbours:3", 0)
    assert answers(chosen) == [10, 11, 12]
    assert [entry.shared for entry in chosen] == [1, 2, 3]


def test_a_neighbour_gives_one_window_while_there_are_others(store: Store) -> None:
    dataset = sells((1, 2, 3, 0), (3, 10, 3, 11, 3, 12, 0), (9, 1, 13, 0)).store(store)
    query = build(store, dataset, "u0")
    assert sorted(users(choose(store, dataset, query, "neighbours:2", 0))) == ["u1", "u2"]
    assert sorted(users(choose(store, dataset, query, "neighbours:3", 0))) == ["u1", "u1", "u2"]


def test_windows_that_hold_the_same_items_are_shown_once_while_there_are_others(store: Store) -> None:
    dataset = sells((1, 3, 0), (9, 3, 10, 0), (9, 3, 10, 0), (8, 1, 11, 0)).store(store)
    query = build(store, dataset, "u0")
    assert sorted(answers(choose(store, dataset, query, "neighbours:2", 0))) == [10, 11]
    assert sorted(answers(choose(store, dataset, query, "neighbours:3", 0))) == [10, 10, 11]


def test_nobody_else_bought_any_of_it(store: Store) -> None:
    dataset = sells((1, 2, 3, 0), (4, 5, 6, 7), (8, 9, 10, 11)).store(store)
    query = build(store, dataset, "u0")
    assert choose(store, dataset, query, "neighbours:4", 0) == []
    assert choose(store, dataset, query, "recent:4", 0) == []
    assert len(choose(store, dataset, query, "bm25:4", 0)) == 2


# --- the others


def test_proximal_windows_do_not_overlap_where_the_history_is_long_enough() -> None:
    assert proximal.answers(14, 2) == [13, 7]
    assert proximal.answers(14, 4) == [13, 7, 1, 12]
    assert proximal.answers(3, 9) == [2, 1]
    assert proximal.answers(1, 3) == []


def test_proximal_is_in_the_order_of_time(store: Store) -> None:
    dataset = sells(tuple(range(16)), (1, 2)).store(store)
    chosen = choose(store, dataset, build(store, dataset, "u0"), "proximal:4", 0)
    assert [entry.answer.position for entry in chosen] == [2, 8, 13, 14]
    assert users(chosen) == ["u0"] * 4


def test_random_takes_different_users_and_depends_on_the_seed(store: Store) -> None:
    dataset = toy(store)
    query = build(store, dataset, "u9")
    draws = [choose(store, dataset, query, "random:6", seed) for seed in range(8)]
    assert all(len(set(users(drawn)) - {"u9"}) == 6 for drawn in draws)
    assert len({tuple(users(drawn)) for drawn in draws}) == 8
    assert len({entry.answer.position for drawn in draws for entry in drawn}) > 4


def test_recent_takes_the_newest_neighbours(store: Store) -> None:
    bought = ((1, 2, 3, 0), (9, 3, 10), (9, 3, 11), (9, 3, 12))
    when = ((10, 20, 30, 90), (1, 2, 80), (1, 2, 40), (1, 2, 60))
    dataset = sells(*bought, when=when).store(store)
    chosen = choose(store, dataset, build(store, dataset, "u0"), "recent:2", 0)
    assert answers(chosen) == [12, 10]


def test_recent_goes_by_the_place_in_the_history_without_timestamps(store: Store) -> None:
    dataset = sells((1, 2, 3, 0), (3, 10, 4, 5, 6), (3, 11, 4), (3, 12, 7, 5)).store(store)
    query = build(store, dataset, "u0")
    assert set(answers(choose(store, dataset, query, "recent:3", 0))) == {5, 11, 7}
    assert set(answers(choose(store, dataset, query, "recent:5", 0))[:2]) == {4, 12}


def test_bm25_goes_by_the_words_of_the_titles(store: Store) -> None:
    columns = toy_columns(users=4, items=8, length=4)
    titles = [
        "red wool hat",
        "blue chess set",
        "red wool scarf",
        "garden hose",
        "red wool gloves",
        "lamp",
        "pan",
        "pot",
    ]
    bought = [[0, 2, 5, 7], [6, 3, 1, 7], [4, 6, 1, 7], [3, 1, 6, 7]]
    item = columns.item.copy()
    item[:] = [number for own in bought for number in own]
    dataset = datasets.insert(
        store,
        "wool",
        replace(columns, titles=titles, item=item, timestamp=None),
        kind="test",
        source="test",
        fingerprint="wool",
        report={},
    )
    [best] = choose(store, dataset, build(store, dataset, "u0"), "bm25:1", 0)
    assert best.demonstration.user_id == "u2"
    assert best.similarity > 0
    assert best.shared == 0


# --- pools and demonstrations by name


def test_a_pool_holds_every_source_and_no_window_twice(store: Store) -> None:
    dataset = toy(store)
    query = build(store, dataset, "u9")
    offered = pool(store, dataset, query, list(SOURCES), 6, 0)
    assert len({entry.demonstration.id for entry in offered}) == len(offered)
    assert {entry.demonstration.source for entry in offered} == set(SOURCES) - {HAND_WRITTEN}
    assert [entry.demonstration.source for entry in offered[:6]] == ["neighbours"] * 6
    rated = [entry.similarity for entry in offered[:6]]
    assert rated == sorted(rated, reverse=True)


@pytest.mark.parametrize(
    "sources, size, says", [(["globe"], 3, "no source 'globe'"), (["random"], 0, "size is 0")]
)
def test_a_senseless_pool_is_refused(store: Store, sources: list[str], size: int, says: str) -> None:
    dataset = toy(store)
    with pytest.raises(BadInput, match=says):
        pool(store, dataset, build(store, dataset, "u9"), sources, size, 0)


@pytest.mark.parametrize("timestamps", [True, False])
def test_demonstrations_called_by_name_are_the_ones_that_were_offered(store: Store, timestamps: bool) -> None:
    dataset = toy(store, timestamps)
    query = build(store, dataset, "u9")
    offered = pool(store, dataset, query, list(SOURCES), 6, 0)
    demonstrations.save_many(store, [entry.demonstration for entry in offered])
    again = named(store, dataset, query, [entry.demonstration.id for entry in reversed(offered)])
    assert again == offered[::-1]
    assert named(store, dataset, query, []) == []


def test_one_users_own_window_is_a_neighbours_to_another(store: Store) -> None:
    """Its answer stands as far along as the other's target does: 0 steps from it as an own window."""
    dataset = toy(store)
    query = build(store, dataset, "u9")
    place = (datasets.user(store, dataset.id, "u8").user, query.target_position)
    [window] = load(store, dataset, query, [place])
    [own] = entries(store, dataset, query, [Offer("proximal", window, 1.0)])
    demonstrations.save_many(store, [own.demonstration])
    [found] = named(store, dataset, query, [own.demonstration.id])
    assert window.answer.position == query.target_position
    assert found.demonstration.source == "neighbours"
    assert found.demonstration.id == own.demonstration.id
    assert 0 <= found.similarity <= 1


def test_a_demonstration_that_gives_an_earlier_target_away_is_refused(store: Store) -> None:
    dataset = toy(store)
    later = build(store, dataset, "u9", "test")
    [own] = choose(store, dataset, later, "proximal:1", 0)
    demonstrations.save_many(store, [own.demonstration])
    probe = build(store, dataset, "u9", "probe")
    assert own.answer.item == probe.target.item
    with pytest.raises(BadInput, match=r"window of user 'u9'.*not known yet"):
        named(store, dataset, probe, [own.demonstration.id])


def test_an_unknown_name_is_not_found(store: Store) -> None:
    dataset = toy(store)
    with pytest.raises(NotFound, match="no demonstration 'nowhere'"):
        named(store, dataset, build(store, dataset, "u9"), ["nowhere"])
