"""Which of a user's purchases the query holds: the newest, those most similar to the candidates, or some from
each time segment.

Pure functions of what the user bought before the target. The candidates are a set: which of them is the
target is unknown here.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np

from db.datasets import Interaction
from engine.demos.reader import Embed, directions

CLUSTERS = 4
"""Maximum number of time segments of a history."""


def semantic(
    known: Sequence[Interaction], size: int, candidates: Sequence[str], embed: Embed
) -> list[Interaction]:
    """The `size` purchases most like any candidate, oldest first; ties go to the newer one.

    The behaviour retrieval of arXiv 2308.11131, with all candidates' titles as the query.
    """
    # Sorted, so that the order of the candidates changes nothing, not even the last bit.
    titles = sorted({*candidates, *(row.title for row in known)})
    place = {title: i for i, title in enumerate(titles)}
    vectors = directions(embed, titles)
    asked = vectors[sorted({place[title] for title in candidates})]
    near = (vectors[[place[row.title] for row in known]] @ asked.T).max(axis=1).round(9)
    best = np.lexsort((-np.arange(len(known)), -near))[:size]
    return [known[i] for i in sorted(best.tolist())]


def clusters(known: Sequence[Interaction], size: int) -> list[Interaction]:
    """The newest purchase of each time segment, then the second newest of each, up to `size`; in order.

    The history is cut at its longest pauses, or into equal parts where there are no timestamps.
    """
    parts = _stretches(known, min(CLUSTERS, size))
    deepest = max(len(part) for part in parts)
    turns = [part[-1 - depth] for depth in range(deepest) for part in reversed(parts) if depth < len(part)]
    return sorted(turns[:size], key=lambda row: row.position)


def _stretches(known: Sequence[Interaction], count: int) -> list[Sequence[Interaction]]:
    moments = [row.timestamp for row in known if row.timestamp is not None]
    if len(moments) < len(known):
        return [known[i * len(known) // count : (i + 1) * len(known) // count] for i in range(count)]
    pauses = np.diff(moments)
    # Longest first, the newer of two equal ones; purchases of one moment are never split.
    longest = np.lexsort((-np.arange(len(pauses)), -pauses))[: count - 1]
    cuts = [0, *sorted(int(i) + 1 for i in longest if pauses[i] > 0), len(known)]
    return [known[start:stop] for start, stop in pairwise(cuts)]


def select(
    known: Sequence[Interaction], size: int, way: str, candidates: Sequence[str], embed: Embed
) -> list[Interaction]:
    """At most `size` of these purchases by one of `db.choices.HISTORY_WAYS`, oldest first."""
    if len(known) <= size:
        return list(known)
    ways: dict[str, Callable[[], list[Interaction]]] = {
        "recent": lambda: list(known[-size:]),
        "semantic": lambda: semantic(known, size, candidates, embed),
        "clusters": lambda: clusters(known, size),
    }
    return ways[way]()
