"""Simulated worlds: a catalogue, who likes what, and which product is bought after which. Pure numpy.

A world is a function of a random generator. Some of it is the same in every world (a noun's department,
the words that betray a style), some is drawn anew (brands and what they sell, the rules "bought X, then
Y"), so a model can know the first from its weights but has to read the second in its prompt (the setting
of RecICL, arXiv 2410.23136). :mod:`engine.data.simulated` turns one world into a data set,
:mod:`engine.tuning.worlds` draws thousands for training.

Only ``Generator.random`` over PCG64 and exact IEEE operations (no exp, log, choice, shuffle) are used, so
that the same seed gives the same world on every machine and numpy version.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.data.catalogue_words import BRAND_HEADS, BRAND_TAILS, FEATURES, NOUNS, STYLES, VARIANTS

DEPARTMENTS: tuple[str, ...] = tuple(NOUNS)
STYLE_NAMES: tuple[str, ...] = tuple(STYLES)
TIERS: tuple[str, ...] = ("budget", "mid", "premium")

#: Probability that a purchase follows the rule of the last item, and of the one before it.
STRENGTH = 0.75
SECOND_STRENGTH = 0.08
#: How often a rule leads out of its department.
CROSS_DEPARTMENT = 0.2
#: The moment of the drift as a fraction of the time span, the shares of shoppers and of rules it changes.
DRIFT_AT = 0.6
DRIFT_SHARE = 0.25
RULE_DRIFT_SHARE = 0.25
_TRIES = 6


@dataclass(frozen=True)
class World:
    """Catalogue and rules. All arrays are ``[items]``."""

    titles: list[str]
    brands: list[str]
    department: np.ndarray  # int, index into DEPARTMENTS
    style: np.ndarray  # int, index into STYLE_NAMES
    tier: np.ndarray  # int, index into TIERS
    price: np.ndarray  # float64, dollars
    popularity: np.ndarray  # float64, unnormalised
    successor: np.ndarray  # int: the rule "bought i, then successor[i]"
    later_successor: np.ndarray  # int: the same after the drift; most rules stay


@dataclass(frozen=True)
class Shoppers:
    """Latent tastes, arrays ``[users]``; after the drift a drifting user's department is ``later``."""

    length: np.ndarray
    department: np.ndarray
    second: np.ndarray
    later: np.ndarray
    style: np.ndarray
    tier: np.ndarray
    drifts: np.ndarray  # bool


def pick(rng: np.random.Generator, high: int, size: int | tuple[int, ...]) -> np.ndarray:
    """Uniform integers in ``[0, high)``; from doubles, because ``integers`` may change between versions."""
    return np.minimum((rng.random(size) * high).astype(np.int64), high - 1)


def order(rng: np.random.Generator, size: int) -> np.ndarray:
    """A random permutation of ``range(size)``."""
    return np.argsort(rng.random(size), kind="stable")


