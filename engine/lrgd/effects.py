"""The effect of each demonstration on a cost: its Shapley value, and which estimator takes it.

The effect of demonstration b is the part of the gain `cost(0) - cost(w)` that is due to b; the effects add up
to the gain. Exact values take 2^k costs. For more demonstrations `kriging` comes nearest to them and says how
near; `aumann`, the integral over weights instead of coalitions, takes gradients and is there to compare. A
reconstruction of LRGD's effect (arXiv 2504.04386), not its formula.
"""

from collections.abc import Callable
from typing import Literal

from torch import Tensor

from engine.lrgd.aumann import ORDER, START, aumann
from engine.lrgd.kriging import kriging, taken
from engine.lrgd.objective import Effects, Objective
from engine.lrgd.shapley import exact

EXACT_UP_TO = 6  # demonstrations for which `auto` takes all 2^k costs
Estimator = Literal["auto", "exact", "kriging", "aumann", "difference"]
ESTIMATORS: dict[str, Callable[[Objective, Tensor], Effects]] = {
    "exact": exact,
    "kriging": kriging,
    "aumann": aumann,
}


def weightings(count: int, estimator: Estimator = "auto") -> int:
    """How many costs or gradients the effects of `count` demonstrations take; of aumann, at least."""
    estimator = chosen(count, estimator)
    return {"exact": 2**count, "kriging": taken(count), "aumann": START * ORDER}[estimator]


def chosen(count: int, estimator: Estimator) -> Estimator:
    """The estimator that takes the effects of so many."""
    if estimator == "auto":
        estimator = "exact" if count <= EXACT_UP_TO else "kriging"
    # Without demonstrations there is nothing to estimate.
    return estimator if count else "exact"


def effects(objective: Objective, weights: Tensor, estimator: Estimator = "auto") -> Effects:
    """Effect of each demonstration at weights [k]. `auto`: exact up to 6 demonstrations, else kriging."""
    return ESTIMATORS[chosen(weights.numel(), estimator)](objective, weights)
