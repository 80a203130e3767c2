"""Copies: controls without a model, which score candidates by the demonstrations that a model is shown.

What a model adds is what it ranks better than these: they know the same demonstrations, but neither titles
nor the query's history. Boundary: ids of items in, scores out; an id that is none of the catalogue's (of a
title written by hand) counts for nothing.
"""

from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import TypeVar

Item = TypeVar("Item", bound=Hashable)
Shown = tuple[Sequence[Item], Item]
"""The items of a demonstration: its history, its answer."""

COUNTED: Mapping[str, Callable[[Shown], list]] = {
    "copy": lambda shown: [shown[1]],
    "copy-histories": lambda shown: [*shown[0], shown[1]],
}
"""Row of `db.choices.COPIES` -> the items of a demonstration that count, each as often as it stands there."""


def scores(
    name: str, demonstrations: Sequence[Shown[Item]], weights: Sequence[float], offered: Sequence[Item]
) -> list[float]:
    """How often each offered item is among what counts, each demonstration counting its weight.

    Most scores are equal (0): `engine.evaluation.metrics` says what ties are worth.
    """
    counts: Counter[Item] = Counter()
    for shown, weight in zip(demonstrations, weights, strict=True):
        for item in COUNTED[name](shown):
            counts[item] += weight  # type: ignore[assignment]  # a weight is a number, not always a whole one
    return [float(counts[item]) for item in offered]
