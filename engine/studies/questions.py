"""Whose purchases a study asks about: time cut into periods, and purchases drawn from a seed.

Boundary: columns in, (user, position) out. Draws are nested: the questions of fewer users are among those of
more. No store, no model.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from db.datasets import DatasetColumns
from engine.data.draws import Part, keys_of
from engine.data.splits import MIN_HISTORY, positions, time_periods


@dataclass(frozen=True)
class Question:
    """A purchase to predict: the one at `position` (0 = oldest) of a user's history. `period`: when it was
    made, None where there are no usable times and it is the user's last."""

    user_id: str
    position: int
    period: int | None


@dataclass(frozen=True)
class Timeline:
    """Time in periods: `period` of each interaction [n], `starts`: first moment (unix seconds) of each period
    but the first [periods - 1]."""

    period: NDArray[np.int64]
    starts: NDArray[np.int64]

    def start(self, period: int) -> int:
        """The first moment of a period from 1 on."""
        return int(self.starts[period - 1])


def timeline(columns: DatasetColumns, periods: int) -> Timeline | None:
    """The data set's periods; None without timestamps, and where they are too few to cut."""
    if columns.timestamp is None or len(np.unique(columns.timestamp)) < periods:
        return None
    return Timeline(*time_periods(columns.timestamp, periods))


def in_periods(columns: DatasetColumns, time: Timeline, first: int, last: int) -> NDArray[np.bool_]:
    """Mask [n] of the purchases in periods first <= p <= last that have a history before them."""
    return (time.period >= first) & (time.period <= last) & (positions(columns.user) >= MIN_HISTORY)


def last_ones(columns: DatasetColumns) -> NDArray[np.bool_]:
    """Mask [n] of everybody's last purchase that has a history before it: the targets of leave-one-out."""
    last = np.append(columns.user[1:] != columns.user[:-1], len(columns.user) > 0)[: len(columns.user)]
    return last & (positions(columns.user) >= MIN_HISTORY)


def drawn(
    columns: DatasetColumns, mask: NDArray[np.bool_], time: Timeline | None, users: int, *parts: Part
) -> list[Question]:
    """One purchase of the mask [n] of each of at most `users` users; both are a pure function of `parts`."""
    rows = np.flatnonzero(mask)
    owners = columns.user[rows]
    order = np.lexsort((keys_of(rows, "purchase", *parts), owners))
    first = np.diff(owners[order], prepend=-1) != 0
    rows = rows[order][first]  # one per user
    rows = rows[np.argsort(keys_of(columns.user[rows].astype(np.int64), "user", *parts), kind="stable")]
    place = positions(columns.user)
    return [
        Question(
            columns.user_ids[columns.user[row]],
            int(place[row]),
            None if time is None else int(time.period[row]),
        )
        for row in rows[:users].tolist()
    ]
