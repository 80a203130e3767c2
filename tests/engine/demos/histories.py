"""Small random data sets, and an independent reading of what is known in them when a query is predicted."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import count
from random import Random

import numpy as np
from hypothesis import strategies as st

from db import datasets
from db.datasets import DatasetColumns, DatasetInfo
from db.store import Store
from engine.demos.query import Query
from engine.demos.reader import Reader

WORDS = ("red", "blue", "lamp", "kettle", "chess", "rope")
SEEDS = st.integers(0, 5)
_names = count()


def embed(titles: Sequence[str]) -> np.ndarray:
    """A title's vector: how often each letter and digit stands in it [n, 36]."""
    signs = "abcdefghijklmnopqrstuvwxyz0123456789"
    return np.array([[title.lower().count(sign) for sign in signs] for title in titles], np.float32)


READER = Reader(embed, lambda entry: 20)
"""Vectors from letters and digits; every demonstration takes 20 tokens."""


@dataclass(frozen=True)
class Histories:
    """Who bought what: per user the items in order and, if there are timestamps, when (ascending)."""

    items: int
    bought: tuple[tuple[int, ...], ...]
    when: tuple[tuple[int, ...], ...] | None

    def known(self, query: Query) -> set[tuple[int, int]]:
        """The (user, position) that may be shown, worked out from the rules without the engine."""
        shown = set()
        until = query.known_until
        for user, own in enumerate(self.bought):
            for position in range(len(own)):
                if until is not None and (self.when is None or self.when[user][position] >= until):
                    continue
                if user == query.user:
                    allowed = position < query.target_position
                elif self.when is not None:
                    allowed = self.when[user][position] < self.when[query.user][query.target_position]
                else:
                    allowed = position < len(own) - query.held_out
                if allowed:
                    shown.add((user, position))
        return shown

    def changed(self, query: Query, seed: int) -> "Histories":
        """Every unknown interaction, target included, becomes another item; others' move further into the
        future. Only the moment of the target stays: it is when the prediction is made."""
        known, random = self.known(query), Random(seed)
        bought = [list(own) for own in self.bought]
        when = None if self.when is None else [list(own) for own in self.when]
        for user, own in enumerate(bought):
            for position in range(len(own)):
                if (user, position) in known:
                    continue
                shift = random.randrange(self.items - 1)
                own[position] = (own[position] + 1 + shift) % self.items
                if when is not None and (user, position) != (query.user, query.target_position):
                    when[user][position:] = [moment + shift for moment in when[user][position:]]
        return self._with(bought, when)

    def cut(self, query: Query, everybody: bool) -> "Histories":
        """Unknown interactions are gone: everybody's, or only the query's user's target and what follows."""
        known = self.known(query)
        keep = [
            [p for p in range(len(own)) if (u, p) in known or not (everybody or u == query.user)]
            for u, own in enumerate(self.bought)
        ]
        return self._keeping(keep)

    def frozen(self, query: Query) -> "Histories":
        """What may not be shown is gone, but for what the query itself is: its user up to the target."""
        known, last = self.known(query), query.target_position
        keep = [
            [p for p in range(len(own)) if (u, p) in known or (u == query.user and p <= last)]
            for u, own in enumerate(self.bought)
        ]
        return self._keeping(keep)

    def without_last(self, users: Sequence[int]) -> "Histories":
        """The last interaction of these users is gone."""
        bought = [own[:-1] if user in users else own for user, own in enumerate(self.bought)]
        when = self.when and [own[:-1] if user in users else own for user, own in enumerate(self.when)]
        return self._with(bought, when)

    def store(self, store: Store, fingerprint: str = "histories") -> DatasetInfo:
        """As a data set of its own; the fingerprint is given, so that draws seeded with it stay equal."""
        user = np.repeat(np.arange(len(self.bought), dtype=np.int32), [len(own) for own in self.bought])
        columns = DatasetColumns(
            item_ids=[f"i{item}" for item in range(self.items)],
            titles=[f"{WORDS[item % 6]} {WORDS[item * 7 // 3 % 6]} {item}" for item in range(self.items)],
            categories=[None] * self.items,
            brands=[None] * self.items,
            attributes=None,
            user_ids=[f"u{user}" for user in range(len(self.bought))],
            user=user,
            item=np.array([item for own in self.bought for item in own], dtype=np.int32),
            timestamp=None
            if self.when is None
            else np.array([t for own in self.when for t in own], np.int64),
            rating=None,
            tie=np.zeros(len(self.bought), dtype=bool),
        )
        return datasets.insert(
            store,
            f"set {next(_names)}",
            columns,
            kind="test",
            source="test",
            fingerprint=fingerprint,
            report={},
        )

    def _keeping(self, keep: Sequence[Sequence[int]]) -> "Histories":
        """Only these positions of each user."""
        bought = [[own[p] for p in places] for own, places in zip(self.bought, keep, strict=True)]
        when = self.when and [[own[p] for p in places] for own, places in zip(self.when, keep, strict=True)]
        return self._with(bought, when)

    def _with(self, bought: Sequence[Sequence[int]], when: Sequence[Sequence[int]] | None) -> "Histories":
        fixed = None if when is None else tuple(tuple(own) for own in when)
        return replace(self, bought=tuple(tuple(own) for own in bought), when=fixed)


@st.composite
def histories(draw: st.DrawFn, timestamps: bool | None = None) -> Histories:
    """3 to 7 users with 0 to 12 purchases of few items, so that they share many; user 0 has at least 3.

    Timestamps are few as well, so that they tie within and across users.
    """
    items = draw(st.integers(3, 9))
    lengths = [draw(st.integers(3, 12)), *draw(st.lists(st.integers(0, 12), min_size=2, max_size=6))]
    item = st.integers(0, items - 1)
    bought = tuple(tuple(draw(st.lists(item, min_size=n, max_size=n))) for n in lengths)
    when = None
    if draw(st.booleans()) if timestamps is None else timestamps:
        moment = st.integers(0, 14)
        when = tuple(tuple(sorted(draw(st.lists(moment, min_size=n, max_size=n)))) for n in lengths)
    return Histories(items, bought, when)
