"""Which rows differ beyond chance, by how much, and what these users could have shown at all.

Boundary: cells in, paired differences from every possible reference row out, ready for JSON.
"""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.evaluation.power import detectable
from engine.evaluation.statistics import paired_tests, together
from engine.studies.experiments.cells import Cells
from engine.studies.experiments.leaderboard import AUC, area
from engine.studies.pairwise_tests import DECIDING, MEASURES

PAIRS_AT_ONCE = 250  # bounds the memory of the tests
_EQUAL = 1e-12  # differences below it are rounding

Compared = dict[str, dict[str, dict[str, Any]]]
"""Reference row -> other row -> test."""


def comparisons(
    cells: Cells, seed: int = 0, measures: Sequence[str] = tuple(MEASURES)
) -> dict[str, Compared]:
    """By measure and reference row, the difference of every other row from it, paired by user.

    A test is `{mean, low, high, n, p, p_holm, wins, ties, losses, dz, sd, detectable}`: mean > 0 where the
    row is above the reference; p by sign flips, `p_holm` corrected for all rows that are compared with this
    reference; wins, ties and losses count users; dz is the paired effect size, mean over sd of the
    differences (None without spread); `detectable` as of `detectable`. Values are averaged over draws first.

    measures: of `PER_USER`, or `auc`, whose values are what each user adds to the pooled area (`area`).
    """
    return {measure: _compared(cells, measure, seed) for measure in measures}


def quality(cells: Cells, row: str) -> NDArray[np.float64]:
    """The deciding measure of each user [users], averaged over draws; every row has it."""
    return np.array(cells.mean(row, DECIDING), dtype=np.float64)


def _compared(cells: Cells, measure: str, seed: int) -> Compared:
    means = {row.key: _per_user(cells, row.key, measure) for row in cells.rows}
    values = {key: mean for key, mean in means.items() if mean is not None}
    pairs = list(combinations(values, 2))
    tests: dict[tuple[str, str], dict[str, Any]] = {}
    for start in range(0, len(pairs), PAIRS_AT_ONCE):
        some = pairs[start : start + PAIRS_AT_ONCE]
        differences = np.array([values[other] - values[reference] for reference, other in some])
        tested = zip(some, differences, paired_tests(differences, seed), strict=True)
        for (reference, other), row, test in tested:
            tests[reference, other] = test | _size(row)
            tests[other, reference] = turned(tests[reference, other])
    others = {reference: [key for key in values if key != reference] for reference in values}
    return {
        reference: dict(zip(keys, together([tests[reference, key] for key in keys]), strict=True))
        for reference, keys in others.items()
    }


def _per_user(cells: Cells, row: str, measure: str) -> NDArray[np.float64] | None:
    if measure != AUC:
        return cells.mean(row, measure)
    parts = area(cells, row)
    return None if parts is None else parts.mean(axis=0)


def _size(differences: NDArray[np.float64]) -> dict[str, Any]:
    users = len(differences)
    wins, losses = int((differences > _EQUAL).sum()), int((differences < -_EQUAL).sum())
    sd = float(differences.std(ddof=1)) if users > 1 else None
    return {
        "wins": wins,
        "ties": users - wins - losses,
        "losses": losses,
        "dz": None if sd is None or sd < _EQUAL else float(differences.mean()) / sd,
        "sd": sd,
        "detectable": None if sd is None else detectable(sd, users),
    }


def turned(test: Mapping[str, Any]) -> dict[str, Any]:
    """The difference in the other direction."""
    low, high, dz = (None if end is None else -end for end in (test["high"], test["low"], test["dz"]))
    swapped = {"wins": test["losses"], "losses": test["wins"]}
    return {**test, "mean": -test["mean"], "low": low, "high": high, "dz": dz, **swapped}
