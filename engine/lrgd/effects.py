"""The effect of each demonstration on a loss: its Shapley value, and which estimator takes it.

The effect of demonstration b is the part of the gain `loss(0) - loss(w)` that is due to b, in nats; the
effects add up to the gain. Exact values take 2^k losses. For more demonstrations `strata` comes nearest to
them, and `path` nearly so for half the losses; `aumann`, the integral over weights instead of chances, takes
gradients and is there to compare. A reconstruction of LRGD's effect (arXiv 2504.04386), not its formula.
"""

from collections.abc import Callable
from typing import Literal

from torch import Tensor

from engine.lrgd.aumann import NODES, aumann
from engine.lrgd.objective import Effects, Objective
from engine.lrgd.path import WHOLE, path
from engine.lrgd.shapley import exact, pairs, strata

EXACT_UP_TO = 6  # demonstrations for which `auto` takes all 2^k losses
Estimator = Literal["auto", "exact", "strata", "path", "aumann"]
ESTIMATORS: dict[str, Callable[[Objective, Tensor], Effects]] = {
    "exact": exact,
    "strata": strata,
    "path": path,
    "aumann": aumann,
}


def weightings(count: int, estimator: Estimator = "auto") -> int:
    """How many losses or gradients the effects of `count` demonstrations take, at most."""
    estimator = _chosen(count, estimator)
    if count <= {"exact": count, "strata": 2, "path": WHOLE, "aumann": 0}[estimator]:
        return 2**count
    if estimator == "strata":
        return 2 + 2 * count + 2 * len(pairs(count))
    return 2 + 2 * count + 2 * (1 << (count - 1).bit_length()) if estimator == "path" else NODES


def _chosen(count: int, estimator: Estimator) -> Estimator:
    if estimator == "auto":
        estimator = "exact" if count <= EXACT_UP_TO else "strata"
    # Without demonstrations there is nothing to integrate.
    return estimator if count else "exact"


def effects(objective: Objective, weights: Tensor, estimator: Estimator = "auto") -> Effects:
    """Effect of each demonstration at weights [k]. `auto`: exact up to 6 demonstrations, else strata."""
    return ESTIMATORS[_chosen(weights.numel(), estimator)](objective, weights)
