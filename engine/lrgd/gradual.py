"""Effects that are there early: an estimate at once, a better one after every piece.

The costs that an estimator takes are taken in pieces, those that say most first, and after each piece the
effects are continued from what is known (`engine.lrgd.kriging`), with intervals that allow for what is not.
`gradually` ends as exact as ever: the last word is the estimator's own, from the same costs. `beside` ends as
soon as the intervals are narrow. It takes the costs of another game of the same demonstrations, which are
known, as a control variate (Lavenberg and Welch 1981): only the difference of the two
games is continued, and where they are near each other few costs tell it.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from engine.lrgd.effects import EXACT_UP_TO, Estimator, chosen, effects, weightings
from engine.lrgd.kriging import continued, design
from engine.lrgd.objective import Effects, Objective, Remembered

Told = Callable[[Effects, int], None]
"""An estimate so far, and of how many costs the last one is."""

DOUBT = 1.92
"""From few costs the likeliest field is not surely the right one: all count whose likelihood a test at 5 %
would not refuse (half the quantile of chi squared with one degree of freedom)."""


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
            told(continued(members, costs.double().cpu(), DOUBT), count)
    return effects(objective, weights, estimator)


def beside(
    objective: Remembered,
    known: Objective,
    weights: Tensor,
    enough: Callable[[Effects], bool],
    told: Told,
) -> Effects:
    """Effects [k] of a game from those of a `known` one and from how the two differ, once they are `enough`.

    Where that takes more costs than the game's own estimator, they are that estimator's. `told` hears what
    was not enough.
    """
    count = weightings(weights.numel())
    for stop in _stops(weights.numel()):
        if stop < count:
            near = differing(objective, known, weights, stop)
            if enough(near):
                return near
            told(near, count)
    return effects(objective, weights)


def differing(objective: Objective, known: Objective, weights: Tensor, stop: int) -> Effects:
    """Effects [k] of a game from those of a `known` one and the first `stop` costs of the design in both."""
    members = torch.tensor(design(weights.numel())[:stop], dtype=torch.float64)
    alpha = members.to(weights) * weights
    costs, others = objective.value(alpha).double().cpu(), known.value(alpha).double().cpu()
    base, rest = effects(known, weights), continued(members, costs - others, DOUBT)

    def both(one: Tensor | None, other: Tensor | None) -> Tensor:
        assert one is not None
        assert other is not None
        return torch.hypot(one.double().cpu(), other)

    return Effects(
        effects=base.effects.double().cpu() + rest.effects,
        cost_off=float(costs[0]),
        cost_on=float(costs[1]),
        estimator="difference",
        passes=stop,
        reach=both(base.reach, rest.reach),
        noisy=both(base.noisy, rest.noisy),
    )


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
