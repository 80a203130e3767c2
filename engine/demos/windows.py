"""Windows of known purchases: the only way in which an interaction becomes part of a demonstration.

A window is an answer and the (at most 5) interactions right before it in the same user's history. `load`
returns only what is known when the query is predicted:

- the query's own user: interactions before the target's position;
- other users, with timestamps: interactions strictly before the target's moment;
- of both, where the query says `known_until`: only interactions strictly before that moment;
- other users, without timestamps: everything but their last interaction (test) or last two (probe), the
  interactions leave-one-out holds out for them too.

Nothing here uses the target. An answer that is the target's item is allowed: another user bought it earlier,
and "after these, that" is the association a demonstration should show.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from db import datasets
from db.datasets import DatasetInfo, Interaction
from db.datasets.known import user_ids
from db.demonstrations import Demonstration, demonstration_id
from db.forgotten import from_base, removed, showing, to_base
from db.store import Store
from engine.demos.query import PoolEntry, Query

LENGTH = 5
"""Maximum number of history items of a demonstration."""

Place = tuple[int, int]
"""(user, position of the answer)."""


@dataclass(frozen=True)
class Window:
    """One answer and what came right before it, oldest first; `history` holds 1 to `LENGTH` interactions.

    `parts`: the windows, of the answer's user and of others, that were merged into this one.
    """

    user: int
    history: list[Interaction]
    answer: Interaction
    parts: tuple["Window", ...] = ()

    @property
    def place(self) -> Place:
        return self.user, self.answer.position

    @property
    def key(self) -> tuple[Place, ...]:
        """The identity of a window: the positions it was read from."""
        return tuple(part.place for part in self.parts) or (self.place,)

    @property
    def items(self) -> list[int]:
        """Item numbers of history and answer."""
        return [interaction.item for interaction in self.history] + [self.answer.item]


@dataclass(frozen=True)
class Offer:
    """A window a source offers; `similarity` (0 to 1) is in the source's or strategy's own sense.

    `written`: the stored demonstration, where its titles are a person's own and not the window's purchases.
    """

    source: str
    window: Window
    similarity: float
    written: Demonstration | None = None

    @property
    def key(self) -> str | tuple[Place, ...]:
        """The identity of an offer."""
        return self.window.key if self.written is None else self.written.id


def load(store: Store, dataset: DatasetInfo, query: Query, places: Sequence[Place]) -> list[Window]:
    """The windows with these answers that are known at the query, in the order of `places`."""
    wanted = [
        (user, position)
        for user, position in places
        if position >= 1 and (user != query.user or position < query.target_position)
    ]
    # Without timestamps another user's answer is known if enough interactions follow it: read those as well.
    beyond = 0 if query.target_timestamp is not None else query.held_out
    spans = [
        (user, max(0, position - LENGTH), position + 1 + (0 if user == query.user else beyond))
        for user, position in wanted
    ]
    windows = []
    for (user, position), rows in zip(wanted, datasets.windows(store, dataset.id, spans), strict=True):
        inside = [row for row in rows if row.position <= position]
        if len(inside) < 2 or inside[-1].position != position:
            continue
        following = rows[-1].position - position
        if _own_known(query, inside) if user == query.user else _known(query, inside, following):
            windows.append(Window(user, inside[:-1], inside[-1]))
    return windows


def load_stored(
    store: Store, dataset: DatasetInfo, query: Query, demonstration: Demonstration
) -> list[Window] | None:
    """The windows a stored demonstration was made of (none for one written freely).

    None where one of them is not known yet at the query, or shows something forgotten.
    """
    if showing(store, dataset, [demonstration]):
        return None
    gone = removed(store, dataset, (name for name, _ in demonstration.places))
    wanted = [
        (datasets.user(store, dataset.id, name).user, from_base(position, gone.get(name, ())) or 0)
        for name, position in demonstration.places
    ]
    windows = load(store, dataset, query, wanted)
    return windows if len(windows) == len(wanted) else None


def shared_part(query: Query, window: Window) -> float:
    """Share of the window's items that are in the query's history."""
    bought = query.items
    return sum(item in bought for item in window.items) / len(window.items)


def _known(query: Query, inside: list[Interaction], following: int) -> bool:
    """Whether another user's interactions were known at the query; `following`: rows read after them."""
    moment = query.known_before
    return following >= query.held_out if moment is None else _all_before(inside, moment)


def _own_known(query: Query, inside: list[Interaction]) -> bool:
    """Whether interactions of the query's user before its target may be shown."""
    return query.known_until is None or _all_before(inside, query.known_until)


def _all_before(inside: list[Interaction], moment: int) -> bool:
    return all(row.timestamp is not None and row.timestamp < moment for row in inside)


def entries(store: Store, dataset: DatasetInfo, query: Query, offers: Sequence[Offer]) -> list[PoolEntry]:
    """The offers as demonstrations with their content id, order kept."""
    users = {user for offer in offers if offer.written is None for user, _ in offer.window.key}
    names = user_ids(store, dataset.id, sorted(users))
    gone = removed(store, dataset, names.values())
    return [
        PoolEntry(
            demonstration=offer.written or _demonstration(dataset, offer, names, gone),
            history=offer.window.history,
            answer=offer.window.answer,
            similarity=offer.similarity,
            shared=len(query.items.intersection(offer.window.items)),
            liked=dataset.scale.likes(offer.window.answer.rating),
        )
        for offer in offers
    ]


def _demonstration(
    dataset: DatasetInfo, offer: Offer, names: Mapping[int, str], gone: Mapping[str, Sequence[int]]
) -> Demonstration:
    """Named by its places in histories as imported, which stay when something is forgotten (`gone`)."""
    window, answer = offer.window, offer.window.answer
    history = tuple(interaction.item_id for interaction in window.history)
    places = tuple((names[user], to_base(at, gone.get(names[user], ()))) for user, at in window.key)
    ((user_id, position), *_), merged = places, ()
    if window.parts:
        position, merged = None, places
        user_id = ", ".join(dict.fromkeys(name for name, _ in merged))
    return Demonstration(
        id=demonstration_id(dataset.origin, user_id, history, answer.item_id, position, merged=merged),
        dataset_id=dataset.origin_id,
        source=offer.source,
        user_id=user_id,
        history=history,
        answer=answer.item_id,
        position=position,
        timestamp=answer.timestamp,
        merged=merged,
    )
