"""The past purchases that demonstrations are chosen on: the user's own last ones and those of similar users.

The user's own last purchases alone mislead: what followed the item before last says little of what follows
the last one. People who bought the same last items and then something else have answered the very question.
Nobody judges with a demonstration of their own, half of the probes are held out from choosing, and the target
to be predicted is never read.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from db import datasets
from db.datasets import DatasetInfo, Interaction
from db.store import Store
from engine.data.draws import shuffled
from engine.demos.probes import Probe, gives_away, own_probes
from engine.demos.query import PoolEntry, Query
from engine.demos.sources import neighbours
from engine.demos.windows import entries

OWN = 2
"""Own purchases among the probes, at most."""

OWN_WEIGHT = 0.25
"""What an own purchase counts; a similar user's counts its similarity, which is at most 1."""

NEGATIVES = 19
"""Other titles that a held-out probe's answer is ranked among."""


@dataclass(frozen=True)
class Target:
    """A probe and whose it is. `weight`: what it counts; `held_out`: kept from choosing, to judge by."""

    kind: str  # own or similar
    user_id: str
    history: tuple[Interaction, ...]
    purchase: Interaction
    weight: float
    held_out: bool


def targets(
    store: Store, dataset: DatasetInfo, query: Query, count: int, history: int, seed: int
) -> list[Target]:
    """Up to `count` probes, own ones, then the most similar users'; every second one of each is held out."""
    own = own_probes(store, dataset, query, min(OWN, count), history)
    own_targets = [
        Target("own", query.user_id, probe.history, probe.purchase, OWN_WEIGHT, bool(n % 2))
        for n, probe in enumerate(own)
    ]
    near = neighbours.find(store, dataset, query, count - len(own), seed) if count > len(own) else []
    # What scores nothing shares nothing: it says nothing about this query.
    similar = [entry for entry in entries(store, dataset, query, near) if entry.similarity > 0]
    return own_targets + [
        Target(
            "similar",
            entry.demonstration.user_id,
            tuple(entry.history),
            entry.answer,
            entry.similarity,
            bool(n % 2),
        )
        for n, entry in enumerate(similar)
    ]


def share(among: Sequence[Target]) -> NDArray[np.float64]:
    """What each counts [P], adding up to 1."""
    weights = np.array([target.weight for target in among], dtype=np.float64)
    return weights / weights.sum()


def hidden(among: Sequence[Target], shown: Sequence[PoolEntry], query: Query) -> NDArray[np.bool_]:
    """Which demonstrations [k] a probe must not see [P, k]: those that show it, or are of the same person."""
    rows = [[_hides(target, entry, query) for entry in shown] for target in among]
    return np.array(rows, dtype=bool).reshape(len(among), len(shown))


def _hides(target: Target, entry: PoolEntry, query: Query) -> bool:
    if target.kind == "own":
        return gives_away(entry, query, Probe(target.history, target.purchase))
    demonstration = entry.demonstration
    owners = [demonstration.user_id, *(user for user, _ in demonstration.merged)]
    return target.user_id in owners


def candidates(
    store: Store, dataset: DatasetInfo, query: Query, among: Sequence[Target], seed: int
) -> list[tuple[str, ...]]:
    """Titles each probe's answer is compared with, the right one first: the same random items for all.

    None of them is in the query's history as far as it is known. Fewer where the catalogue is small.
    """
    known = datasets.history(store, dataset.id, query.user)[: query.target_position]
    bought, titles = {row.item for row in known}, {row.title for row in known}
    order = shuffled(dataset.items, dataset.origin, query.user, query.target_position, "probes", seed)
    drawn = [item for item in order[: 4 * NEGATIVES + len(known)].tolist() if item not in bought]
    items = datasets.items(store, dataset.id, drawn)
    others = list(dict.fromkeys(items[item].title for item in drawn if items[item].title not in titles))
    return [
        (right, *[title for title in others if title != right][:NEGATIVES])
        for right in (target.purchase.title for target in among)
    ]
