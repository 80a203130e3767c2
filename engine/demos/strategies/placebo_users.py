"""Placebo users: for each window of another strategy, one of a random other user that is as long.

The control for retrieval: the same number of demonstrations of the same length in tokens, from nobody in
particular. Windows are known before the target, as all are; `measured` says how near the lengths came.
"""

from collections.abc import Sequence

from db.datasets import DatasetInfo
from db.errors import BadInput
from db.store import Store
from engine.demos.query import PoolEntry, Query
from engine.demos.reader import Reader
from engine.demos.sources import random_users
from engine.demos.windows import Offer, entries

DRAWN = 16
"""Random users' windows per window that is replaced."""


def derive(
    store: Store,
    dataset: DatasetInfo,
    query: Query,
    offers: Sequence[Offer],
    seed: int,
    reader: Reader | None = None,
) -> list[Offer]:
    """A window of another user for each of these, in their order; fewer where there are too few users.

    BadInput without a `reader`, which counts tokens.
    """
    if reader is None:
        raise BadInput("demos: placebo-users takes windows of equal length in tokens: give a model.")
    if not offers:
        return []
    taken = {user for offer in offers for user, _ in offer.window.key}
    drawn = random_users.find(store, dataset, query, DRAWN * len(offers) + len(taken), seed)
    others = [offer for offer in drawn if offer.window.user not in taken]
    lengths = [_lengths(store, dataset, query, some, reader) for some in (offers, others)]
    return [others[place] for place in nearest(*lengths)]


def nearest(wanted: Sequence[int], lengths: Sequence[int]) -> list[int]:
    """For each wanted length the place of the nearest that is still free, of equally near ones the first."""
    free = list(range(len(lengths)))
    found = []
    for length in wanted[: len(free)]:
        best = min(free, key=lambda place: abs(lengths[place] - length))
        free.remove(best)
        found.append(best)
    return found


def measured(of: Sequence[PoolEntry], derived: Sequence[PoolEntry], reader: Reader) -> dict[str, float]:
    """`{windows, tokens, tokens_of, apart}`: tokens of these windows, of those they stand for, and the sum
    of the differences between the two of a pair."""
    pairs = [(reader.tokens(one), reader.tokens(other)) for one, other in zip(of, derived, strict=False)]
    return {
        "windows": len(pairs),
        "tokens": sum(own for _, own in pairs),
        "tokens_of": sum(length for length, _ in pairs),
        "apart": sum(abs(own - length) for length, own in pairs),
    }


def said(measures: dict[str, float]) -> str:
    """The same in a sentence, of one prompt or of the sums over many."""
    windows = measures["windows"]
    if not windows:
        return "Placebo: there are no windows of other users."
    return (
        f"Placebo: random users' windows have {measures['tokens'] / windows:.1f} tokens on average, the "
        f"windows they stand for {measures['tokens_of'] / windows:.1f}; two of a pair differ by "
        f"{measures['apart'] / windows:.1f} on average."
    )


def _lengths(
    store: Store, dataset: DatasetInfo, query: Query, offers: Sequence[Offer], reader: Reader
) -> list[int]:
    return [reader.tokens(entry) for entry in entries(store, dataset, query, offers)]
