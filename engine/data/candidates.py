"""Candidate lists: the target among negatives, drawn once from a seed and stored, so that runs compare.

A negative is never an item that the user had bought by then. What they bought after the target is not looked
at: where the target is a probe, that is the held-out purchase, and what is measured on a probe must not
depend on it (the chances of `popular` count it as one purchase among all). No two candidates carry the same
title, and no negative that of an item of the history: a model that reads titles could not tell them apart.
A list is a pure function of data set, user, target, kind, size and seed, equal on every machine; the
negatives of a shorter list are among those of a longer list of the same seed.
"""

from collections.abc import Callable, Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

from db import candidates as stored
from db import datasets
from db.candidates import CandidateList
from db.canonical import digest
from db.datasets import DatasetInfo, Item
from db.datasets.known import user_ids
from db.errors import BadInput
from db.forgotten import Numbers, removed, to_base
from db.store import Store
from engine.data.draws import Part, keys, shuffled, weighted_order
from engine.data.kept import Cost, Kept, Shelf
from engine.data.similar_titles import of_catalogue

SMALLEST = 2
"""The target and one negative."""

COUNTS, EQUAL = 1, 1
"""Versions of what is kept: how often items were bought, and which have one title."""

MANY = 2_000
"""Items of a history whose titles are not read one by one."""

Titled = Callable[[list[int]], list[Hashable]]
"""Items -> for each what is equal where their titles are."""


def candidate_list(
    store: Store, dataset: DatasetInfo, user: int, target_position: int, kind: str, size: int, seed: int
) -> CandidateList:
    """The stored list of `size` items, the target among them at a place drawn from the seed; drawn if new.

    `kind` of the negatives: `random` (every item alike), `popular` (chance in proportion to how often an item
    was bought), `hard` (titles most like the target's by BM25, then random ones). Raises BadInput for another
    kind, a size below 2 or beyond what the catalogue holds, and a position outside the user's history.
    """
    if kind not in ORDERS:
        raise BadInput(f"candidate_kind is {kind!r}; it must be one of {', '.join(ORDERS)}.")
    if size < SMALLEST:
        raise BadInput(f"candidates is {size}; a list needs the target and a negative: at least {SMALLEST}.")
    known = stored.find(store, dataset.id, user, target_position, kind, size, seed)
    if known is not None:
        return known
    items = _drawn(store, dataset, user, target_position, kind, size, seed)
    at, numbers = _as_imported(store, dataset, user, target_position), Numbers.of(dataset)
    content = [*at, kind, size, seed, numbers.items(items)]
    fresh = CandidateList(
        fingerprint=digest(content),
        dataset_id=dataset.id,
        user=user,
        target_position=target_position,
        kind=kind,
        size=size,
        seed=seed,
        items=tuple(items),
    )
    return stored.save(store, fresh)


def _drawn(
    store: Store, dataset: DatasetInfo, user: int, target_position: int, kind: str, size: int, seed: int
) -> list[int]:
    length = datasets.lengths(store, dataset.id, [user]).get(user, 0)
    if not 0 <= target_position < length:
        raise BadInput(
            f"Target position {target_position} lies outside the user's history of {length} interactions."
        )
    own = datasets.bought(store, dataset.id, user, target_position + 1)
    target = datasets.items(store, dataset.id, own[-1:])[own[-1]]
    parts: tuple[Part, ...] = (*_as_imported(store, dataset, user, target_position), kind, seed)
    order = ORDERS[kind](store, dataset, target, parts)
    negatives = _negatives(store, dataset, own, order, size - 1)
    if len(negatives) < size - 1:
        most = len(negatives) + 1
        advice = f"Ask for at most {most}." if most >= SMALLEST else "No list can be made: take another user."
        raise BadInput(
            f"candidates is {size}, but {dataset.name!r} has only {len(negatives)} {kind} negatives for this "
            f"user (not in the history, a title of its own). {advice}"
        )
    items = [own[-1], *negatives]
    return [items[place] for place in shuffled(size, *parts, "place", size).tolist()]


