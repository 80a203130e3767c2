"""The effect of each demonstration on a loss: its Shapley value, and which estimator takes it.

The effect of demonstration b is the part of the gain `loss(0) - loss(w)` that is due to b, in nats; the
effects add up to the gain. Exact values take 2^k losses. For more demonstrations `strata` comes nearest to
them, and `path` nearly so for half the losses; `aumann`, the integral over weights instead of chances, takes
gradients and is there to compare. A reconstruction of LRGD's effect (arXiv 2504.04386), not its formula.
"""

from collections.abc import Callable
from typing import Literal

from torch import Tensor

from engine.lrgd.aumann import aumann
from engine.lrgd.objective import Effects, Objective
from engine.lrgd.path import path
from engine.lrgd.shapley import exact, strata

EXACT_UP_TO = 6  # demonstrations for which `auto` takes all 2^k losses
Estimator = Literal["auto", "exact", "strata", "path", "aumann"]
ESTIMATORS: dict[str, Callable[[Objective, Tensor], Effects]] = {
    "exact": exact,
    "strata": strata,
    "path": path,
    "aumann": aumann,
}


def effects(objective: Objective, weights: Tensor, estimator: Estimator = "auto") -> Effects:
    """Effect of each demonstration at weights [k]. `auto`: exact up to 6 demonstrations, else strata."""
    if estimator == "auto":
        estimator = "exact" if weights.numel() <= EXACT_UP_TO else "strata"
    # Without demonstrations there is nothing to integrate.
    return ESTIMATORS[estimator if weights.numel() else "exact"](objective, weights)
