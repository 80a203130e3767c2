"""What a table of strategies says: which differences are beyond chance, which is best, and a sentence.

Pure functions of per-user values. Every pair of strategies is tested, so that Holm's correction also counts
the pairs among which the best was picked afterwards.
"""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from db.choices import STRATEGIES
from engine.evaluation.statistics import better, paired_tests, together
from engine.studies.recicl_claim import in_words

NONE, RANDOM, BM25, TWO_STAGE = "none", "random", "bm25", "twostage"

MEASURES = {"ndcg10": "NDCG@10", "hr1": "HR@1"}
DECIDING = "ndcg10"  # the measure that says who is best, and whose p are in the table
AGAINST = {"p_zero_shot": NONE, "p_random": RANDOM, "p_bm25": BM25}
MARGIN = 0.02
"""Of the deciding measure: a strategy whose mean is at most this much lower counts as not inferior."""
NAMED = 3  # strategies a sentence lists by name

Values = Mapping[str, Mapping[str, NDArray[np.float64]]]
"""Per strategy and measure the values per user [users], users in the same order everywhere."""


def best_of(values: Values) -> str:
    """The strategy of the highest mean; of equal ones the first."""
    return max(values, key=lambda name: float(values[name][DECIDING].mean()))


def pairwise(values: Values, best: str, seed: int) -> list[dict[str, Any]]:
    """Strategies against none, random, BM25 and the best, and two-stage against all; ready for JSON.

    `p_holm` is corrected for all pairs of strategies, by measure.
    """
    every = list(combinations(values, 2))
    found = {measure: _tested(values, every, measure, seed) for measure in MEASURES}
    rivals = list(dict.fromkeys([*(name for name in AGAINST.values() if name in values), best]))
    return [
        {"better": name, "than": rival, **{measure: found[measure][name, rival] for measure in MEASURES}}
        for name in values
        for rival in (values if name == TWO_STAGE else rivals)
        if name != rival
    ]


def _tested(
    values: Values, pairs: Sequence[tuple[str, str]], measure: str, seed: int
) -> dict[tuple[str, str], dict[str, Any]]:
    """The test of each pair, in both directions."""
    if not pairs:
        return {}
    rows = np.array([values[first][measure] - values[second][measure] for first, second in pairs])
    tests = dict(zip(pairs, together(paired_tests(rows, seed)), strict=True))
    return tests | {(second, first): _turned(test) for (first, second), test in tests.items()}


def _turned(test: Mapping[str, Any]) -> dict[str, Any]:
    """The difference in the other direction."""
    low, high = (None if end is None else -end for end in (test["high"], test["low"]))
    return {**test, "mean": -test["mean"], "low": low, "high": high}


def p_of(name: str, best: str, tested: Sequence[Mapping[str, Any]]) -> dict[str, float | None]:
    """`{p_zero_shot, p_random, p_bm25, p_best}` of a strategy, and each with `_holm`; None where it is the
    other one itself, or the other one was not measured."""
    against = {test["than"]: test[DECIDING] for test in tested if test["better"] == name}
    rows: dict[str, float | None] = {}
    for field, rival in {**AGAINST, "p_best": best}.items():
        test = against.get(rival, {"p": None, "p_holm": None})
        rows |= {field: test["p"], f"{field}_holm": test["p_holm"]}
    return rows


def claim(
    dataset: str, values: Values, best: str, tested: Sequence[Mapping[str, Any]]
) -> tuple[str, dict[str, bool]]:
    """Which strategy is best, and whether two-stage optimization is not inferior to the others, in sentences.

    Also as verdicts: `best_is_sure`; where two-stage was measured among others, `not_inferior_to_all`, and
    `not_inferior_to_none` where no demonstrations were.
    """
    by_pair = {(test["better"], test["than"]): test[DECIDING] for test in tested}
    near = [name for name in values if name != best and not better(_turned(by_pair[name, best]))]
    sentences = [_best(dataset, values, best, near)]
    if best != NONE and NONE in values:
        sentences[0] += f" Its difference from no demonstrations: {in_words(by_pair[best, NONE])}."
    holds = {"best_is_sure": not near}
    others = [name for name in values if name != TWO_STAGE]
    if TWO_STAGE in values and others:
        inferior = [name for name in others if not not_inferior(by_pair[TWO_STAGE, name])]
        sentences.append(_margin(values, inferior, len(others)))
        if NONE in values:
            sentences.append(f"Its difference from no demonstrations: {in_words(by_pair[TWO_STAGE, NONE])}.")
            holds["not_inferior_to_none"] = NONE not in inferior
        holds["not_inferior_to_all"] = not inferior
    return " ".join(sentences), holds


def not_inferior(test: Mapping[str, Any]) -> bool:
    """Whether the interval of a difference lies above `-MARGIN`."""
    return test["low"] is not None and test["low"] > -MARGIN


def _best(dataset: str, values: Values, best: str, near: Sequence[str]) -> str:
    label, score = STRATEGIES[best].label, float(values[best][DECIDING].mean())
    reached = f"{MEASURES[DECIDING]} {score:.3f}"
    if len(values) == 1:
        return f"On {dataset} {label} reaches {reached}; there is nothing to compare it with."
    if not near:
        return (
            f"Best on {dataset} is {label}, {reached}: significantly above the other {len(values) - 1} after "
            "Holm's correction over all pairs."
        )
    return (
        f"Highest on {dataset} is {label}, {reached}, but which strategy is best is not sure: "
        f"{len(near)} of the other {len(values) - 1} {'is' if len(near) == 1 else 'are'} not significantly "
        f"below it ({_named(near)})."
    )


def _margin(values: Values, inferior: Sequence[str], others: int) -> str:
    """What holds of two-stage within the margin. All of it must hold at once, so no interval is widened."""
    own = float(values[TWO_STAGE][DECIDING].mean())
    reached = f"Two-stage optimization reaches {own:.3f}"
    within = f"by a margin of {MARGIN:g} (lower end of each 95 % interval above {-MARGIN:g})"
    if not inferior:
        return f"{reached}: not inferior to any of the other {others} strategies {within}."
    if len(inferior) == others:
        return f"{reached}: not shown to be within {MARGIN:g} of any other strategy."
    return (
        f"{reached}: not inferior to {others - len(inferior)} of the other {others} strategies {within}; not "
        f"shown for {_named(inferior)}."
    )


def _named(names: Sequence[str]) -> str:
    labels = [STRATEGIES[name].label for name in names[:NAMED]]
    rest = len(names) - NAMED
    return ", ".join(labels) + (f" and {rest} more" if rest > 0 else "")
