"""The simulated store: pinned by its seed, believable, and with rules that its neighbours reveal."""

import hashlib

import numpy as np
import pytest

from db.datasets import DatasetColumns
from db.datasets.columns import check
from engine.data.draws import generator
from engine.data.simulated import DRIFT_TIME, SPAN, START, interactions, simulate, simulate_large, truth
from engine.data.world import make_shoppers, make_world, purchase_times, shop


@pytest.fixture(scope="module")
def store() -> DatasetColumns:
    return simulate(0)


def digest_of(columns: DatasetColumns) -> str:
    """Everything a shopper, a model or a ranking sees, in bytes that do not depend on the platform."""
    parts = [columns.user, columns.item, columns.timestamp, columns.rating]
    text = "\n".join([*columns.item_ids, *columns.titles, *map(str, columns.attributes or [])])
    return hashlib.sha256(
        b"".join(np.asarray(part, dtype="<f8").tobytes() for part in parts) + text.encode()
    ).hexdigest()


def follows(columns: DatasetColumns, successor: np.ndarray) -> float:
    """Share of purchases that follow the rule of the purchase right before."""
    same = columns.user[1:] == columns.user[:-1]
    return float((successor[columns.item[:-1]] == columns.item[1:])[same].mean())


def test_same_seed_same_store_on_every_machine(store: DatasetColumns) -> None:
    assert digest_of(store) == "4909e2c2c5f2847c6498887b91afefeeea8f96338eac12ee4512b533e29f66c9"


def test_other_seed_other_store() -> None:
    assert digest_of(simulate(1, users=200)) != digest_of(simulate(0, users=200))


def test_holds_together(store: DatasetColumns) -> None:
    check(store)
    lengths = np.bincount(store.user)
    assert (len(store.user_ids), len(store.item_ids)) == (2000, 2000)
    assert (lengths.min(), lengths.max()) == (5, 30)
    assert store.timestamp is not None
    assert START <= store.timestamp.min() <= store.timestamp.max() < START + SPAN
    same = store.user[1:] == store.user[:-1]
    assert (np.diff(store.timestamp)[same] > 0).all()


def test_nobody_buys_an_item_twice(store: DatasetColumns) -> None:
    pairs = store.user.astype(np.int64) * len(store.item_ids) + store.item
    assert len(np.unique(pairs)) == len(pairs)


def test_titles_are_distinct_and_name_brand_and_product(store: DatasetColumns) -> None:
    assert len(set(store.titles)) == len(store.titles)
    assert all(title.startswith(f"{brand} ") for title, brand in zip(store.titles, store.brands, strict=True))
    assert all(3 <= len(title.replace(",", "").split()) <= 9 for title in store.titles)


def test_ratings_follow_taste(store: DatasetColumns) -> None:
    behind = truth(0)
    assert store.rating is not None
    assert set(np.unique(store.rating)) == {1, 2, 3, 4, 5}
    liked = behind.world.style[store.item] == behind.shoppers.style[store.user]
    assert store.rating[liked].mean() - store.rating[~liked].mean() > 0.5


def test_purchases_follow_this_world_s_rules_and_no_other_s(store: DatasetColumns) -> None:
    assert 0.55 < follows(store, truth(0).world.successor) < 0.8
    assert follows(store, truth(1).world.successor) < 0.01


def test_part_of_the_rules_changes_at_the_drift(store: DatasetColumns) -> None:
    world = truth(0).world
    assert store.timestamp is not None
    changed = world.successor != world.later_successor
    assert 0.15 < changed.mean() < 0.35
    same = store.user[1:] == store.user[:-1]
    from_changed = changed[store.item[:-1]] & same
    late = store.timestamp[1:] >= DRIFT_TIME
    for rules, holds in ((world.successor, ~late), (world.later_successor, late)):
        followed = rules[store.item[:-1]] == store.item[1:]
        assert followed[from_changed & holds].mean() > 0.5
        assert followed[from_changed & ~holds].mean() < 0.05


def test_drifting_shoppers_change_department_at_the_known_time(store: DatasetColumns) -> None:
    behind = truth(0)
    assert store.timestamp is not None
    shoppers = behind.shoppers
    moves = shoppers.drifts & (shoppers.later != shoppers.department)
    at_home = behind.world.department[store.item] == shoppers.department[store.user]
    late = store.timestamp >= DRIFT_TIME
    drifted = moves[store.user]
    assert 0.15 < shoppers.drifts.mean() < 0.35
    # Rules that lead elsewhere carry everyone from home a little in time; a drifting one goes farther.
    left = [at_home[who & ~late].mean() - at_home[who & late].mean() for who in (drifted, ~drifted)]
    assert left[0] > left[1] + 0.1
    assert abs(left[1]) < 0.1


def test_somebody_earlier_shows_the_next_purchase(store: DatasetColumns) -> None:
    """For most shoppers' last purchase, another one made the same step from item to item before."""
    assert store.timestamp is not None
    ends = np.flatnonzero(np.append(store.user[1:] != store.user[:-1], True))
    same = np.flatnonzero(store.user[1:] == store.user[:-1])
    step = store.item[:-1].astype(np.int64) * len(store.item_ids) + store.item[1:]
    first: dict[int, int] = {}
    for row in same:
        first[int(step[row])] = min(int(store.timestamp[row + 1]), first.get(int(step[row]), 2**62))
    known = [first[int(step[end - 1])] < store.timestamp[end] for end in ends]
    assert np.mean(known) > 0.55


def test_tiny_worlds_end() -> None:
    """Tastes in a world of few products run dry; everyone still gets their purchases, none twice."""
    rng = generator(5)
    world = make_world(rng, 8, departments=2)
    shoppers = make_shoppers(rng, world, 50, (5, 7))
    bought = shop(rng, world, shoppers, purchase_times(rng, shoppers.length), strength=0.98)
    assert ((bought >= 0).sum(axis=1) == shoppers.length).all()
    assert all(len(set(row[row >= 0])) == (row >= 0).sum() for row in bought)
    small, times = make_world(rng, 5, departments=1), purchase_times(rng, shoppers.length)
    with pytest.raises(ValueError, match="more than 5 items"):
        shop(rng, small, shoppers, times)


def test_large_sets_stream_in_chunks_and_say_the_same() -> None:
    large = simulate_large(3, 450_000, items=500)
    check(large)
    assert abs(len(large.user) - 450_000) < 25_000
    chunks = list(interactions(3, len(large.user_ids), items=500))
    assert len(chunks) == 2
    assert max(len(set(chunk.user.tolist())) for chunk in chunks) <= 20_000
    assert np.array_equal(np.concatenate([chunk.item for chunk in chunks]), large.item)
