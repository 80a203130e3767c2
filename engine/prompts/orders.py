"""The orders in which a list of candidates is shown: seeded, pure, without a model."""

import random

PERMUTATIONS = 4  # orders of the list a listwise score is averaged over


def cyclic_orders(count: int, seed: int, permutations: int = PERMUTATIONS) -> tuple[tuple[int, ...], ...]:
    """Evenly spaced rotations of one seeded shuffle: each candidate stands at spread-out places."""
    base = list(range(count))
    random.Random(seed).shuffle(base)
    turns = min(permutations, count)
    starts = [i * count // turns for i in range(turns)]
    return tuple(tuple(base[s:] + base[:s]) for s in starts)
