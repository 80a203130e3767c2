"""What a table of cells says of RecICL's claim (arXiv 2410.23136): which cells are compared, and a sentence.

The claim is of the paper's own study; a sentence says in what this one differs. Pure functions of per-user
values.
"""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.evaluation.power import detectable
from engine.evaluation.statistics import better, paired_tests, together
from engine.studies.answers import FRESH, STALE, ZERO_SHOT
from engine.studies.table_cells import between

BASE, SINGLE, RECICL = "base", "single", "recicl"
MEASURES = {"rated": "AUC by rating", "auc": "AUC", "uauc": "uAUC", "ndcg10": "NDCG@10"}
"""`rated`, of the targets alone: the chance that one its user liked is scored above one that another user did
not. It is there where enough targets are of either kind."""

GAIN = "fresh less zero_shot"
"""A column of the tests alone: what fresh demonstrations add, per user."""

ENOUGH = 5  # targets of either kind

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

PREMISE: tuple[Cell, Cell] = ((SINGLE, GAIN), (BASE, GAIN))
"""Why the paper tunes with demonstrations: after tuning without, the first would be less than the second."""

AS_IN_THE_PAPER: dict[str, tuple[Any, str]] = {
    "sources": (["proximal"], "the user's own windows as demonstrations in tuning"),
    "answers": ("rated", "answers Yes or No by the user's rating"),
    "template": ("recicl", "histories of what was liked alone"),
    "loss_on": ("last", "the loss on the last answer alone"),
}
"""How the paper tunes, by field of a tuning's request."""


def departures(demos: str, recipe: Mapping[str, Any]) -> str:
    """In which ways a study differs from the paper's, in words.

    demos: what the study shows, as STRATEGY:K. recipe: the request of the tuning in the recicl layout; empty
    where it is not known.
    """
    wanted = [] if demos.startswith("proximal") else ["the user's own windows as demonstrations"]
    known = recipe or dict.fromkeys(AS_IN_THE_PAPER)
    wanted += [words for field, (value, words) in AS_IN_THE_PAPER.items() if known.get(field) != value]
    return ", ".join([*wanted, "Amazon reviews of 2018 and a model of 0.5 billion parameters"])


def deciding(values: Values, recipe: Mapping[str, Any]) -> str:
    """The measure the sentence speaks of: of a tuning on ratings the paper's own."""
    return "rated" if recipe.get("answers") == "rated" and "rated" in measured(values) else "ndcg10"


def comparisons(rows: list[str], columns: tuple[str, ...]) -> list[tuple[Cell, Cell]]:
    """The pairs tested: the claim's, fresh against the row's other columns, fresh rows against each other."""
    pairs = [pair for pair in CLAIM if all(row in rows for row, _ in pair)]
    pairs += [((row, FRESH), (row, column)) for row in rows for column in columns if column != FRESH]
    pairs += [((later, FRESH), (earlier, FRESH)) for earlier, later in pairwise(rows)]
    pairs += [PREMISE] if {BASE, SINGLE} <= {*rows} else []
    if len(rows) > 2:
        pairs.append(((rows[-1], FRESH), (rows[0], FRESH)))
    return list(dict.fromkeys(pairs))


def differences(values: Values, pairs: list[tuple[Cell, Cell]], seed: int) -> list[dict[str, Any]]:
    """Each pair with the paired difference of every measure, ready for JSON; `p_holm` counts all pairs."""

    def of(cell: Cell, measure: str) -> NDArray[np.float64]:
        row, column = cell
        if column == GAIN:
            return values[row, FRESH][measure] - values[row, ZERO_SHOT][measure]
        return values[cell][measure]

    found = {}
    measures = measured(values)
    for name in measures:
        rows = np.array([of(first, name) - of(second, name) for first, second in pairs])
        found[name] = together(paired_tests(rows, seed))
    return [
        {
            "better": list(first),
            "than": list(second),
            **{name: found[name][place] for name in measures},
        }
        for place, (first, second) in enumerate(pairs)
    ]


