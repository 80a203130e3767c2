"""How far one value is off because the model computes in half precision.

A value is a smooth function of the demonstrations' weights; its rounding is not. So values are taken at
weights moved in small steps, where demonstrations act in full and where they hardly do, and what a cubic
through them leaves over is the arithmetic's.
"""

import math
from typing import Protocol

import torch
from torch import Tensor

STEP = 2.0**-6  # of a weight; a few units of what bfloat16 tells apart
REACH = 4  # steps to either side
DEGREE = 3
CENTRES = (1.0, 0.125)  # of the weights
FREE = 2 * (2 * REACH - DEGREE)  # degrees of freedom of the estimate, both centres together


class Costs(Protocol):
    """What `error_of_one` looks at."""

    def costs(self, alpha: Tensor) -> Tensor:
        """[m, 1 or 2] at weightings alpha [m, k]."""
        ...


def error_of_one(objective: Costs, weights: Tensor) -> float:
    """Standard error of one cost near weights [k], from 4 * REACH + 2 of them; 0 without demonstrations."""
    if not weights.numel():
        return 0.0
    steps = torch.arange(-REACH, REACH + 1, dtype=torch.float64)
    moved = torch.tensor(CENTRES, dtype=torch.float64)[:, None] * (1 + STEP * steps)  # [centres, steps]
    costs = objective.costs(moved.reshape(-1, 1).to(weights) * weights)[:, 0]
    curves = torch.linalg.qr((steps[:, None] / REACH) ** torch.arange(DEGREE + 1))[0]  # [steps, 4]
    values = costs.double().cpu().view(len(CENTRES), -1)
    rest = values - values @ curves @ curves.T
    # Demonstrations were read in this precision too, which no weight shows: about as much again.
    return math.sqrt(2 * float(rest.square().sum()) / FREE)
