"""How sure a share of preferences is, how far judges agree, and whether preferences go with a number.

Pure functions of plain numbers. A pair of lists is the unit: what several judges say of one pair is first
averaged, so that more judges do not make a handful of pairs look like many.
"""

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Hashable, Sequence
from statistics import NormalDist, correlation, fmean

Z = NormalDist().inv_cdf(0.975)
FEWEST = 4  # pairs from which a rank correlation has an interval


def share(values: Sequence[float]) -> dict[str, float] | None:
    """`{mean, low, high, n}` of values between 0 and 1, with Wilson's 95 % interval; None of none.

    Wilson (1927) is for values that are 0 or 1. What lies between, such as a tie (0.5) or a mean over judges,
    varies less around the same mean, so the interval is never too narrow for it.
    """
    if not values:
        return None
    n, mean = len(values), fmean(values)
    spread = Z * math.sqrt(mean * (1 - mean) / n + Z * Z / (4 * n * n))
    middle, scale = mean + Z * Z / (2 * n), 1 + Z * Z / n
    low, high = (middle - spread) / scale, (middle + spread) / scale
    return {"mean": mean, "low": max(0.0, low), "high": min(1.0, high), "n": n}


def cohen(first: Sequence[Hashable], second: Sequence[Hashable]) -> float | None:
    """Cohen's kappa (1960) of two judges' answers to the same things, in the same order.

    None where chance alone agrees always: both gave one and the same answer throughout, or none.
    """
    n = len(first)
    if not n:
        return None
    one, other = Counter(first), Counter(second)
    chance = sum(one[answer] * other[answer] for answer in one) / n**2
    return _beyond_chance(sum(a == b for a, b in zip(first, second, strict=True)) / n, chance)


def fleiss(answers: Sequence[Sequence[Hashable]]) -> float | None:
    """Fleiss' kappa (1971) of all answers to each thing; those with fewer than two answers are left out.

    Where all have the same number of answers it is Fleiss' own; else each thing counts alike, whatever its
    number. None where chance alone agrees always.
    """
    kept = [row for row in answers if len(row) > 1]
    given = Counter(answer for row in kept for answer in row)
    total = sum(given.values())
    if not total:
        return None
    chance = sum((count / total) ** 2 for count in given.values())
    return _beyond_chance(fmean(map(agreeing, kept)), chance)


def agreeing(answers: Sequence[Hashable]) -> float:
    """The share of the pairs of these answers (two at least) that are alike."""
    n = len(answers)
    return sum(count * (count - 1) for count in Counter(answers).values()) / (n * (n - 1))


def rank_correlation(first: Sequence[float], second: Sequence[float]) -> dict[str, float | None] | None:
    """Spearman's rank correlation as `{mean, low, high, n}`, equal values at their mean rank.

    The 95 % interval is Fisher's on the z scale with the standard error 1.03 / sqrt(n - 3) of Fieller et al.
    (1957), unknown (None) below four values and where the order is the same throughout. None where a side
    does not vary.
    """
    n = len(first)
    if n < 2 or len(set(first)) < 2 or len(set(second)) < 2:
        return None
    mean = correlation(_ranks(first), _ranks(second))
    if n < FEWEST or abs(mean) > 1 - 1e-12:
        return {"mean": mean, "low": None, "high": None, "n": n}
    half = Z * math.sqrt(1.06 / (n - 3))
    low, high = (math.tanh(math.atanh(mean) + side * half) for side in (-1, 1))
    return {"mean": mean, "low": low, "high": high, "n": n}


def _ranks(values: Sequence[float]) -> list[float]:
    """The rank of each value from 1, equal ones at the mean of theirs."""
    ordered = sorted(values)
    return [bisect_left(ordered, value) + (ordered.count(value) + 1) / 2 for value in values]


def _beyond_chance(seen: float, chance: float) -> float | None:
    return None if math.isclose(chance, 1) else (seen - chance) / (1 - chance)