def claim(
    dataset: str, values: Values, tested: list[dict[str, Any]], departs: str, by: str = "ndcg10"
) -> tuple[str, dict[str, bool] | None]:
    """What the tests say of RecICL's claim in this study: sentences, and whether it is shown, per measure.

    departs: what the paper's study has and this one has not (`departures`). by: the measure that decides
    (`deciding`).
    """
    by_pair = {(tuple(test["better"]), tuple(test["than"])): test for test in tested}
    if any(pair not in by_pair for pair in CLAIM):
        return (
            f"RecICL's claim was not tested on {dataset}: that takes a model tuned in the recicl layout and "
            "one tuned in the single layout.",
            None,
        )
    over_single, over_own = (by_pair[pair] for pair in CLAIM)
    holds = {name: _sure(over_single[name]) and _sure(over_own[name]) for name in measured(values)}
    fresh = float(values[RECICL, FRESH][by].mean())
    verdict = "is better than both" if holds[by] else "is not shown to be better than both"
    sentence = (
        f"On {dataset}, tuned in the recicl layout and shown fresh demonstrations, {MEASURES[by]} is "
        f"{fresh:.3f}, {in_words(over_single[by])} against the single layout with the same "
        f"demonstrations and {in_words(over_own[by])} against its own zero-shot: it {verdict}."
    )
    if not holds[by]:
        sentence += f" {_power(values, by)}"
    if (RECICL, STALE) in values:
        since = by_pair[(RECICL, FRESH), (RECICL, STALE)][by]
        sentence += f" Against stale demonstrations, fresh ones make {in_words(since)}."
    others = [MEASURES[name] for name in holds if holds[name] != holds[by]]
    if others:
        verb = "is not shown" if holds[by] else "is better than both"
        sentence += f" By {' and '.join(others)} it {verb}."
    if PREMISE in by_pair:
        sentence += f" {premise(by_pair[PREMISE][by])}"
    sentence += f" This is not the paper's study, which has {departs}: its claim stays untested here."
    return sentence, holds


def _power(values: Values, by: str) -> str:
    """What so many users find of the claim's two differences."""
    seen = [values[first][by] - values[second][by] for first, second in CLAIM]
    single, own = (detectable(float(each.std(ddof=1)), len(each)) for each in seen)
    return (
        f"With {len(seen[0])} users, true differences of {single:.3f} and {own:.3f} are found with 80% power."
    )


def premise(test: Mapping[str, Any]) -> str:
    """What is said of `PREMISE`: test is the gain after tuning without demonstrations less the one before."""
    changed = "What fresh demonstrations add after tuning without them, less what they add before tuning, is "
    turned = {**test, "mean": -test["mean"]}
    if better(turned):  # one of many tests, so it goes by the corrected p
        return f"{changed}{in_words(test)}: tuning without demonstrations cost what the model took from them."
    if better(test):
        return f"{changed}{in_words(test)}: tuning without demonstrations made the model take more from them."
    return f"{changed}{in_words(test)}: that such tuning costs it is not shown."


def measured(values: Values) -> list[str]:
    """The measures that every cell has, in the order of `MEASURES`."""
    return [name for name in MEASURES if all(name in cell for cell in values.values())]


def _sure(test: Mapping[str, Any]) -> bool:
    """Whether one of the claim's two differences is there, by its own p (see `CLAIM`)."""
    return better({"mean": test["mean"], "p": test["p"]})


def in_words(test: Mapping[str, Any]) -> str:
    """A difference in words."""
    p = "p < 0.001" if test["p"] < 0.001 else f"p = {test['p']:.3f}"
    if test.get("p_holm") is not None:
        p += f", Holm {'< 0.001' if test['p_holm'] < 0.001 else format(test['p_holm'], '.3f')}"
    return f"{test['mean']:+.3f} ({between(test, '+.3f')}, {p})"
