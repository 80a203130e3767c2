"""What a table of strategies says: who is best, which differences are beyond chance, and a sentence.

Pure functions of per-user values.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from db.choices import STRATEGIES
from engine.evaluation.statistics import SURE, difference
from engine.studies.recicl_claim import in_words

NONE, RANDOM, BM25, TWO_STAGE = "none", "random", "bm25", "twostage"

MEASURES = {"ndcg10": "NDCG@10", "hr1": "HR@1"}
DECIDING = "ndcg10"  # the measure that says who is best, and whose p are in the table
AGAINST = {"p_zero_shot": NONE, "p_random": RANDOM, "p_bm25": BM25}

Values = Mapping[str, Mapping[str, NDArray[np.float64]]]
"""Per strategy and measure the values per user [users], users in the same order everywhere."""


def best_of(values: Values) -> str:
    """The strategy of the highest mean; of equal ones the first."""
    return max(values, key=lambda name: float(values[name][DECIDING].mean()))


def pairwise(values: Values, best: str, seed: int) -> list[dict[str, Any]]:
    """Every strategy against none, random, BM25 and the best, where they were measured; ready for JSON."""
    rivals = list(dict.fromkeys([*(name for name in AGAINST.values() if name in values), best]))
    return [
        {
            "better": name,
            "than": rival,
            **{m: difference(values[name][m], values[rival][m], seed) for m in MEASURES},
        }
        for name in values
        for rival in rivals
        if name != rival
    ]


def p_of(name: str, best: str, tested: Sequence[Mapping[str, Any]]) -> dict[str, float | None]:
    """`{p_zero_shot, p_random, p_bm25, p_best}` of a strategy; None where it is the other one itself, or the
    other one was not measured."""
    p = {test["than"]: test[DECIDING]["p"] for test in tested if test["better"] == name}
    return {field: p.get(rival) for field, rival in {**AGAINST, "p_best": best}.items()}


def claim(
    dataset: str, values: Values, best: str, tested: Sequence[Mapping[str, Any]]
) -> tuple[str, dict[str, bool] | None]:
    """Whether two-stage optimization is never worse than no demonstrations, and best or level with the best.

    A sentence, and the two verdicts; None where it was not measured beside no demonstrations.
    """
    by_pair = {(test["better"], test["than"]): test for test in tested}
    score = float(values[best][DECIDING].mean())
    if TWO_STAGE not in values or NONE not in values:
        sentence = f"Best on {dataset} is {STRATEGIES[best].label}, {MEASURES[DECIDING]} {score:.3f}"
        if (best, NONE) in by_pair:
            sentence += f", {in_words(by_pair[best, NONE][DECIDING])} against no demonstrations"
        return f"{sentence}.", None
    over = by_pair[TWO_STAGE, NONE]
    sunk = [shown for measure, shown in MEASURES.items() if worse(over[measure])]
    own = float(values[TWO_STAGE][DECIDING].mean())
    against = f"significantly worse (by {' and '.join(sunk)})" if sunk else "not significantly worse"
    sentence = (
        f"On {dataset} two-stage optimization reaches {MEASURES[DECIDING]} {own:.3f} and is {against} than "
        f"no demonstrations ({in_words(over[DECIDING])})"
    )
    if best == TWO_STAGE:
        sentence += f"; it is the best of {len(values)} strategies."
        return sentence, {"never_worse": not sunk, "best_or_tied": True}
    behind = by_pair[TWO_STAGE, best][DECIDING]
    verb = "is significantly behind" if worse(behind) else "is statistically level with"
    sentence += f"; it {verb} the best, {STRATEGIES[best].label} ({score:.3f}; {in_words(behind)})."
    return sentence, {"never_worse": not sunk, "best_or_tied": not worse(behind)}


def worse(test: Mapping[str, Any]) -> bool:
    """Whether a difference is below zero beyond chance."""
    return test["mean"] < 0 and test["p"] < SURE
