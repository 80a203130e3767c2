"""Probes: a user's last known purchases, on which demonstrations are evaluated instead of on the target.

Boundary: a query in, earlier moments of the same user out; nothing from the target's position on is read.
"""

from dataclasses import dataclass

from db import datasets
from db.datasets import DatasetInfo, Interaction
from db.forgotten import from_base
from db.store import Store
from engine.data.splits import MIN_HISTORY
from engine.demos.query import PoolEntry, Query
from engine.demos.windows import LENGTH


@dataclass(frozen=True)
class Probe:
    """A purchase before the target, and the newest ones before it, oldest first."""

    history: tuple[Interaction, ...]
    purchase: Interaction


def own_probes(store: Store, dataset: DatasetInfo, query: Query, count: int, history: int) -> list[Probe]:
    """The user's last `count` purchases before the target, newest first, each with at most `history` before.

    Fewer where the history is short; none where the target is the second purchase.
    """
    end = query.target_position
    first = max(0, end - count - history)  # no more is read: a history may hold hundreds of thousands
    (known,) = datasets.windows(store, dataset.id, [(query.user, first, end)])
    places = [at - first for at in range(end - 1, MIN_HISTORY - 1, -1)[:count]]
    return [Probe(tuple(known[max(0, at - history) : at]), known[at]) for at in places]


def gives_away(entry: PoolEntry, query: Query, probe: Probe) -> bool:
    """Whether a demonstration shows the probe itself, so that evaluating it on this probe means nothing. For
    a merged window: whether one of its parts may.
    """
    at = probe.purchase.position
    own = [place for user, place in entry.demonstration.places if user == query.user_id]
    return any(at <= (from_base(place, query.gone) or 0) <= at + LENGTH for place in own)
