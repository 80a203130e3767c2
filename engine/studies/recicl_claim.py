"""What a table of cells says of RecICL's claim (arXiv 2410.23136): which cells are compared, and a sentence.

Pure functions of per-user values.
"""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.evaluation.statistics import better, difference
from engine.studies.answers import FRESH, STALE, ZERO_SHOT

BASE, SINGLE, RECICL = "base", "single", "recicl"
MEASURES = {"auc": "AUC", "uauc": "uAUC", "ndcg10": "NDCG@10"}
DECIDING = "ndcg10"  # the measure the sentence speaks of

Cell = tuple[str, str]
"""(row, column) of the table."""

Values = Mapping[Cell, Mapping[str, NDArray[np.float64]]]
"""Per cell and measure the values per user [users], users in the same order everywhere."""

CLAIM: tuple[tuple[Cell, Cell], ...] = (
    ((RECICL, FRESH), (SINGLE, FRESH)),
    ((RECICL, FRESH), (RECICL, ZERO_SHOT)),
)
"""What RecICL claims: the first is better than the second. Both must hold, so that neither p needs a
correction for there being two (an intersection-union test)."""


def comparisons(rows: list[str], columns: tuple[str, ...]) -> list[tuple[Cell, Cell]]:
    """The pairs tested: the claim's, fresh against the row's other columns, fresh rows against each other."""
    pairs = [pair for pair in CLAIM if all(row in rows for row, _ in pair)]
    pairs += [((row, FRESH), (row, column)) for row in rows for column in columns if column != FRESH]
    pairs += [((later, FRESH), (earlier, FRESH)) for earlier, later in pairwise(rows)]
    if len(rows) > 2:
        pairs.append(((rows[-1], FRESH), (rows[0], FRESH)))
    return list(dict.fromkeys(pairs))


def differences(values: Values, pairs: list[tuple[Cell, Cell]], seed: int) -> list[dict[str, Any]]:
    """Each pair with the paired difference of every measure, ready for JSON."""
    return [
        {
            "better": list(first),
            "than": list(second),
            **{name: difference(values[first][name], values[second][name], seed) for name in MEASURES},
        }
        for first, second in pairs
    ]


def claim(dataset: str, values: Values, tested: list[dict[str, Any]]) -> tuple[str, dict[str, bool] | None]:
    """What the tests say of RecICL's claim on this data set: a sentence, and whether it holds per measure."""
    by_pair = {(tuple(test["better"]), tuple(test["than"])): test for test in tested}
    if any(pair not in by_pair for pair in CLAIM):
        return (
            f"RecICL's claim was not tested on {dataset}: that takes a model tuned in the recicl layout and "
            "one tuned in the single layout.",
            None,
        )
    over_single, over_own = (by_pair[pair] for pair in CLAIM)
    holds = {name: better(over_single[name]) and better(over_own[name]) for name in MEASURES}
    fresh = float(values[RECICL, FRESH][DECIDING].mean())
    sentence = (
        f"RecICL's claim {'holds' if holds[DECIDING] else 'does not hold'} on {dataset}: tuned in the recicl "
        f"layout and shown fresh demonstrations, {MEASURES[DECIDING]} is {fresh:.3f}, "
        f"{in_words(over_single[DECIDING])} against the single layout with the same demonstrations and "
        f"{in_words(over_own[DECIDING])} against its own zero-shot."
    )
    if (RECICL, STALE) in values:
        since = by_pair[(RECICL, FRESH), (RECICL, STALE)][DECIDING]
        sentence += f" Against stale demonstrations, fresh ones make {in_words(since)}."
    others = [shown for name, shown in MEASURES.items() if holds[name] != holds[DECIDING]]
    if others:
        verb = "does not hold" if holds[DECIDING] else "holds"
        sentence += f" By {' and '.join(others)} the claim {verb}."
    return sentence, holds


def in_words(test: Mapping[str, Any]) -> str:
    """A difference in words."""
    p = "p < 0.001" if test["p"] < 0.001 else f"p = {test['p']:.3f}"
    return f"{test['mean']:+.3f} ({test['low']:+.3f} to {test['high']:+.3f}, {p})"
