"""How certain a mean over users is, and whether two cells measured on the same users differ.

Pure functions of per-user values and a seed: no store, no model. Users are the resampling units; a user's
values under two conditions stay together.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.data.draws import generator

RESAMPLES = 10_000
AT_ONCE = 500  # resamples drawn together: bounds the memory; a divisor of RESAMPLES
SURE = 0.05


def interval(values: NDArray[np.floating], seed: int = 0) -> tuple[float, float]:
    """Percentile bootstrap 95 % interval of the mean of `values` [users]; of a single value that value."""
    if len(values) < 2:
        return float(values.mean()), float(values.mean())
    low, high = _bootstrap(values, np.mean, seed)
    return float(low), float(high)


def intervals(rows: NDArray[np.floating], seed: int = 0) -> list[tuple[float, float]]:
    """`interval` of each row [rows, users], quickly: all rows share the draws of users."""
    users = rows.shape[1]
    if users < 2:
        return [interval(row, seed) for row in rows]

    def means(drawn: NDArray[np.floating], axis: int = -1) -> NDArray[np.float64]:  # noqa: ARG001
        """Means [rows, resamples] of users by number [resamples, users]."""
        places = drawn.astype(np.int64) + users * np.arange(len(drawn))[:, None]
        times = np.bincount(places.ravel(), minlength=users * len(drawn)).reshape(len(drawn), users)
        return rows @ times.T / users

    low, high = _bootstrap(np.arange(users), means, seed)
    return list(zip(low.tolist(), high.tolist(), strict=True))


def _bootstrap(values: NDArray[Any], statistic: Callable[..., Any], seed: int) -> tuple[Any, Any]:
    """Ends of the percentile bootstrap 95 % interval of a statistic of `values` [users]."""
    from scipy.stats import bootstrap  # half a second, which commands without intervals should not pay

    result = bootstrap(
        (values,),
        statistic,
        n_resamples=RESAMPLES,
        batch=AT_ONCE,
        method="percentile",
        rng=generator(seed),
    )
    return result.confidence_interval.low, result.confidence_interval.high


def paired_tests(differences: NDArray[np.floating], seed: int = 0) -> list[dict[str, Any]]:
    """`{mean, low, high, n, p}` of each row of differences [tests, users], ready for JSON.

    The two-sided sign-flip permutation test of the mean, and the interval that inverts it: all shifts of a
    row that the same flips do not reject. So the interval excludes 0 exactly where p < `SURE`. All rows share
    the flips. Of fewer than six users no flips reject anything: `low` and `high` are None.

    Not `scipy.stats.permutation_test`: its two-sided p is twice the smaller one-sided one, and it inverts
    nothing.
    """
    rows = np.asarray(differences, dtype=np.float64)
    flipped, balance = _flips(rows, seed)  # means [resamples, tests], mean signs [resamples, 1]
    lows, highs = _not_rejected(rows.mean(axis=1), flipped, balance, np.abs(rows).max(axis=1))
    kept = int(SURE * (1 + RESAMPLES))  # of so many flips, those at the ends may reject
    low, high = np.sort(lows, axis=0)[kept - 1], np.sort(highs, axis=0)[-kept]
    p = (1 + ((lows <= 0) & (highs >= 0)).sum(axis=0)) / (1 + RESAMPLES)
    return [
        {
            "mean": float(row.mean()),
            "low": float(low[place]) if np.isfinite(low[place]) else None,
            "high": float(high[place]) if np.isfinite(high[place]) else None,
            "n": len(row),
            "p": float(p[place]),
        }
        for place, row in enumerate(rows)
    ]


def _flips(rows: NDArray[np.float64], seed: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Means of the rows [tests, users] under random signs, and the means of the signs."""
    rng = generator(seed)
    means, balance = [], []
    for _ in range(RESAMPLES // AT_ONCE):
        signs = np.where(rng.random((AT_ONCE, rows.shape[1])) < 0.5, -1.0, 1.0)
        means.append(signs @ rows.T / rows.shape[1])
        balance.append(signs.mean(axis=1, keepdims=True))
    return np.concatenate(means), np.concatenate(balance)


def _not_rejected(
    mean: NDArray[np.float64],
    flipped: NDArray[np.float64],
    balance: NDArray[np.float64],
    scale: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The shifts between which a flip is at least as extreme as what was observed, per flip and test.

    A shift s of a row with mean m turns a flip's mean a, with mean sign c, into a - c s; it is as extreme as
    m - s between s = (m - a) / (1 - c) and s = (m + a) / (1 + c). Where all signs are equal that is always.
    """
    # Rounding must not make a mean differ from itself.
    close = 1e-12 * (1 + scale)
    flipped = np.where(np.abs(flipped - mean) < close, mean, flipped)
    flipped = np.where(np.abs(flipped + mean) < close, -mean, flipped)
    with np.errstate(divide="ignore", invalid="ignore"):
        ends = (mean - flipped) / (1 - balance), (mean + flipped) / (1 + balance)
    same = np.abs(balance) == 1
    return (
        np.where(same, -np.inf, np.minimum(*ends)),
        np.where(same, np.inf, np.maximum(*ends)),
    )


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's correction: the p of each of several tests such that the chance of any false one stays bounded.

    The i-th smallest of m is multiplied by m - i + 1, and no smaller p may end up above a larger one.
    """
    order = np.argsort(p_values, kind="stable")
    factors = np.arange(len(p_values), 0, -1)
    stepped = np.maximum.accumulate(np.asarray(p_values, dtype=np.float64)[order] * factors)
    corrected = np.empty(len(p_values))
    corrected[order] = np.minimum(stepped, 1.0)
    return corrected.tolist()


def together(tests: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The tests with `p_holm`: p corrected for there being so many of them."""
    corrected = holm([test["p"] for test in tests])
    return [{**test, "p_holm": p} for test, p in zip(tests, corrected, strict=True)]


def estimate(values: Sequence[float] | NDArray[np.floating], seed: int = 0) -> dict[str, Any]:
    """`{mean, low, high, n}`: the mean over users (one at least) with its 95 % interval, ready for JSON."""
    array = np.asarray(values, dtype=np.float64)
    low, high = interval(array, seed)
    return {"mean": float(array.mean()), "low": low, "high": high, "n": len(array)}


def estimates(rows: NDArray[np.floating], seed: int = 0) -> list[dict[str, Any]]:
    """`estimate` of each row [rows, users], from the same draws of users."""
    array = np.asarray(rows, dtype=np.float64)
    ends = intervals(array, seed)
    return [
        {"mean": float(row.mean()), "low": low, "high": high, "n": len(row)}
        for row, (low, high) in zip(array, ends, strict=True)
    ]


def running(values: Sequence[float], least: float = 0.0, most: float = 1.0) -> dict[str, Any]:
    """`{mean, low, high, n}` like `estimate`, quickly: Student's t interval, for a study that still runs.

    `least`, `most`: what a value can be, and so a mean. Of a single value the interval is unknown: `low` and
    `high` are None.
    """
    from scipy.special import stdtrit

    array = np.asarray(values, dtype=np.float64)
    mean, n = float(array.mean()), len(array)
    if n < 2:
        return {"mean": mean, "low": None, "high": None, "n": n}
    half = float(stdtrit(n - 1, 1 - SURE / 2) * array.std(ddof=1) / np.sqrt(n))
    return {"mean": mean, "low": max(least, mean - half), "high": min(most, mean + half), "n": n}


def difference(first: NDArray[np.floating], second: NDArray[np.floating], seed: int = 0) -> dict[str, Any]:
    """`{mean, low, high, n, p}` of first - second, both [users] in the same order (`paired_tests`)."""
    return paired_tests((first - second)[None], seed)[0]


def better(tested: Mapping[str, Any]) -> bool:
    """Whether a difference is above zero beyond chance: p, corrected where it is one of several, is below
    `SURE`."""
    return tested["mean"] > 0 and tested.get("p_holm", tested["p"]) < SURE
