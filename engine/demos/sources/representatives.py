"""Global demonstrations: windows that represent the purchases of all users (clusters of arXiv 2405.02778).

A sample of known windows, one per user, is clustered by the words of its titles (spherical k-means on tf-idf
vectors); each cluster gives the window nearest to its centre, the largest cluster first. The sample is drawn
for the data set and not for the query, so that all queries of one moment get the same windows (except their
user's own), and the cost depends on the sample's size alone.
"""

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from db.datasets import DatasetInfo
from db.store import Store
from engine.data.draws import keys
from engine.data.similar_titles import words
from engine.demos.query import Query, titles_of
from engine.demos.reader import unit
from engine.demos.sources import random_users
from engine.demos.windows import Offer, Window, load

SOURCE = "global"

SAMPLE = 256
"""Users sampled; before an early moment many of them have bought nothing yet."""

ROUNDS = 8
"""Iterations of k-means; later ones change almost nothing."""


def find(store: Store, dataset: DatasetInfo, query: Query, size: int, seed: int) -> list[Offer]:
    """Up to `size` windows, largest cluster first; similarity = shared part of a window's items."""
    parts = (SOURCE, dataset.origin, seed)
    users = random_users.users_drawn(dataset, max(SAMPLE, 4 * size), *parts)[: max(SAMPLE, 4 * size)]
    drawn = zip(users, keys(len(users), "place", *parts).tolist(), strict=True)
    others = [(user, key) for user, key in drawn if user != query.user]
    places = random_users.places(store, dataset, query, others)
    windows = load(store, dataset, query, places)
    chosen = [windows[place] for place in middles(vectors([_text(window) for window in windows]), size)]
    rated = similarities(store, dataset, query, chosen)
    return [Offer(SOURCE, window, rating) for window, rating in zip(chosen, rated, strict=True)]


similarities = random_users.similarities


def vectors(texts: Sequence[str]) -> NDArray[np.float64]:
    """Tf-idf of these texts as unit rows [n, words]; a word of all texts counts nothing."""
    counts = [Counter(words(text)) for text in texts]
    inside = Counter(word for count in counts for word in count)
    column = {word: at for at, word in enumerate(sorted(inside))}
    rows = np.zeros((len(texts), len(column)))
    for row, count in enumerate(counts):
        for word, many in count.items():
            rows[row, column[word]] = many * math.log(len(texts) / inside[word])
    return unit(rows)


def middles(rows: NDArray[np.float64], size: int) -> list[int]:
    """The rows nearest to the centres of up to `size` clusters of unit rows [n, d], largest cluster first.

    The clusters start from the first row and rows unlike those taken; where some run empty, first rows fill
    up. The caller has drawn the rows in random order.
    """
    count = len(rows)
    if count <= size:
        return list(range(count))
    centres = rows[_apart(rows, size)]
    for _ in range(ROUNDS):
        nearest, _ = _assigned(rows, centres)
        member = np.arange(size)[:, None] == nearest[None, :]  # [size, n]
        # A cluster that lost its members keeps its centre.
        centres = np.where(member.any(axis=1, keepdims=True), unit(member.astype(np.float64) @ rows), centres)
    nearest, likeness = _assigned(rows, centres)
    members = [np.flatnonzero(nearest == cluster) for cluster in range(size)]
    members.sort(key=lambda places: -len(places))
    chosen = [int(places[np.argmax(likeness[places])]) for places in members if len(places)]
    return (chosen + [row for row in range(count) if row not in chosen])[:size]


def _apart(rows: NDArray[np.float64], size: int) -> list[int]:
    """The first row, and again and again the first of those least like any row taken."""
    taken = [0]
    nearest = rows @ rows[0]
    while len(taken) < size:
        nearest[taken[-1]] = np.inf
        taken.append(int(np.argmin(nearest.round(9))))
        nearest = np.maximum(nearest, rows @ rows[taken[-1]])
    return taken


def _assigned(
    rows: NDArray[np.float64], centres: NDArray[np.float64]
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """The nearest centre of each row [n], and its cosine [n]; rounded, so that no last bit decides."""
    cosines = (rows @ centres.T).round(9)
    nearest = cosines.argmax(axis=1)
    return nearest, cosines[np.arange(len(nearest)), nearest]


def _text(window: Window) -> str:
    return titles_of([*window.history, window.answer])