def _as_imported(store: Store, dataset: DatasetInfo, user: int, target_position: int) -> tuple[str, int, int]:
    """Data set, user and target by which a list is drawn. They are those as imported, so that forgetting
    something leaves the lists of everything else as they are."""
    if not dataset.forgotten:
        return dataset.fingerprint, int(user), int(target_position)
    name = user_ids(store, dataset.id, [user])[user]
    gone = removed(store, dataset, [name]).get(name, ())
    return dataset.origin, Numbers.of(dataset).user(int(user)), to_base(int(target_position), gone)


def _negatives(
    store: Store, dataset: DatasetInfo, own: Sequence[int], order: NDArray[np.int64], count: int
) -> list[int]:
    """The first `count` items of `order` that are not among `own` and whose title is new."""
    bought = set(own)
    titled = _numbered_titles(store, dataset) if len(bought) > MANY else _titles(store, dataset)
    titles = set(titled(list(bought)))
    taken: list[int] = []
    for start in range(0, len(order), 2 * count):
        part = order[start : start + 2 * count].tolist()
        for item, title in zip(part, titled(part), strict=True):
            if item not in bought and title not in titles:
                taken.append(item)
                titles.add(title)
            if len(taken) == count:
                return taken
    return taken


def _titles(store: Store, dataset: DatasetInfo) -> Titled:
    """Titles as they are compared, read item by item."""

    def titled(items: list[int]) -> list[Hashable]:
        rows = datasets.items(store, dataset.id, items)
        return [_plain(rows[item].title) for item in items]

    return titled


def _numbered_titles(store: Store, dataset: DatasetInfo) -> Titled:
    """The same by number, equal for equal titles: kept for all items, so that none need be read."""

    def number() -> Kept:
        known: dict[str, int] = {}
        titles = datasets.catalogue(store, dataset.id).titles
        numbers = [known.setdefault(_plain(title), len(known)) for title in titles]
        return Kept({"numbers": np.array(numbers, dtype=np.int32)}, {})

    cost = Cost(f"{dataset.items:,} titles for equal ones", 4e-6 * dataset.items, 0.5e-3 * dataset.items)
    shelf = Shelf(store.settings, dataset.fingerprint)
    numbers = shelf.get("equal-titles", number, EQUAL, cost=cost).tensors["numbers"]
    return lambda items: numbers[items].tolist()


def _plain(title: str) -> str:
    return " ".join(title.split()).casefold()


def _random(_store: Store, dataset: DatasetInfo, _target: Item, parts: tuple[Part, ...]) -> NDArray[np.int64]:
    numbers = Numbers.of(dataset)
    return numbers.remaining(shuffled(numbers.imported(dataset.items), *parts))


def _popular(store: Store, dataset: DatasetInfo, _target: Item, parts: tuple[Part, ...]) -> NDArray[np.int64]:
    def counted() -> Kept:
        return Kept({"counts": datasets.item_counts(store, dataset.id)}, {})

    counts = Shelf(store.settings, dataset.fingerprint).get("counts", counted, COUNTS).tensors["counts"]
    numbers = Numbers.of(dataset)
    weights = np.zeros(numbers.imported(dataset.items))
    weights[numbers.items(range(dataset.items))] = counts
    return numbers.remaining(weighted_order(weights, *parts))


def _hard(store: Store, dataset: DatasetInfo, target: Item, parts: tuple[Part, ...]) -> NDArray[np.int64]:
    shelf = Shelf(store.settings, dataset.fingerprint)
    index = of_catalogue(shelf, dataset.items, lambda: datasets.catalogue(store, dataset.id).titles)
    scores = index.scores(target.title)
    numbers = Numbers.of(dataset)
    drawn = keys(numbers.imported(dataset.items), *parts)[numbers.items(range(dataset.items))]
    return np.lexsort((drawn, -scores))


ORDERS: dict[str, Callable[[Store, DatasetInfo, Item, tuple[Part, ...]], NDArray[np.int64]]] = {
    "random": _random,
    "popular": _popular,
    "hard": _hard,
}
"""Kind of negatives -> the catalogue in the order in which they are tried."""
