"""Seeded draws that come out equal on every machine and every day. Pure functions.

Python's hash() changes per process and numpy promises a stable stream only for its bit generators, so a draw
that is stored is a sort by raw 64-bit keys of a generator seeded with the digest of what the draw is for. All
other draws with numpy take `generator`, which names its bit generator.
"""

import numpy as np
from numpy.typing import NDArray

from db.canonical import digest

Part = str | int


def generator(*key: int) -> np.random.Generator:
    """The generator of a key (a seed, or a seed and a part's number)."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(key)))


def keys(size: int, *parts: Part) -> NDArray[np.uint64]:
    """`size` random 64-bit keys [size], a pure function of `parts`; longer draws begin with shorter ones."""
    return np.random.PCG64(int(digest(list(parts)), 16)).random_raw(size).astype(np.uint64, copy=False)


def keys_of(numbers: NDArray[np.int64], *parts: Part) -> NDArray[np.uint64]:
    """A random 64-bit key for each number [n]: the same number gets the same key whatever the others are."""
    mixed = numbers.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(
        int(digest(list(parts))[:16], 16)
    )
    # The finalizer of SplitMix64 (Steele, Lea and Flood 2014); the overflow is meant.
    mixed = (mixed ^ mixed >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ mixed >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    return mixed ^ mixed >> np.uint64(31)


def shuffled(size: int, *parts: Part) -> NDArray[np.int64]:
    """0 .. size-1 in random order [size]."""
    return np.argsort(keys(size, *parts), kind="stable")


def weighted_order(weights: NDArray[np.floating], *parts: Part) -> NDArray[np.int64]:
    """The places with a weight above 0, drawn one after another without replacement, chance by weight.

    An exponential race (Efraimidis and Spirakis 2006): the clock of place i runs at rate weights[i].
    """
    running = np.flatnonzero(weights > 0)
    # In (0, 1), never 0, so that the logarithm is finite.
    uniform = ((keys(len(weights), *parts) >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53
    clocks = -np.log(uniform[running]) / weights[running]
    return running[np.argsort(clocks, kind="stable")]
