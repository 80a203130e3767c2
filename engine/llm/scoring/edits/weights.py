"""Weight noise: every sample weight times a lognormal of mean 1; the amount is its log-spread."""

from engine.llm.scoring.draw import Draw
from engine.lrgd import perturb


def apply(draw: Draw, amount: float) -> Draw:
    """The draw with noisy weights; a weight of 0 stays 0."""
    return draw.weighted(perturb.weight_noise(draw.weights, draw.number + 1, amount, draw.seed)[draw.number])
