"""What so many users could have shown: the smallest difference, and how many users another one takes."""

import math

from engine.evaluation.statistics import SURE

POWER = 0.8
LEAST = 6  # users: of fewer the sign-flip test rejects nothing


def detectable(sd: float, users: int) -> float:
    """The smallest true difference that these users show with 80 % power in one two-sided test at .05.

    Normal approximation of the paired test: (z of .975 + z of .8) sd / sqrt(users), where sd is of the
    differences between users. It does not depend on the difference that was seen.
    """
    return _multiple() * sd / math.sqrt(users)


def users_needed(sd: float, difference: float) -> int:
    """How many users show a true difference with 80 % power, by the formula of `detectable`; six at least.

    Raises ValueError for a difference of 0, which no number of users shows.
    """
    if difference == 0:
        raise ValueError("no number of users shows a difference of 0")
    # Rounding must not ask for one user more.
    return max(LEAST, math.ceil((_multiple() * sd / difference) ** 2 * (1 - 1e-12)))


def _multiple() -> float:
    from scipy.special import ndtri

    return float(ndtri(1 - SURE / 2) + ndtri(POWER))
