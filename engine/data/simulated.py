"""The simulated store: a world of :mod:`engine.data.world` as a data set, plainly labelled as simulated.

A pure function of its seed, the same on every machine. :func:`simulate` makes the data set that ships with
the project, :func:`truth` the latent tastes and rules behind it (what a test or a demonstration of method is
checked against), :func:`simulate_large` data sets of any size for scale tests, from :func:`interactions`,
which streams them in bounded memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from db.datasets import DatasetColumns
from engine.data.draws import generator
from engine.data.world import (
    DEPARTMENTS,
    DRIFT_AT,
    STYLE_NAMES,
    TIERS,
    Shoppers,
    World,
    make_shoppers,
    make_world,
    purchase_times,
    shop,
)

#: 2023-01-01 to 2024-12-31 UTC, unix seconds.
START, SPAN = 1_672_531_200, 730 * 86_400
#: The moment after which drifting shoppers follow another department, unix seconds.
DRIFT_TIME = START + int(DRIFT_AT * SPAN)
#: Keys of training worlds start with another number, so that no training world is a store anyone sees.
_STORE_KEY = 20_110
_CHUNK_USERS = 20_000
_LENGTHS = (5, 30)


@dataclass(frozen=True)
class Truth:
    """What is behind a simulated data set and in no column of it."""

    world: World
    shoppers: Shoppers


@dataclass(frozen=True)
class Chunk:
    """Interactions of consecutive users, oldest first per user; four arrays ``[n]`` of the columns' types."""

    user: np.ndarray
    item: np.ndarray
    timestamp: np.ndarray
    rating: np.ndarray


def simulate(seed: int = 0, users: int = 2000, items: int = 2000) -> DatasetColumns:
    """The data set of a seed: ``users`` shoppers with 5 to 30 purchases of ``items`` products over two years.

    ``items`` at least 100, so that everyone finds enough to buy.
    """
    return _columns(seed, users, items, _LENGTHS)


def truth(seed: int = 0, users: int = 2000, items: int = 2000) -> Truth:
    """Rules and tastes of ``simulate(seed, users, items)``; at most ``20,000`` users."""
    world = make_world(generator(_STORE_KEY, seed), items)
    return Truth(
        world, make_shoppers(generator(_STORE_KEY, seed, 0), world, min(users, _CHUNK_USERS), _LENGTHS)
    )


def simulate_large(seed: int, interactions: int, items: int = 2000) -> DatasetColumns:
    """A data set of about ``interactions`` rows (within a few percent), 10 to 30 per user."""
    return _columns(seed, max(1, round(interactions / _mean_length((10, 30)))), items, (10, 30))


def interactions(
    seed: int, users: int, items: int = 2000, lengths: tuple[int, int] = (10, 30)
) -> Iterator[Chunk]:
    """The interactions of :func:`simulate_large` in chunks of 20,000 users, whatever their number."""
    world = make_world(generator(_STORE_KEY, seed), items)
    for number, first in enumerate(range(0, users, _CHUNK_USERS)):
        yield _chunk(
            generator(_STORE_KEY, seed, number), world, first, min(_CHUNK_USERS, users - first), lengths
        )


def _mean_length(lengths: tuple[int, int]) -> float:
    low, high = lengths
    return low + (high - low) / 3


def _chunk(rng: np.random.Generator, world: World, first: int, users: int, lengths: tuple[int, int]) -> Chunk:
    shoppers = make_shoppers(rng, world, users, lengths)
    times = purchase_times(rng, shoppers.length)
    bought = shop(rng, world, shoppers, times)
    kept = bought >= 0
    user, _ = np.nonzero(kept)
    item = bought[kept]
    return Chunk(
        user=(first + user).astype(np.int32),
        item=item.astype(np.int32),
        timestamp=START + (times[kept] * SPAN).astype(np.int64),
        rating=_ratings(rng, world, shoppers, user, item),
    )


def _ratings(
    rng: np.random.Generator, world: World, shoppers: Shoppers, user: np.ndarray, item: np.ndarray
) -> np.ndarray:
    """1 to 5 stars: higher where style and price are the shopper's own, with noise."""
    style = np.where(world.style[item] == shoppers.style[user], 1.1, 0.0)
    price = np.array([0.7, 0.3, 0.0])[np.abs(world.tier[item] - shoppers.tier[user])]
    noise = (rng.random(len(user)) + rng.random(len(user)) + rng.random(len(user)) - 1.5) * 2.2
    return np.clip(np.floor(3.4 + style + price + noise), 1, 5).astype(np.float32)


def _columns(seed: int, users: int, items: int, lengths: tuple[int, int]) -> DatasetColumns:
    world = make_world(generator(_STORE_KEY, seed), items)
    chunks = list(interactions(seed, users, items, lengths))
    digits = max(4, len(str(users - 1)))
    return DatasetColumns(
        item_ids=[f"p{number:04d}" for number in range(items)],
        titles=world.titles,
        categories=[DEPARTMENTS[area] for area in world.department],
        brands=list(world.brands),
        attributes=[
            {"price": float(price), "price_level": TIERS[tier], "style": STYLE_NAMES[style]}
            for price, tier, style in zip(world.price, world.tier, world.style, strict=True)
        ],
        user_ids=[f"s{number:0{digits}d}" for number in range(users)],
        user=np.concatenate([chunk.user for chunk in chunks]),
        item=np.concatenate([chunk.item for chunk in chunks]),
        timestamp=np.concatenate([chunk.timestamp for chunk in chunks]),
        rating=np.concatenate([chunk.rating for chunk in chunks]),
        tie=np.zeros(users, dtype=bool),
    )
