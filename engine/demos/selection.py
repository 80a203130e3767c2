"""Which demonstrations go before a query: those a strategy chooses, or the pool that sources offer.

A strategy is written `none`, `NAME:K` (K demonstrations) or `NAME:Tt` (as many of the best as fit in T tokens
of the model); `set:NAME` takes a stored set. Its code is the file that its row of `db.choices` names: in
`engine.demos.sources` where the strategy takes what one source offers, else in `engine.demos.strategies`.
Optimized strategies run a model on past purchases (`engine.optimize.optimized_strategies`). Derived
ones change what another strategy chose.
"""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import accumulate
from types import ModuleType

from db import choices
from db.datasets import DatasetInfo
from db.errors import BadInput
from db.requests.strategy_spec import MOST, Spec, parse_spec
from db.store import Store
from engine.demos.named import of_set
from engine.demos.query import PoolEntry, Query
from engine.demos.reader import Reader
from engine.demos.windows import Offer, Place, entries
from engine.progress import Report, quiet
from engine.registry import implementation

NEIGHBOURS = "neighbours"
"""The strategy that controls take demonstrations from, where no other is named."""


def source(name: str) -> ModuleType:
    """The module of a source, with `find` and `similarities`."""
    return implementation("engine.demos.sources", choices.SOURCES[name])


def strategy(name: str) -> ModuleType:
    """The module of a strategy that is not optimized, with `find`, or `derive` where it is derived."""
    if name in choices.SOURCES:
        return source(name)
    return implementation("engine.demos.strategies", choices.STRATEGIES[name])


def choose(
    store: Store,
    dataset: DatasetInfo,
    query: Query,
    spec: str | Spec,
    seed: int,
    reader: Reader | None = None,
    of: str = NEIGHBOURS,
) -> list[PoolEntry]:
    """At most K demonstrations in prompt order: the best match comes last, next to the query.

    `of`: the strategy that a derived one changes. Fewer than K where the data set has no more that are known
    and fit. BadInput for an invalid spec, and for one that needs a model's vectors or tokens where there is
    no `reader`.
    """
    wanted = parse_spec(spec) if isinstance(spec, str) else spec
    if wanted.size == 0:
        return []
    plain = replace(wanted, name=of) if wanted.choice.derived else wanted
    offers = _offers(store, dataset, query, plain, seed, reader)
    best_first = entries(store, dataset, query, offers)
    if wanted.tokens is not None:
        best_first = within(best_first, wanted.tokens, _required(reader, wanted).tokens)
    if wanted.choice.derived:
        offers = offers[: len(best_first)]
        derived = strategy(wanted.name).derive(store, dataset, query, offers, seed, reader)
        best_first = entries(store, dataset, query, derived)
    return best_first[::-1]


def _offers(
    store: Store, dataset: DatasetInfo, query: Query, wanted: Spec, seed: int, reader: Reader | None
) -> list[Offer]:
    if wanted.choice.optimized:
        raise BadInput(
            f"demos is {str(wanted)!r}, which optimizes for one user with a model: not possible here."
        )
    if wanted.reference is not None:
        return of_set(store, dataset, query, wanted.reference).offers[::-1]
    find = strategy(wanted.name).find
    if wanted.choice.embeds:
        return find(store, dataset, query, wanted.size, seed, _required(reader, wanted).embed)
    return find(store, dataset, query, wanted.size, seed)


def _required(reader: Reader | None, wanted: Spec) -> Reader:
    if reader is None:
        raise BadInput(f"demos is {str(wanted)!r}, which takes a model's vectors or tokens: give a model.")
    return reader


def within(
    best_first: Sequence[PoolEntry], budget: int, tokens: Callable[[PoolEntry], int]
) -> list[PoolEntry]:
    """The longest prefix of at most `budget` tokens, so that a larger budget only adds demonstrations."""
    used = list(accumulate(tokens(entry) for entry in best_first))
    return list(best_first[: bisect_right(used, budget)])


def pool(
    store: Store,
    dataset: DatasetInfo,
    query: Query,
    sources: Sequence[str],
    size: int,
    seed: int,
    report: Report = quiet,
) -> list[PoolEntry]:
    """Up to `size` demonstrations of each source, source by source, best first; hand-written ones come last.

    A window that two sources offer is kept once. BadInput for an unknown source and for a `size` outside 1 to
    64.
    """
    if not 1 <= size <= MOST:
        raise BadInput(f"size is {size}: a pool takes 1 to {MOST} windows of each source.")
    offers: dict[str | tuple[Place, ...], Offer] = {}
    for done, name in enumerate(sorted(sources, key=lambda name: name == choices.HAND_WRITTEN)):
        if name not in choices.SOURCES:
            raise BadInput(
                f"There is no source {name!r} of demonstrations; there are {', '.join(choices.SOURCES)}."
            )
        report(done / len(sources), choices.SOURCES[name].label)
        for offer in source(name).find(store, dataset, query, size, seed):
            offers.setdefault(offer.key, offer)
    return entries(store, dataset, query, list(offers.values()))
