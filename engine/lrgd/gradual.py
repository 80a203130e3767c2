"""Effects that are there early and end as exact as ever: an estimate at once, a better one after every piece.

The costs that an estimator takes are taken in pieces, those that say most first, and after each piece the
effects are continued from what is known (`engine.lrgd.kriging`), with intervals that allow for what is not.
The last word is the estimator's own, from the same costs.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from engine.lrgd.effects import EXACT_UP_TO, Estimator, chosen, effects, weightings
from engine.lrgd.kriging import continued, design
from engine.lrgd.objective import Effects, Objective, Remembered

Told = Callable[[Effects, int], None]
"""An estimate so far, and of how many costs the last one is."""


def gradually(objective: Remembered, weights: Tensor, estimator: Estimator, told: Told) -> Effects:
    """What `effects` returns, from the same costs [k]; `told` hears each estimate before the last.

    `aumann` takes gradients one after the other and has nothing to tell before it ends.
    """
    k = weights.numel()
    count = weightings(k, estimator)
    for stop in _stops(k) if chosen(k, estimator) != "aumann" else ():
        members = torch.tensor(design(k)[:stop], dtype=torch.float64)
        costs = objective.value(members.to(weights) * weights)
        if stop < count:
            told(continued(members, costs.double().cpu()), count)
    return effects(objective, weights, estimator)


def first(objective: Objective, weights: Tensor) -> Effects:
    """One gradient at the weights themselves: what each demonstration would change if all effects were
    proportional to weights. Its parts do not add up to the gain, and nothing is known of its error."""
    costs, slopes = objective.gradient(weights[None])
    cost = float(costs[0])
    return Effects(-(slopes[0] * weights), cost, cost, "gradient", 1, None, None)


def _stops(k: int) -> range:
    """After how many rows of the design there is something to tell: none, all, each alone and all but each
    first, then so many that everyone has equally many partners. An interval holds less often between, and of
    more than six before the first pairs are there."""
    first = 2 * k + 2 if k <= EXACT_UP_TO else 4 * k + 2
    return range(first, len(design(k)) + 1, 2 * k) if k else range(0)
