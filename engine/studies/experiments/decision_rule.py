"""A rule of at most two questions that says for whom something pays off: a tree that a person can read.

Boundary: features and gains of users in, a rule out. Pure functions.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.data.draws import generator

DEPTHS = (0, 1, 2)
"""Questions asked of a user at most; 0 is the same for everybody."""

FOLDS = 5
CUTS = {0: 0, 1: 19, 2: 9}  # of each feature, at equal steps of its quantiles: one question can be finer
ERRORS = 2  # standard errors that a further question must gain, so that noise alone seldom gets one
LEAST = 10  # users on either side of a cut, and at least one in twenty
_ROUNDING = 1e-12

Features = NDArray[np.float64]
"""[users, features]"""

PerUser = NDArray[np.float64]
"""[users]"""


@dataclass(frozen=True)
class Leaf:
    """The same for everybody who comes here."""

    yes: bool


@dataclass(frozen=True)
class Split:
    """`low` for those whose feature (by column) is at most `at`, `high` for the others."""

    feature: int
    at: float
    low: "Rule"
    high: "Rule"


Rule = Leaf | Split


def fit(features: Features, gains: PerUser, depth: int) -> Rule:
    """The rule of at most this depth that gains most in all for these users; of equal ones the simplest.

    All cuts are tried, also those that pay off only with a second one. gains: what yes brings a user over no.
    """
    quantiles = np.arange(1, CUTS[depth] + 1) / (CUTS[depth] + 1)
    return _best(features, gains, depth, quantiles, max(LEAST, len(gains) // 20))[1]


def fit_chosen(features: Features, gains: PerUser, seed: int = 0) -> Rule:
    """The rule of the depth that cross-validation over users chooses.

    The simplest one that gains at most two standard errors less, for users outside the fit, than the best:
    the one-standard-error rule of Breiman et al. 1984, stricter and on the paired differences.
    """
    fold = folds(len(gains), seed)
    outside = {depth: np.zeros(len(gains)) for depth in DEPTHS}
    for number in range(FOLDS):
        held = fold == number
        for depth, values in outside.items():
            rule = fit(features[~held], gains[~held], depth)
            values[held] = np.where(decide(rule, features[held]), gains[held], 0)
    best = max(outside.values(), key=lambda values: float(values.mean()))
    depth = next(depth for depth, values in outside.items() if _as_good(best - values))
    return fit(features, gains, depth)


def folds(users: int, seed: int) -> NDArray[np.int64]:
    """The fold of each user [users], drawn from the seed: sizes differ by one at most."""
    return generator(seed).permutation(users) % FOLDS


def decide(rule: Rule, features: Features) -> NDArray[np.bool_]:
    """What the rule says of each user [users]."""
    if isinstance(rule, Leaf):
        return np.full(len(features), rule.yes)
    low = features[:, rule.feature] <= rule.at
    return np.where(low, decide(rule.low, features), decide(rule.high, features))


def in_words(rule: Rule, names: Sequence[str]) -> str:
    """The rule as the condition for yes: `always`, `never`, or `where ...`."""
    if isinstance(rule, Leaf):
        return "always" if rule.yes else "never"
    return f"where {', or where '.join(' and '.join(path) for path in _paths(rule, names))}"


def as_json(rule: Rule, names: Sequence[str]) -> dict[str, Any]:
    """`{yes}` of a leaf, `{feature, at, low, high}` of a split."""
    if isinstance(rule, Leaf):
        return {"yes": rule.yes}
    low, high = as_json(rule.low, names), as_json(rule.high, names)
    return {"feature": names[rule.feature], "at": rule.at, "low": low, "high": high}


def _best(
    features: Features, gains: PerUser, depth: int, quantiles: PerUser, least: int
) -> tuple[float, Rule]:
    total = float(gains.sum())
    best: tuple[float, Rule] = (max(total, 0.0), Leaf(total > 0))
    if depth == 0 or len(gains) < 2 * least:
        return best
    for feature, column in enumerate(features.T):
        for at in np.unique(np.quantile(column, quantiles)).tolist():
            low = column <= at
            if not least <= low.sum() <= len(gains) - least:
                continue
            below = _best(features[low], gains[low], depth - 1, quantiles, least)
            above = _best(features[~low], gains[~low], depth - 1, quantiles, least)
            if below[0] + above[0] > best[0] + _ROUNDING:
                best = below[0] + above[0], Split(feature, at, below[1], above[1])
    return best


def _as_good(behind: PerUser) -> bool:
    """Whether values that are behind by so much, by user, are so by at most `ERRORS` standard errors."""
    error = behind.std(ddof=1) / np.sqrt(len(behind)) if len(behind) > 1 else 0.0
    return bool(behind.mean() <= ERRORS * error + _ROUNDING)


def _paths(rule: Rule, names: Sequence[str]) -> list[list[str]]:
    """The conditions on the way to each yes."""
    if isinstance(rule, Leaf):
        return [[]] if rule.yes else []
    sides = ((rule.low, "at most"), (rule.high, "above"))
    return [
        [f"{names[rule.feature]} is {words} {rule.at:.3g}", *rest]
        for side, words in sides
        for rest in _paths(side, names)
    ]
