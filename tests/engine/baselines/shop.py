"""A small shop whose next purchase follows a rule, so that a model that learns anything ranks well."""

import numpy as np

from db import datasets
from db.datasets import DatasetColumns, DatasetInfo
from db.store import Store

ITEMS = 24
LENGTH = 9


def cycle_columns(users: int = 80, seed: int = 0, timestamps: bool = True) -> DatasetColumns:
    """After item i comes (5 i + 1) mod 24, three times of four; else any item. One purchase a day."""
    rng = np.random.Generator(np.random.PCG64(seed))
    bought = np.empty((users, LENGTH), dtype=np.int32)
    bought[:, 0] = rng.integers(0, ITEMS, users)
    for place in range(1, LENGTH):
        follows = rng.random(users) < 0.75
        bought[:, place] = np.where(
            follows, (5 * bought[:, place - 1] + 1) % ITEMS, rng.integers(0, ITEMS, users)
        )
    moments = np.tile(86_400 * np.arange(LENGTH, dtype=np.int64), users)
    return DatasetColumns(
        item_ids=[f"i{item}" for item in range(ITEMS)],
        titles=[f"Thing {item} of group {item % 4}" for item in range(ITEMS)],
        categories=[None] * ITEMS,
        brands=[None] * ITEMS,
        attributes=None,
        user_ids=[f"u{user}" for user in range(users)],
        user=np.repeat(np.arange(users, dtype=np.int32), LENGTH),
        item=bought.ravel(),
        timestamp=moments + np.repeat(np.arange(users), LENGTH) if timestamps else None,
        rating=None,
        tie=np.zeros(users, dtype=bool),
    )


def stored(store: Store, columns: DatasetColumns, name: str = "shop") -> DatasetInfo:
    """The shop in the store."""
    return datasets.insert(store, name, columns, kind="test", source="", fingerprint=name, report={})
