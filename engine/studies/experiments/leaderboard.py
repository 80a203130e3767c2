"""The table of an experiment: every row with every measure, as a mean over users with its interval.

Boundary: cells and a catalogue in, JSON out. Which differences are beyond chance is the business of
`engine.studies.experiments.comparisons`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from db.experiments import MEASURES
from engine.evaluation.metrics import auc_parts
from engine.evaluation.statistics import estimate, estimates
from engine.studies.experiments.beyond_accuracy import Catalogue, coverage, diversity, popularity
from engine.studies.experiments.cells import PER_USER, Cells

SECONDS = "seconds"
AUC = "auc"

PerUser = NDArray[np.float64]
"""A value [draws, users]."""


def leaderboard(cells: Cells, known: Catalogue, seed: int = 0) -> dict[str, Any]:
    """`{rows, timings}`, ready for JSON.

    rows: of each row what it is (`key, label, kind, values, draws, copies`), `shown` (mean number of
    demonstrations), `coverage` (share of the catalogue, or None) and `measures`: of each of
    `db.experiments.MEASURES` `{mean, low, high, n, sd, sd_draws}`, None where the row has no such thing. The
    interval and sd are over users, of values averaged over draws; sd_draws is of the mean over users from
    draw to draw, None of a single draw. timings: `seconds` by row, which alone differ when the same
    experiment is repeated.
    """
    diverse = diversity(cells, known)
    values = {
        row.key: {name: _values(cells, row.key, name, known, diverse) for name in (*MEASURES, SECONDS)}
        for row in cells.rows
    }
    described = _described([table[name] for table in values.values() for name in table], seed)
    names = [(key, name) for key, table in values.items() for name in table]
    found = dict(zip(names, described, strict=True))
    rows = [
        {
            "key": row.key,
            "label": row.label,
            "kind": row.kind,
            "values": dict(row.values),
            "draws": row.draws,
            "copies": row.copies,
            "shown": float(np.mean([[cell.shown for cell in draws] for draws in cells.at[row.key]])),
            "coverage": coverage(cells, row.key, known),
            "measures": {name: found[row.key, name] for name in MEASURES},
        }
        for row in cells.rows
    ]
    return {"rows": rows, "timings": {SECONDS: {key: found[key, SECONDS] for key in values}}}


def area(cells: Cells, row: str) -> PerUser | None:
    """What each user adds to the AUC of all users' candidates pooled together [draws, users]
    (`engine.evaluation.metrics.auc_parts`): its mean is the AUC, and differences of it are tested.

    None where lists have different lengths or no other candidate than the target.
    """
    per_user = cells.at[row]
    sizes = {len(cell.scores) for draws in per_user for cell in draws}
    if len(sizes) != 1 or sizes <= {0, 1}:
        return None
    parts = [
        auc_parts([cell.scores[0] for cell in draw], [cell.scores[1:] for cell in draw])
        for draw in zip(*per_user, strict=True)
    ]
    return np.array(parts)


def _values(
    cells: Cells, row: str, name: str, known: Catalogue, diverse: Mapping[str, PerUser]
) -> PerUser | None:
    if name in PER_USER:
        return cells.values(row, name)
    if name == AUC:
        return area(cells, row)
    return popularity(cells, row, known) if name == "popularity" else diverse[row]


def _described(many: Sequence[PerUser | None], seed: int) -> list[dict[str, Any] | None]:
    """Of each measure its estimate with both spreads. What every user has is estimated together."""
    means = [None if values is None else values.mean(axis=0) for values in many]
    whole = [place for place, mean in enumerate(means) if mean is not None and not np.isnan(mean).any()]
    found: dict[int, dict[str, Any]] = {}
    if whole:
        found = dict(zip(whole, estimates(np.array([means[place] for place in whole]), seed), strict=True))
    for place, mean in enumerate(means):
        if mean is not None and place not in found and not np.isnan(mean).all():
            found[place] = estimate(mean[~np.isnan(mean)], seed)
    return [
        None if values is None or place not in found else found[place] | _spreads(values)
        for place, values in enumerate(many)
    ]


def _spreads(values: PerUser) -> dict[str, float | None]:
    """`{sd, sd_draws}` of values [draws, users]; None of a single one."""
    return {
        "sd": _spread(values.mean(axis=0)),
        "sd_draws": _spread(np.array([draw[~np.isnan(draw)].mean() for draw in values])),
    }


def _spread(values: NDArray[np.float64]) -> float | None:
    known = values[~np.isnan(values)]
    return float(known.std(ddof=1)) if len(known) > 1 else None
