"""Who gains most and who loses most between two rows, and whether the effect of demonstrations says so.

Boundary: cells in, JSON out.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.data.draws import generator
from engine.evaluation.power import LEAST
from engine.evaluation.statistics import AT_ONCE
from engine.studies.experiments.cells import Cell, Cells
from engine.studies.experiments.comparisons import quality
from engine.studies.pairwise_tests import DECIDING

RESAMPLES = 2_000  # of a correlation, which takes a sort each


def gains(cells: Cells, before: str, after: str, seed: int = 0) -> dict[str, Any]:
    """`{before, after, measure, users, effect}`, ready for JSON.

    users: `{user, gain, rank_before, rank_after, run_before, run_after}` of everybody, the largest gain in
    the deciding measure first, equal ones by how many ranks they rise and then in the order drawn. Ranks and
    gains are averaged over draws; a run is that of the draw whose rank is nearest to the average (None where
    none is stored). effect: how the second row's effect (nats of margin) goes with the gain
    (`rank_correlation`), None where it was not measured.
    """
    gained = quality(cells, after) - quality(cells, before)
    users = [
        {"user": user, "gain": float(gain), **_ranks("before", earlier), **_ranks("after", later)}
        for user, gain, earlier, later in zip(
            cells.users, gained, cells.at[before], cells.at[after], strict=True
        )
    ]
    users.sort(key=lambda row: (-round(row["gain"], 12), row["rank_after"] - row["rank_before"]))
    effect = cells.mean(after, "effect")
    correlation = None if effect is None else rank_correlation(effect, gained, seed)
    return {"before": before, "after": after, "measure": DECIDING, "users": users, "effect": correlation}


def rank_correlation(
    first: NDArray[np.float64], second: NDArray[np.float64], seed: int = 0
) -> dict[str, Any] | None:
    """`{spearman, low, high, n, p}` over users: two-sided permutation p, percentile bootstrap 95 % interval.

    None of fewer than six users, or where one of the two is constant.
    """
    from scipy.stats import PermutationMethod, bootstrap, pearsonr, rankdata

    if len(first) < LEAST or np.ptp(first) == 0 or np.ptp(second) == 0:
        return None
    shuffles = PermutationMethod(n_resamples=RESAMPLES, batch=AT_ONCE, rng=generator(seed))
    # Spearman's correlation is Pearson's of the ranks, for which SciPy permutes.
    found = pearsonr(rankdata(first), rankdata(second), method=shuffles)
    correlation, p = np.asarray(found, dtype=np.float64).tolist()
    ends = bootstrap(
        (first, second),
        _spearman,
        paired=True,
        method="percentile",
        n_resamples=RESAMPLES,
        batch=AT_ONCE,
        rng=generator(seed, 1),
    ).confidence_interval
    return {
        "spearman": correlation,
        "low": float(ends.low),
        "high": float(ends.high),
        "n": len(first),
        "p": p,
    }


def _spearman(first: NDArray[np.float64], second: NDArray[np.float64], axis: int = -1) -> NDArray[np.float64]:
    """Along an axis; 0 where one of the two is constant, which ranks nothing."""
    from scipy.stats import rankdata

    one, other = (rankdata(values, axis=axis) for values in (first, second))
    one, other = (ranks - ranks.mean(axis=axis, keepdims=True) for ranks in (one, other))
    size = np.sqrt((one**2).sum(axis=axis) * (other**2).sum(axis=axis))
    return np.where(size > 0, (one * other).sum(axis=axis) / np.where(size > 0, size, 1), 0.0)


def _ranks(name: str, draws: Any) -> dict[str, Any]:
    rank = float(np.mean([cell.standing.rank for cell in draws]))

    def apart(cell: Cell) -> float:
        return abs(cell.standing.rank - rank)

    return {f"rank_{name}": rank, f"run_{name}": min(draws, key=apart).run}
