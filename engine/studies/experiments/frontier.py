"""The cheapest prompt that keeps quality: NDCG@10 against tokens, or against time.

Boundary: cells in, JSON out.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from engine.evaluation.statistics import paired_tests
from engine.studies.experiments.cells import Cells
from engine.studies.experiments.comparisons import quality
from engine.studies.pairwise_tests import MARGIN, not_inferior
from engine.studies.table_cells import Table, between

TOKENS, SECONDS = "tokens", "seconds"
UNITS: Mapping[str, tuple[str, float]] = {TOKENS: ("tokens", 1.0), SECONDS: ("ms", 1000.0)}
"""Measure of the cost -> its unit, and how many of these make one of the measure's."""

PICKED = (
    "The best row was picked on the same users, and so was the cheapest of those that keep its quality: "
    "repeat the two on other users before you rely on it."
)


def frontier(cells: Cells, cost: str = TOKENS, seed: int = 0) -> dict[str, Any] | None:
    """`{cost, unit, margin, rows, best, cheapest, test, said}`, ready for JSON; None where no row has costs.

    cost: `tokens` or `seconds`. rows: `{key, label, cost, ndcg10, on}` by rising cost; `on` the Pareto
    frontier is what no other row beats in cost or quality without losing in the other. best: the highest
    NDCG@10; cheapest: of the rows whose NDCG@10 is not inferior to it. Not inferior: the lower end of the
    95 % interval of the paired difference from the best, which inverts the sign-flip test, lies above
    -0.02 (one-sided 97.5 %). test: of the cheapest, None where it is the best itself.
    """
    unit, factor = UNITS[cost]
    costs = {row.key: values for row in cells.rows if (values := cells.mean(row.key, cost)) is not None}
    if not costs:
        return None
    qualities = {key: quality(cells, key) for key in costs}
    points: list[dict[str, Any]] = [
        {
            "key": row.key,
            "label": row.label,
            "cost": factor * float(costs[row.key].mean()),
            "ndcg10": float(qualities[row.key].mean()),
        }
        for row in cells.rows
        if row.key in costs
    ]
    rows = [{**point, "on": not any(_beats(other, point) for other in points)} for point in points]
    rows.sort(key=lambda row: (row["cost"], -row["ndcg10"]))
    best = max(points, key=lambda point: point["ndcg10"])
    tests = paired_tests(np.array([q - qualities[best["key"]] for q in qualities.values()]), seed)
    found = dict(zip(qualities, tests, strict=True))
    cheapest = next(row for row in rows if row["key"] == best["key"] or not_inferior(found[row["key"]]))
    test = None if cheapest["key"] == best["key"] else found[cheapest["key"]]
    return {
        "cost": cost,
        "unit": unit,
        "margin": MARGIN,
        "rows": rows,
        "best": best["key"],
        "cheapest": cheapest["key"],
        "test": test,
        "said": _said(best, cheapest, test, unit, len(rows)),
    }


def _beats(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    as_good = one["cost"] <= other["cost"] and one["ndcg10"] >= other["ndcg10"]
    return as_good and (one["cost"] < other["cost"] or one["ndcg10"] > other["ndcg10"])


def _said(
    best: Mapping[str, Any],
    cheapest: Mapping[str, Any],
    test: Mapping[str, Any] | None,
    unit: str,
    rows: int,
) -> str:
    reached = f"{best['label']} has the highest NDCG@10, {best['ndcg10']:.3f} at {_amount(best, unit)}"
    if rows == 1:
        return f"{reached}; there is no other row to compare it with."
    if test is None:
        return f"{reached}; no cheaper row is shown to stay within {MARGIN:g} of it."
    return (
        f"{reached}; the cheapest row that keeps it is {cheapest['label']}, {cheapest['ndcg10']:.3f} at "
        f"{_amount(cheapest, unit)}: not inferior by a margin of {MARGIN:g}, with a difference of "
        f"{test['mean']:+.3f} ({between(test, '+.3f')}). {PICKED}"
    )


def _amount(point: Mapping[str, Any], unit: str) -> str:
    return f"{point['cost']:,.0f} {unit}" if point["cost"] >= 10 else f"{point['cost']:.2g} {unit}"


def table(found: Mapping[str, Any]) -> Table:
    """For the command line, by rising cost."""
    marks: Sequence[tuple[str, str]] = (("best", "highest"), ("cheapest", "cheapest that keeps quality"))
    rows = [
        [
            row["label"],
            _amount(row, found["unit"]),
            f"{row['ndcg10']:.3f}",
            "yes" if row["on"] else "",
            ", ".join(words for name, words in marks if found[name] == row["key"]),
        ]
        for row in found["rows"]
    ]
    return ["row", found["unit"], "NDCG@10", "on the frontier", ""], rows
