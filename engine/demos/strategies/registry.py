"""Which demonstrations go before a query: the sources of a pool, the strategies and their names.

A strategy is written `none`, `NAME:K` (K demonstrations) or `NAME:Tt` (as many of the best as fit in T tokens
of the model). Every source and strategy is a function
`(store, dataset, query, size, seed) -> offers, best first`, a pure function of what was known before the
query's target and of `seed`; those that compare titles by a model's vectors take `embed` as well. None of
them reads the target (`engine.demos.windows` says what is known).
"""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate

from db.datasets import DatasetInfo
from db.errors import BadInput
from db.requests.strategy_spec import MOST, Spec, parse_spec
from db.store import Store
from engine.demos.query import PoolEntry, Query
from engine.demos.reader import Embed, Reader
from engine.demos.sources import (
    aggregated,
    neighbours,
    proximal,
    random_users,
    representatives,
)
from engine.demos.strategies.bm25 import bm25
from engine.demos.strategies.dpp import dpp
from engine.demos.strategies.embedding import embedding
from engine.demos.strategies.mmr import mmr
from engine.demos.strategies.recent import recent
from engine.demos.strategies.votek import votek
from engine.demos.windows import Offer, Place, Window, entries

Strategy = Callable[[Store, DatasetInfo, Query, int, int], list[Offer]]
EmbeddingStrategy = Callable[[Store, DatasetInfo, Query, int, int, Embed], list[Offer]]


@dataclass(frozen=True)
class Source:
    """Where windows come from: `find` offers them, `similarities` rates windows that were found before."""

    find: Strategy
    similarities: Callable[[Store, DatasetInfo, Query, Sequence[Window]], list[float]]


SOURCES: dict[str, Source] = {
    module.SOURCE: Source(find, module.similarities)
    for module, find in (
        (neighbours, neighbours.neighbours),
        (proximal, proximal.proximal),
        (random_users, random_users.random_users),
        (representatives, representatives.representatives),
        (aggregated, aggregated.aggregated),
    )
}


def _none(store: Store, dataset: DatasetInfo, query: Query, size: int, seed: int) -> list[Offer]:
    return []


STRATEGIES: dict[str, Strategy] = {
    "none": _none,
    "random": random_users.random_users,
    "recent": recent,
    "bm25": bm25,
    "neighbours": neighbours.neighbours,
    "proximal": proximal.proximal,
    "global": representatives.representatives,
    "aggregated": aggregated.aggregated,
}

EMBEDDING_STRATEGIES: dict[str, EmbeddingStrategy] = {
    "embedding": embedding,
    "mmr": mmr,
    "dpp": dpp,
    "votek": votek,
}


def choose(
    store: Store,
    dataset: DatasetInfo,
    query: Query,
    spec: str | Spec,
    seed: int,
    reader: Reader | None = None,
) -> list[PoolEntry]:
    """At most K demonstrations in prompt order: the best match comes last, next to the query.

    Fewer than K where the data set has no more that are known and fit. BadInput for a spec that makes no
    sense, and for one that needs a model's vectors or tokens where there is no `reader`.
    """
    wanted = parse_spec(spec) if isinstance(spec, str) else spec
    if wanted.size == 0:
        return []
    best_first = entries(store, dataset, query, _found(store, dataset, query, wanted, seed, reader))
    if wanted.tokens is not None:
        best_first = within(best_first, wanted.tokens, _needed(reader, wanted).tokens)
    return best_first[::-1]


def _found(
    store: Store, dataset: DatasetInfo, query: Query, wanted: Spec, seed: int, reader: Reader | None
) -> list[Offer]:
    if wanted.name in STRATEGIES:
        return STRATEGIES[wanted.name](store, dataset, query, wanted.size, seed)
    if wanted.choice.optimized:
        raise BadInput(
            f"demos is {str(wanted)!r}, which optimizes for one user with a model: not possible here."
        )
    find = EMBEDDING_STRATEGIES[wanted.name]
    return find(store, dataset, query, wanted.size, seed, _needed(reader, wanted).embed)


def _needed(reader: Reader | None, wanted: Spec) -> Reader:
    if reader is None:
        raise BadInput(f"demos is {str(wanted)!r}, which takes a model's vectors or tokens: give a model.")
    return reader


def within(
    best_first: Sequence[PoolEntry], budget: int, tokens: Callable[[PoolEntry], int]
) -> list[PoolEntry]:
    """The longest beginning that takes at most `budget` tokens, so that a larger budget only adds."""
    used = list(accumulate(tokens(entry) for entry in best_first))
    return list(best_first[: bisect_right(used, budget)])


def pool(
    store: Store, dataset: DatasetInfo, query: Query, sources: Sequence[str], size: int, seed: int
) -> list[PoolEntry]:
    """Up to `size` windows of each source, source by source, best first; a window two offer is kept once.

    BadInput for a source there is not and for a `size` outside 1 to 64.
    """
    if not 1 <= size <= MOST:
        raise BadInput(f"size is {size}: a pool takes 1 to {MOST} windows of each source.")
    offers: dict[tuple[Place, ...], Offer] = {}
    for source in sources:
        if source not in SOURCES:
            raise BadInput(
                f"There is no source {source!r} of demonstrations; there are {', '.join(SOURCES)}."
            )
        for offer in SOURCES[source].find(store, dataset, query, size, seed):
            offers.setdefault(offer.window.key, offer)
    return entries(store, dataset, query, list(offers.values()))
