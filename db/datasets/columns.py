"""What a data set is, as columns in memory, and the check that it holds together.

Boundary: numpy and lists only, no database. The tables do not check references row by row, so this does.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from db.canonical import canonical_json
from db.errors import DataError
from db.names import clean_text, storable


@dataclass(frozen=True, eq=False)
class DatasetColumns:
    """A whole data set. n = interactions, sorted by user, then by position in that user's history.

    `user` and `item` are row numbers into `user_ids` and `item_ids`; `timestamp` unix seconds; a NaN
    `rating` is a missing one; `tie[u]` says that the last interaction of user u shares its timestamp with
    the one before.
    """

    item_ids: list[str]
    titles: list[str]
    categories: list[str | None]
    brands: list[str | None]
    attributes: list[dict] | None
    user_ids: list[str]
    user: np.ndarray  # int32 [n]
    item: np.ndarray  # int32 [n]
    timestamp: np.ndarray | None  # int64 [n]
    rating: np.ndarray | None  # float32 [n]
    tie: np.ndarray  # bool [users]


def repaired(columns: DatasetColumns) -> tuple[DatasetColumns, int]:
    """The columns with unstorable characters in titles, categories, brands replaced; how many had any."""
    count = 0

    def clean(texts: Sequence[str | None]) -> list:
        nonlocal count
        texts = list(texts)
        for index, text in enumerate(texts):
            if text is not None and not storable(text):
                texts[index] = clean_text(text)
                count += 1
        return texts

    fields = {name: clean(getattr(columns, name)) for name in ("titles", "categories", "brands")}
    return (replace(columns, **fields), count) if count else (columns, 0)


def content(columns: DatasetColumns) -> str:
    """SHA-256 of everything in the columns, equal on every machine, before and after they are stored."""
    sha = hashlib.sha256()
    attributes = columns.attributes if columns.attributes and any(columns.attributes) else None
    texts = (columns.item_ids, columns.titles, columns.categories, columns.brands, attributes)
    for values in (*texts, columns.user_ids):
        sha.update(canonical_json(values).encode("ascii"))
    for array, kind in (
        (columns.user, "<i4"),
        (columns.item, "<i4"),
        (columns.timestamp, "<i8"),
        (columns.rating, "<f4"),
        (columns.tie, "?"),
    ):
        sha.update(b"" if array is None else np.ascontiguousarray(array, kind).tobytes())
    return sha.hexdigest()


def check(columns: DatasetColumns) -> None:
    """Raise DataError, naming the column, where the columns do not describe one consistent data set."""
    _check_shapes(columns)
    _check_ids("item_ids", columns.item_ids)
    _check_ids("user_ids", columns.user_ids)
    for name, count in (("user", len(columns.user_ids)), ("item", len(columns.item_ids))):
        numbers = getattr(columns, name)
        if len(numbers) and (numbers.min() < 0 or numbers.max() >= count):
            raise DataError(
                f"Column {name} points outside the {count} {name}s of the data set. Nothing was stored."
            )
    if np.any(columns.user[1:] < columns.user[:-1]):
        row = int(np.argmax(columns.user[1:] < columns.user[:-1])) + 1
        raise DataError(f"Interactions are not sorted by user: see row {row}. Nothing was stored.")


def _check_shapes(columns: DatasetColumns) -> None:
    interactions, items, users = len(columns.user), len(columns.item_ids), len(columns.user_ids)
    expected = {
        "item": interactions,
        "timestamp": interactions,
        "rating": interactions,
        "titles": items,
        "categories": items,
        "brands": items,
        "attributes": items,
        "tie": users,
    }
    for name, length in expected.items():
        column = getattr(columns, name)
        if column is not None and len(column) != length:
            raise DataError(f"Column {name} has {len(column)} entries, not {length}. Nothing was stored.")
    for name in ("user", "item", "timestamp"):
        column = getattr(columns, name)
        if column is not None and not np.issubdtype(column.dtype, np.integer):
            raise DataError(f"Column {name} holds {column.dtype}, not whole numbers. Nothing was stored.")


def _check_ids(name: str, ids: list[str]) -> None:
    if len(set(ids)) != len(ids):
        seen: set[str] = set()
        twin = next(entry for entry in ids if entry in seen or seen.add(entry))
        raise DataError(f"Column {name} holds {twin!r} twice; each must be there once. Nothing was stored.")
    for row, entry in enumerate(ids):
        if not entry or not storable(entry):
            raise DataError(
                f"Column {name}, row {row}: {entry!r} cannot be an identifier (empty, a NUL character or "
                "a lone surrogate). Nothing was stored."
            )
