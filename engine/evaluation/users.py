"""The users that are evaluated, drawn from a seed. No store, no model."""

import numpy as np

from db.datasets import DatasetColumns
from engine.data.draws import generator
from engine.data.splits import MIN_HISTORY, held_out


def drawn_users(columns: DatasetColumns, users: int, seed: int, target: str = "test") -> list[str]:
    """Ids of at most `users` users who have the target, drawn from the seed."""
    rng = generator(seed)
    order = np.argsort(rng.random(len(columns.user_ids)), kind="stable")
    lengths = np.bincount(columns.user, minlength=len(columns.user_ids))
    long_enough = order[lengths[order] >= held_out(target) + MIN_HISTORY]
    return [columns.user_ids[user] for user in long_enough[:users]]