def make_world(rng: np.random.Generator, items: int, departments: int = len(DEPARTMENTS)) -> World:
    """Draw a catalogue of ``items`` products in ``departments`` departments, and its rules."""
    used = order(rng, len(DEPARTMENTS))[:departments]
    brand_count = max(6, items // 10)
    names = [
        BRAND_HEADS[b % len(BRAND_HEADS)] + BRAND_TAILS[b // len(BRAND_HEADS)]
        for b in order(rng, len(BRAND_HEADS) * len(BRAND_TAILS))[:brand_count]
    ]
    brand = pick(rng, brand_count, items)
    department = used[brand % departments]
    style = pick(rng, len(STYLE_NAMES), items)
    tier = np.searchsorted(np.array([0.35, 0.8]), rng.random(items))
    draws = rng.random((items, 8))
    titles = _titles(names, brand, department, style, draws)
    price = np.round((4 + 36 * draws[:, 7]) * np.array([0.6, 1.0, 2.2])[tier]) + 0.99
    popularity = 1.0 / (1.0 + order(rng, items) * (12.0 / items))
    successor = _rules(rng, department)
    later = np.where(rng.random(items) < RULE_DRIFT_SHARE, _rules(rng, department), successor)
    return World(
        titles, [names[b] for b in brand], department, style, tier, price, popularity, successor, later
    )


def _titles(
    names: list[str], brand: np.ndarray, department: np.ndarray, style: np.ndarray, draws: np.ndarray
) -> list[str]:
    titles: list[str] = []
    seen: set[str] = set()
    for index, draw in enumerate(draws):
        area = DEPARTMENTS[department[index]]
        noun = NOUNS[area][int(draw[0] * len(NOUNS[area]))]
        words = STYLES[STYLE_NAMES[style[index]]]
        styled, feature = words[int(draw[1] * len(words))], FEATURES[area][int(draw[2] * 8)]
        qualifier = styled if draw[3] < 0.5 else f"{styled} {feature}" if draw[3] < 0.8 else feature
        base = f"{names[brand[index]]} {qualifier} {noun}"
        variant = int(draw[5] * len(VARIANTS))
        title = f"{base}, {VARIANTS[variant]}" if draw[4] < 0.2 else base
        number = 0
        while title in seen:
            number += 1
            title = f"{base}, {VARIANTS[(variant + number) % len(VARIANTS)]}"
            if number > len(VARIANTS):
                title = f"{base} No. {number}"
        seen.add(title)
        titles.append(title)
    return titles


def _rules(rng: np.random.Generator, department: np.ndarray) -> np.ndarray:
    """One successor and one predecessor per item: a cycle per department, some links exchanged across."""
    successor = np.empty(len(department), dtype=np.int64)
    for area in np.unique(department):
        members = np.flatnonzero(department == area)
        members = members[order(rng, len(members))]
        successor[members] = np.roll(members, -1)
    crossing = np.flatnonzero(rng.random(len(department)) < CROSS_DEPARTMENT)
    crossing = crossing[order(rng, len(crossing))]
    successor[crossing] = np.roll(successor[crossing], 1)
    lonely = np.flatnonzero(successor == np.arange(len(department)))
    successor[lonely] = (lonely + 1) % len(department)
    return successor


def make_shoppers(
    rng: np.random.Generator, world: World, users: int, lengths: tuple[int, int] = (5, 40)
) -> Shoppers:
    """Draw the tastes of ``users`` shoppers with ``lengths[0]`` to ``lengths[1]`` purchases each."""
    areas = np.unique(world.department)
    low, high = lengths
    squared = rng.random(users)
    length = low + np.minimum((squared * squared * (high - low + 1)).astype(np.int64), high - low)
    return Shoppers(
        length=length,
        department=areas[pick(rng, len(areas), users)],
        second=areas[pick(rng, len(areas), users)],
        later=areas[pick(rng, len(areas), users)],
        style=pick(rng, len(STYLE_NAMES), users),
        tier=np.searchsorted(np.array([0.35, 0.8]), rng.random(users)),
        drifts=rng.random(users) < DRIFT_SHARE,
    )


def purchase_times(rng: np.random.Generator, length: np.ndarray) -> np.ndarray:
    """Strictly increasing times in [0, 1): ``[users, max length]``, rows valid up to ``length``."""
    users, steps = len(length), int(length.max())
    start = 0.55 * rng.random(users)
    end = start + (0.3 + 0.7 * rng.random(users)) * (0.999 - start)
    gaps = 0.05 + rng.random((users, steps))
    gaps *= np.arange(steps)[None, :] < length[:, None]
    walked = np.cumsum(gaps, axis=1)
    return start[:, None] + (end - start)[:, None] * (walked / walked[:, -1:])


def shop(
    rng: np.random.Generator,
    world: World,
    shoppers: Shoppers,
    times: np.ndarray,
    strength: float = STRENGTH,
    second: float = SECOND_STRENGTH,
) -> np.ndarray:
    """What everyone buys: items ``[users, max length]``, no item twice by one user, -1 past the length.

    A purchase follows the rule of the last item with probability ``strength``, of the one before with
    ``second``, and the shopper's taste otherwise. Needs fewer purchases per user than items.
    """
    users, steps = times.shape
    count = len(world.titles)
    if int(shoppers.length.max()) >= count:
        raise ValueError(f"{shoppers.length.max()} purchases need a catalogue of more than {count} items")
    bought = np.full((users, steps), -1, dtype=np.int64)
    seen = np.zeros((users, count), dtype=bool)
    taste = _Taste(world)
    for step in range(steps):
        now = np.flatnonzero(shoppers.length > step)
        wanted = taste.draw(rng, shoppers, now, times[now, step])
        if step:
            roll = rng.random(len(now))
            drifted = times[now, step] >= DRIFT_AT
            wanted = np.where(roll < strength, _follow(world, bought[now, step - 1], drifted), wanted)
            if step > 1:
                late = (roll >= strength) & (roll < strength + second)
                wanted = np.where(late, _follow(world, bought[now, step - 2], drifted), wanted)
        for _ in range(_TRIES):
            again = np.flatnonzero(seen[now, wanted])
            if not len(again):
                break
            wanted[again] = taste.draw(rng, shoppers, now[again], times[now[again], step])
        # Tiny worlds run out of what a taste likes: the next product not yet bought ends the search.
        for row in np.flatnonzero(seen[now, wanted]):
            unseen = np.flatnonzero(~seen[now[row]])
            wanted[row] = unseen[np.searchsorted(unseen, wanted[row]) % len(unseen)]
        bought[now, step] = wanted
        seen[now, wanted] = True
    return bought


def _follow(world: World, items: np.ndarray, drifted: np.ndarray) -> np.ndarray:
    """What the rules of the moment name after these items."""
    return np.where(drifted, world.later_successor[items], world.successor[items])


class _Taste:
    """Draws items by department x style x tier: one flat table of cumulative shares, row c in (c, c+1]."""

    def __init__(self, world: World) -> None:
        rows, members, starts, offset = [], [], [], 0
        self.combinations = (len(STYLE_NAMES), len(TIERS))
        for area in range(len(DEPARTMENTS)):
            inside = np.flatnonzero(world.department == area)
            for style in range(len(STYLE_NAMES)):
                for tier in range(len(TIERS)):
                    starts.append(offset)
                    liked = np.where(world.style[inside] == style, 4.0, 1.0)
                    liked = liked * np.array([3.0, 1.0, 0.3])[np.abs(world.tier[inside] - tier)]
                    share = np.cumsum(liked * world.popularity[inside])
                    rows.append(len(starts) - 1 + share / share[-1] if len(inside) else share)
                    members.append(inside)
                    offset += len(inside)
        self.table = np.concatenate(rows)
        self.members = np.concatenate(members)
        self.areas = np.unique(world.department)

    def draw(
        self, rng: np.random.Generator, shoppers: Shoppers, users: np.ndarray, times: np.ndarray
    ) -> np.ndarray:
        mood = rng.random(len(users))
        moved = shoppers.drifts[users] & (times >= DRIFT_AT)
        area = np.where(moved, shoppers.later[users], shoppers.department[users])
        area = np.where(mood < 0.6, area, shoppers.second[users])
        area = np.where(mood < 0.85, area, self.areas[pick(rng, len(self.areas), len(users))])
        styles, tiers = self.combinations
        row = (area * styles + shoppers.style[users]) * tiers + shoppers.tier[users]
        # The lower edge is moved in by a hair so that a draw of exactly 0 stays in its own row.
        at = np.searchsorted(self.table, row + np.maximum(rng.random(len(users)), 1e-9) * (1 - 1e-9))
        return self.members[at]
