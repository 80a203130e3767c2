"""Dropout: each demonstration left out with a probability; the amount is that probability."""

from engine.llm.scoring.draw import Draw
from engine.lrgd import perturb


def apply(draw: Draw, amount: float) -> Draw:
    """The draw with some weights at 0; the others stay as they are."""
    return draw.weighted(perturb.dropout(draw.weights, draw.number + 1, amount, draw.seed)[draw.number])
