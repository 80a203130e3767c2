"""How sure a mean over users is, and whether two cells measured on the same users differ.

Pure functions of per-user values and a seed: no store, no model. Users are the units that are drawn anew; a
user's values under two conditions stay together.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 10_000
AT_ONCE = 500  # resamples drawn together: bounds the memory
SURE = 0.05


def interval(values: NDArray[np.floating], seed: int = 0) -> tuple[float, float]:
    """Percentile bootstrap 95 % interval of the mean of `values` [users]; of a single value that value."""
    if len(values) < 2:
        return float(values.mean()), float(values.mean())
    rng = np.random.Generator(np.random.PCG64(seed))
    parts = [values[rng.integers(0, len(values), (count, len(values)))].mean(axis=1) for count in _parts()]
    low, high = np.quantile(np.concatenate(parts), (0.025, 0.975))
    return float(low), float(high)


def paired_p(one: NDArray[np.floating], other: NDArray[np.floating], seed: int = 0) -> float:
    """Two-sided paired permutation test: p of so large a mean difference [users] under random signs."""
    rng = np.random.Generator(np.random.PCG64(seed))
    difference = one - other
    asked = abs(difference.mean()) - 1e-12
    larger = 0
    for count in _parts():
        signs = np.where(rng.random((count, len(difference))) < 0.5, -1.0, 1.0)
        larger += int((np.abs((signs * difference).mean(axis=1)) >= asked).sum())
    return (1 + larger) / (1 + RESAMPLES)


def estimate(values: Sequence[float] | NDArray[np.floating], seed: int = 0) -> dict[str, Any]:
    """`{mean, low, high, n}`: the mean over users (one at least) with its 95 % interval, ready for JSON."""
    array = np.asarray(values, dtype=np.float64)
    low, high = interval(array, seed)
    return {"mean": float(array.mean()), "low": low, "high": high, "n": len(array)}


def difference(one: NDArray[np.floating], other: NDArray[np.floating], seed: int = 0) -> dict[str, Any]:
    """`{mean, low, high, n, p}` of one - other, both [users] in the same order, ready for JSON."""
    return {**estimate(one - other, seed), "p": paired_p(one, other, seed)}


def better(found: dict[str, Any]) -> bool:
    """Whether a `difference` is above zero beyond chance, at `SURE`."""
    return found["mean"] > 0 and found["p"] < SURE


def _parts() -> Iterator[int]:
    """How many resamples to draw next, until all are drawn."""
    for start in range(0, RESAMPLES, AT_ONCE):
        yield min(AT_ONCE, RESAMPLES - start)
