"""The query: whose next purchase is predicted, what is known of the user at that moment, and what is offered.

`Query.target` is there to report results. Nothing that chooses demonstrations reads it: tests give the
strategies a query whose target raises on access.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from db import datasets
from db.datasets import DatasetInfo, Interaction, UserInfo
from db.demonstrations import Demonstration
from db.errors import BadInput
from db.forgotten import removed
from db.store import Store
from engine.data.splits import MIN_HISTORY, held_out
from engine.progress import counted
from engine.prompts import Example

HISTORY = 10


@dataclass(frozen=True)
class Query:
    """The moment before the interaction at `target_position` (0 = oldest) of a user's history.

    `history`: the newest interactions before the target, oldest first, at least one. `target_timestamp`: the
    moment of the prediction (unix seconds), None in a data set without timestamps. `held_out`: how many of
    each user's newest interactions are unknown where there are no timestamps (1 = test, 2 = probe).
    `gone`: forgotten positions of the user's history as imported, ascending (`db.forgotten`).
    `known_until`: demonstrations show only what happened before this moment (unix seconds), as if created
    then, while the history continues; None: everything known at the target.
    """

    user: int
    user_id: str
    target_position: int
    target_timestamp: int | None
    history: list[Interaction]
    held_out: int
    target: Interaction
    known_until: int | None = None
    gone: tuple[int, ...] = ()

    @property
    def known_before(self) -> int | None:
        """The moment before which others' interactions are known (unix seconds); None without timestamps."""
        if self.known_until is None or self.target_timestamp is None:
            return self.target_timestamp
        return min(self.known_until, self.target_timestamp)

    @property
    def items(self) -> set[int]:
        """Item numbers of the history."""
        return {interaction.item for interaction in self.history}


@dataclass(frozen=True)
class PoolEntry:
    """A demonstration offered for a query.

    `similarity` is 0 to 1, higher = nearer to the query; its meaning depends on the source or strategy that
    set it. `shared`: how many of the window's items (answer included) are in the query's history. `liked`:
    what its user's rating says of the answer.
    """

    demonstration: Demonstration
    history: list[Interaction]
    answer: Interaction
    similarity: float
    shared: int
    liked: bool = True

    @property
    def example(self) -> Example:
        """The demonstration in the form of a prompt."""
        return Example(tuple(row.title for row in self.history), self.answer.title, self.liked)


def titles_of(interactions: Iterable[Interaction]) -> str:
    """The titles of these interactions as one text."""
    return " ".join(interaction.title for interaction in interactions)


def build(
    store: Store, dataset: DatasetInfo, user_id: str, target: str = "test", history: int = HISTORY
) -> Query:
    """Query of a user: the newest `history` interactions before the target (test: last, probe: second last).

    Raises NotFound for an unknown user, BadInput for an unknown target, for `history` below 1 and for a user
    with nothing before the target.
    """
    hidden = held_out(target)
    user = datasets.user(store, dataset.id, user_id)
    position = user.length - hidden
    if position < MIN_HISTORY:
        raise BadInput(
            f"User {user_id!r} of {dataset.name!r} has a history of {counted(user.length, 'interaction')}; "
            f"the {target} target needs at least {hidden + MIN_HISTORY}. Choose a user with a longer history."
        )
    return _built(store, dataset, user, position, history)


def at(
    store: Store,
    dataset: DatasetInfo,
    user_id: str,
    position: int,
    history: int = HISTORY,
    known_until: int | None = None,
) -> Query:
    """Query about the interaction at any `position` (0 = oldest) of a user's history but the first.

    Raises NotFound for an unknown user, BadInput for an invalid position or `history`, and for a data set
    without timestamps, where it is unknown what others had bought by then.
    """
    if not dataset.has_timestamps:
        raise BadInput(
            f"{dataset.name!r} has no timestamps: what was known at an earlier purchase cannot be told."
        )
    user = datasets.user(store, dataset.id, user_id)
    if not MIN_HISTORY <= position < user.length:
        raise BadInput(
            f"User {user_id!r} of {dataset.name!r} has a history of {counted(user.length, 'interaction')}; "
            f"the position {position} is not one of {MIN_HISTORY} to {user.length - 1}."
        )
    return _built(store, dataset, user, position, history, known_until)


def _built(
    store: Store,
    dataset: DatasetInfo,
    user: UserInfo,
    position: int,
    history: int,
    known_until: int | None = None,
) -> Query:
    if history < 1:
        raise BadInput(f"history is {history}: the query needs at least 1 item of the user's history.")
    # These alone, as a history may hold hundreds of thousands.
    span = (user.user, max(0, position - history), position + 1)
    ((*shown, target),) = datasets.windows(store, dataset.id, [span])
    return Query(
        user=user.user,
        user_id=user.user_id,
        target_position=position,
        target_timestamp=target.timestamp,
        history=shown,
        held_out=user.length - position,
        target=target,
        known_until=known_until,
        gone=tuple(removed(store, dataset, [user.user_id]).get(user.user_id, ())),
    )
