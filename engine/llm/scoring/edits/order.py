"""Order: the demonstrations in another order, with their weights."""

from engine.llm.scoring.draw import Draw
from engine.lrgd import perturb


def apply(draw: Draw, amount: float) -> Draw:
    """The draw with its demonstrations permuted; there is no amount to it."""
    return draw.reordered(perturb.orders(len(draw.task.demos), draw.number + 1, draw.seed)[draw.number])
