"""Demonstrations by id or by the stored set they are in: read from the store, and rejected, or left out of a
set, where they are not known yet at the query."""

from collections.abc import Sequence
from dataclasses import dataclass

from db import choices, demonstrations, sets
from db.datasets import DatasetInfo
from db.demonstrations import Demonstration
from db.errors import BadInput, NotFound
from db.forgotten import showing
from db.sets import NamedSet
from db.store import Store
from engine.demos.query import PoolEntry, Query
from engine.demos.sources import aggregated, hand_written, neighbours, proximal
from engine.demos.strategies import placebo
from engine.demos.windows import Offer, Window, entries, load_stored, shared_part
from engine.registry import implementation


@dataclass(frozen=True)
class OfSet:
    """What of a stored set a query may know: offers in prompt order with their weights.

    Ids of the demonstrations that were left out: `unknown`, as they are not known yet when the target is
    predicted; `forgotten`, as they show something that is forgotten.
    """

    kept: NamedSet
    offers: list[Offer]
    weights: tuple[float, ...]
    unknown: tuple[str, ...]
    forgotten: tuple[str, ...] = ()

    def left_out(self, user: str) -> list[str]:
        """Why `user` gets fewer than the set has, a sentence for each reason."""
        size = len(self.kept.members)
        return sets.left_out(self.kept.name, size, len(self.unknown), user, len(self.forgotten))


def named(store: Store, dataset: DatasetInfo, query: Query, ids: Sequence[str]) -> list[PoolEntry]:
    """Stored demonstrations in the order given; their similarity is that of their source.

    NotFound for an id the data set does not have. BadInput for one that is not known yet at the query (what
    is valid for one query can reveal the target of another), and for one that shows something forgotten.
    """
    offers = _offers(store, dataset, query, ids)
    for name, offer in zip(ids, offers, strict=True):
        if offer is None:
            stored = demonstrations.get_many(store, [name], dataset.id)[name]
            if showing(store, dataset, [stored]):
                raise BadInput(
                    f"Demonstration {name!r} shows something that is forgotten in {dataset.name!r}. Leave it "
                    f"out, or undo the forgetting: `dualens forget -d {dataset.name}` lists it."
                )
            raise BadInput(
                f"Demonstration {name!r} (a window of user {stored.user_id!r}) is not known yet when the "
                f"next purchase of {query.user_id!r} is predicted. Choose one from the query's pool."
            )
    return entries(store, dataset, query, [offer for offer in offers if offer is not None])


def of_set(store: Store, dataset: DatasetInfo, query: Query, reference: str) -> OfSet:
    """The demonstrations of a stored set that are known at the query. Raises NotFound.

    A set serves many users: what is not known yet for one of them is left out for that one alone.
    """
    kept = sets.get(store, dataset.id, reference)
    offers = _offers(store, dataset, query, [member.id for member in kept.members])
    pairs = [(offer, member) for offer, member in zip(offers, kept.members, strict=True)]
    lost = [member.id for offer, member in pairs if offer is None]
    gone = showing(store, dataset, demonstrations.get_many(store, lost, dataset.id).values())
    return OfSet(
        kept,
        [offer for offer, _ in pairs if offer is not None],
        tuple(member.weight for offer, member in pairs if offer is not None),
        tuple(name for name in lost if name not in gone),
        tuple(name for name in lost if name in gone),
    )


def _offers(store: Store, dataset: DatasetInfo, query: Query, ids: Sequence[str]) -> list[Offer | None]:
    """Each of these demonstrations; None for one that is not known yet at the query. Raises NotFound."""
    stored = demonstrations.get_many(store, ids, dataset.id)
    for name in ids:
        if name not in stored:
            raise NotFound(
                f"{dataset.name!r} has no demonstration {name!r}. Choose one from the query's pool."
            )
    windows = {name: _window(store, dataset, query, stored[name]) for name in ids}
    found = {name: window for name, window in windows.items() if window is not None}
    rated = dict(zip(found, _similarities(store, dataset, query, list(found.values())), strict=True))

    def offer(name: str) -> Offer | None:
        if name not in found:
            return None
        source, window = found[name]
        written = stored[name] if source == hand_written.SOURCE else None
        return Offer(source, window, rated[name], written)

    return [offer(name) for name in ids]


def _window(
    store: Store, dataset: DatasetInfo, query: Query, demonstration: Demonstration
) -> tuple[str, Window] | None:
    """The window of a stored demonstration and its source relative to this query; None where it is not known
    yet."""
    windows = load_stored(store, dataset, query, demonstration)
    if windows is None:
        return None
    if demonstration.source == hand_written.SOURCE:
        return hand_written.SOURCE, hand_written.window(store, dataset, demonstration)
    if demonstration.source == placebo.SOURCE:
        return placebo.SOURCE, placebo.joined(windows)
    window = aggregated.merge(windows) if demonstration.merged else windows[0]
    return _source(query, demonstration, window), window


def _similarities(
    store: Store, dataset: DatasetInfo, query: Query, found: Sequence[tuple[str, Window]]
) -> list[float]:
    """Of each window, in the sense of its source. A source is asked once: what it reads of the query is the
    same for all of them."""
    rated: dict[int, float] = {}
    for name in dict.fromkeys(source for source, _ in found):
        places = [place for place, (source, _) in enumerate(found) if source == name]
        windows = [found[place][1] for place in places]
        if name == placebo.SOURCE:
            values = [shared_part(query, window) for window in windows]
        else:
            source = implementation("engine.demos.sources", choices.SOURCES[name])
            values = source.similarities(store, dataset, query, windows)
        rated |= dict(zip(places, values, strict=True))
    return [rated[place] for place in range(len(found))]


def _source(query: Query, demonstration: Demonstration, window: Window) -> str:
    """The source of the window relative to this query; the store holds the source relative to the query that
    first found it.
    """
    if demonstration.merged or demonstration.source == hand_written.SOURCE:
        return demonstration.source
    if window.user == query.user:
        return proximal.SOURCE
    return neighbours.SOURCE if demonstration.source == proximal.SOURCE else demonstration.source
