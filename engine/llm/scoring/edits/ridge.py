"""Ridge: the gradient step shortened; the amount is what is taken off every weight, as a part of it."""

from engine.llm.scoring.draw import Draw
from engine.lrgd import perturb


def apply(draw: Draw, amount: float) -> Draw:
    """The draw with every weight times 1 less the amount."""
    return draw.weighted(perturb.ridge(draw.weights, amount))
