"""A data set small enough to check by hand."""

import numpy as np

from db.datasets import DatasetColumns

TITLES = ("Zelda: Wind Waker", "Mario Kart 8", "Halo 3", "Café International", "Tetris", "Portal 2")


def toy_columns(users: int = 5, items: int = 6, length: int = 5, timestamps: bool = True) -> DatasetColumns:
    """`users` shoppers with `length` purchases each; shopper u buys item (u + p) % items at position p.

    Purchases are one day apart and shopper u starts on day u, so that histories overlap in time; ratings run
    from 1 to 5. No timestamp ties.
    """
    user = np.repeat(np.arange(users, dtype=np.int32), length)
    position = np.tile(np.arange(length, dtype=np.int64), users)
    item = ((user + position) % items).astype(np.int32)
    return DatasetColumns(
        item_ids=[f"i{item}" for item in range(items)],
        titles=[TITLES[item] if item < len(TITLES) else f"Game number {item}" for item in range(items)],
        categories=["Games" if item % 2 else "Video Games" for item in range(items)],
        brands=[None if item % 3 else "Nintendo" for item in range(items)],
        attributes=None,
        user_ids=[f"u{user}" for user in range(users)],
        user=user,
        item=item,
        timestamp=(1_000_000_000 + 86_400 * (user + position)).astype(np.int64) if timestamps else None,
        rating=(1 + (user + position) % 5).astype(np.float32),
        tie=np.zeros(users, dtype=bool),
    )
