"""The users that are evaluated, drawn from a seed. No store, no model."""

import numpy as np
from numpy.typing import NDArray

from db.datasets import DatasetColumns
from engine.data.draws import generator, keys_of
from engine.data.splits import target_rows

ASKED = "experiment"
"""What the draws of `asked_users` are for: a study of this name draws the same users."""


def asked_users(
    columns: DatasetColumns,
    origin: str,
    users: int | None,
    seed: int,
    target: str = "test",
    since: int | None = None,
) -> list[str]:
    """Ids of at most `users` users (None: all) who have the target, a pure function of data set and seed.

    Nested: fewer users are the first of more. `origin`: the data set's fingerprint as imported. `since`: only
    those whose target is at or after this moment (unix seconds). The same draw as
    `engine.studies.questions.drawn` makes for a study named `ASKED`.
    """
    owners = columns.user[_since(columns, target_rows(columns.user, target), since)].astype(np.int64)
    order = np.argsort(keys_of(owners, "user", ASKED, origin, seed), kind="stable")
    return [columns.user_ids[user] for user in owners[order][:users]]


def drawn_users(
    columns: DatasetColumns, users: int, seed: int, target: str = "test", since: int | None = None
) -> list[str]:
    """Ids of at most `users` users who have the target, drawn from the seed; with `since`, only those whose
    target is at or after this moment (unix seconds)."""
    rng = generator(seed)
    order = np.argsort(rng.random(len(columns.user_ids)), kind="stable")
    rows = _since(columns, target_rows(columns.user, target), since)
    asked = np.zeros(len(columns.user_ids), dtype=bool)
    asked[columns.user[rows]] = True
    return [columns.user_ids[user] for user in order[asked[order]][:users]]


def _since(columns: DatasetColumns, rows: NDArray[np.integer], moment: int | None) -> NDArray[np.integer]:
    """The rows of the data set from a moment on; all of them without one, or without times."""
    if moment is None or columns.timestamp is None:
        return rows
    return rows[columns.timestamp[rows] >= moment]
