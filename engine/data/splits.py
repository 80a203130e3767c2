"""Splits: which interaction is predicted, and how a data set is cut along time. Pure functions, no store.

Leave-one-out by time: of every user the last interaction is the test target and the second last the probe
(the interaction used as target while demonstrations are chosen). The global time split cuts the whole data
set into periods at the same moments for everyone, so that nothing of a period was known in an earlier one.
"""

import numpy as np
from numpy.typing import NDArray

from db.errors import BadInput

HELD_OUT: dict[str, int] = {"test": 1, "probe": 2}
"""How many of a user's newest interactions are not known when this target is predicted."""

MIN_HISTORY = 1


def held_out(target: str) -> int:
    """Interactions at the end of a history that the target hides. BadInput for an unknown target."""
    if target not in HELD_OUT:
        raise BadInput(f"The target is {target!r}; it must be one of {', '.join(HELD_OUT)}.")
    return HELD_OUT[target]


def target_position(length: int, target: str) -> int:
    """Position (0 = oldest) of the target in a history of `length` interactions, at least one before it.

    BadInput where the history is too short.
    """
    position = length - held_out(target)
    if position < MIN_HISTORY:
        needed = held_out(target) + MIN_HISTORY
        raise BadInput(
            f"A history of {length} interactions has no {target} target: it needs at least {needed}."
        )
    return position


def positions(user: NDArray[np.integer]) -> NDArray[np.int64]:
    """Place of each interaction in its user's history (0 = oldest); `user` [n] sorted, oldest first."""
    starts = np.flatnonzero(np.diff(user, prepend=-1))
    return np.arange(len(user)) - np.repeat(starts, np.diff(starts, append=len(user)))


def known(user: NDArray[np.integer], target: str) -> NDArray[np.bool_]:
    """Mask [n] of the interactions that leave-one-out keeps visible for this target; `user` [n] sorted.

    Users too short to have the target keep what they would keep otherwise: nobody's held-out part is visible.
    """
    place = positions(user)
    lengths = np.bincount(user)[user] if len(user) else np.empty(0, dtype=np.int64)
    return place < lengths - held_out(target)


def target_rows(user: NDArray[np.integer], target: str) -> NDArray[np.int64]:
    """Row of the target of each user who has one [users with it]; `user` [n] sorted, oldest first."""
    lengths = np.bincount(user) if len(user) else np.empty(0, dtype=np.int64)
    rows = np.cumsum(lengths) - held_out(target)
    return rows[lengths >= held_out(target) + MIN_HISTORY]


def time_periods(timestamp: NDArray[np.integer], periods: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Cut time into `periods` with nearly equal numbers of interactions, oldest period 0.

    Returns the period of each interaction [n] and the first timestamp of every period after the first
    [periods - 1]. A cut lies between two moments, never inside one, so that equal timestamps share a
    period: the numbers are equal up to the largest group of equal timestamps. BadInput with fewer moments
    than periods.
    """
    moments, counts = np.unique(timestamp, return_counts=True)
    if periods < 1 or len(moments) < periods:
        raise BadInput(
            f"{periods} periods were asked, but the data set has {len(moments)} different timestamps."
        )
    before = np.concatenate([[0], np.cumsum(counts)])  # [moments + 1]: interactions before each moment
    cuts: list[int] = []
    for cut in range(1, periods):
        wanted = len(timestamp) * cut / periods
        nearest = int(np.abs(before - wanted).argmin())
        # Every period keeps at least one moment, also where one moment holds most of the data.
        lowest = cuts[-1] + 1 if cuts else 1
        cuts.append(min(max(nearest, lowest), len(moments) - (periods - cut)))
    edges = moments[np.array(cuts, dtype=np.int64)].astype(np.int64)
    return np.searchsorted(edges, timestamp, side="right").astype(np.int64), edges
