"""One data set into the store: written part by part as a draft, then published at once.

Boundary: checked columns in, rows out. 10 million interactions need about as much extra memory as one sorting
order of them (80 MB). Nothing is visible before the end. What a killed process leaves is removed by the next
`drafts.sweep`.
"""

import time
from collections.abc import Iterator

import numpy as np
import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from db import bulk
from db.canonical import canonical_json
from db.datasets import drafts
from db.datasets.catalogue import DatasetInfo, info_of, row_of
from db.datasets.columns import DatasetColumns, check, content, repaired
from db.errors import Conflict
from db.names import check_name, clean_text, fold
from db.schema import datasets, interactions, items, occurrences, users
from db.store import Store

CLEAN_UP_S = 5.0  # for what a stopped import has written; the next one removes the rest


def insert(
    store: Store,
    name: str,
    columns: DatasetColumns,
    *,
    kind: str,
    source: str,
    fingerprint: str,
    report: dict,
    simulated: bool = False,
    progress: drafts.Progress = drafts.silent,
) -> DatasetInfo:
    """Store a data set; the same name with the same fingerprint again returns what is there.

    A deleted data set of that name and fingerprint comes back. Texts with unstorable characters are repaired,
    counted in the report as `texts_repaired`. `progress` is called at least every second; if it raises,
    nothing is stored. Raises Conflict where the name is taken by other content, DataError for inconsistent
    columns, BadInput for an unusable name; the store is then as it was.
    """
    check_name("data set", name)
    with store.read() as connection:
        existing = _existing(connection, name, fingerprint)
    if existing is not None:
        return _publish(store, name, fingerprint, existing.id)
    drafts.sweep(
        store, lambda _, __: progress(None, "Removing an unfinished import"), twin=(name, fingerprint)
    )
    progress(0.0, "Checking")
    columns, count = repaired(columns)
    check(columns)
    head = {
        "name": name,
        "kind": kind,
        "source": clean_text(source),
        "fingerprint": fingerprint,
        "simulated": simulated,
        "report": canonical_json({**report, "texts_repaired": count} if count else report),
        "users": len(columns.user_ids),
        "items": len(columns.item_ids),
        "interactions": len(columns.user),
        "has_timestamps": columns.timestamp is not None,
        "has_ratings": columns.rating is not None,
        "content": content(columns),
    }
    draft = drafts.begin(store, head)
    try:
        fill(store, draft, columns, progress)
        return _publish(store, name, fingerprint, draft)
    finally:
        drafts.abandon(store, draft)  # none any more where it was published
        drafts.sweep(store, seconds=CLEAN_UP_S)


def _existing(connection: Connection, name: str, fingerprint: str) -> sa.Row | None:
    """The complete data set of this name and content, deleted or not. Raises Conflict for other content."""
    row = row_of(connection, name)
    if row is not None and row.fingerprint != fingerprint:
        raise _taken(row)
    if row is not None:
        return row
    same = sa.select(datasets).where(
        datasets.c.name == name, datasets.c.fingerprint == fingerprint, datasets.c.writing_until.is_(None)
    )
    return connection.execute(same.order_by(datasets.c.deleted_at.desc()).limit(1)).one_or_none()


def _taken(row: sa.Row) -> Conflict:
    return Conflict(
        f"The name {row.name!r} is taken by a data set with other content ({row.interactions:,} interactions "
        f"from {row.source}). That one is kept. Give another name, or delete it first."
    )


def _publish(store: Store, name: str, fingerprint: str, number: int) -> DatasetInfo:
    """Make this data set the visible one of its name, unless an equal one is; the visible one."""
    try:
        with store.write() as connection:
            row = _existing(connection, name, fingerprint)
            if row is None or row.deleted_at is not None:
                shown = sa.update(datasets).where(datasets.c.id == (number if row is None else row.id))
                shown = shown.values(deleted_at=None, writing_until=None).returning(datasets)
                row = connection.execute(shown).one()
            return info_of(row)
    except IntegrityError:  # PostgreSQL alone: another process took the name in between
        with store.read() as connection:
            row = _existing(connection, name, fingerprint)
        if row is None:
            raise
        return info_of(row)


def fill(store: Store, draft: int, columns: DatasetColumns, progress: drafts.Progress) -> None:
    """Write all rows of the draft, a chunk per transaction."""
    lengths = np.bincount(columns.user, minlength=len(columns.user_ids))
    starts = _starts(lengths)  # [users] row of each user's first interaction
    counts = np.bincount(columns.item, minlength=len(columns.item_ids))
    total = max(1, len(columns.item_ids) + len(columns.user_ids) + 2 * len(columns.user))
    done, began = 0, time.perf_counter()
    for table, names, chunks in (
        (items, _ITEM, _items(columns, counts)),
        (users, _USER, _users(columns, starts, lengths)),
        (interactions, _INTERACTION, _interactions(columns, starts)),
        (occurrences, _OCCURRENCE, _occurrences(columns, starts, lengths, counts)),
    ):
        for chunk in chunks:
            rate = f", {done / (time.perf_counter() - began):,.0f} rows/s" if done else ""
            progress(done / total, f"Writing {len(columns.user):,} interactions{rate}")
            with drafts.writing(store, draft) as connection:
                bulk.insert_rows(connection, table, draft, names, chunk)
            done += len(chunk[0])
    with store.write() as connection:
        bulk.analyze(connection, (items, users, interactions, occurrences))


_ITEM = ("item", "item_id", "count", "title", "category", "brand", "folded", "attributes")
_USER = ("user", "user_id", "length", "last_timestamp", "tie")
_INTERACTION = ("user", "position", "item", "timestamp", "rating")
_OCCURRENCE = ("item", "ordinal", "user", "position")


def _items(columns: DatasetColumns, counts: np.ndarray) -> Iterator[bulk.Chunk]:
    for start, stop in bulk.spans(len(columns.item_ids)):
        part = slice(start, stop)
        attributes = columns.attributes[part] if columns.attributes is not None else [None] * (stop - start)
        yield (
            list(range(start, stop)),
            columns.item_ids[part],
            counts[part].tolist(),
            columns.titles[part],
            columns.categories[part],
            columns.brands[part],
            [fold(title) for title in columns.titles[part]],
            [canonical_json(entry) if entry else None for entry in attributes],
        )


def _users(columns: DatasetColumns, starts: np.ndarray, lengths: np.ndarray) -> Iterator[bulk.Chunk]:
    for start, stop in bulk.spans(len(columns.user_ids)):
        part = slice(start, stop)
        last: list[int | None] = [None] * (stop - start)
        if columns.timestamp is not None:
            bought = np.flatnonzero(lengths[part])
            ends = (starts[part] + lengths[part] - 1)[bought]
            for index, timestamp in zip(bought.tolist(), columns.timestamp[ends].tolist(), strict=True):
                last[index] = timestamp
        ties = columns.tie[part].astype(bool).tolist()
        yield list(range(start, stop)), columns.user_ids[part], lengths[part].tolist(), last, ties


def _interactions(columns: DatasetColumns, starts: np.ndarray) -> Iterator[bulk.Chunk]:
    for start, stop in bulk.spans(len(columns.user)):
        part = slice(start, stop)
        positions = np.arange(start, stop) - starts[columns.user[part]]
        nothing = [None] * (stop - start)
        yield (
            columns.user[part].tolist(),
            positions.tolist(),
            columns.item[part].tolist(),
            nothing if columns.timestamp is None else columns.timestamp[part].tolist(),
            nothing if columns.rating is None else _without_nan(columns.rating[part]),
        )


def _without_nan(ratings: np.ndarray) -> list[float | None]:
    values: list[float | None] = ratings.tolist()
    for row in np.flatnonzero(np.isnan(ratings)).tolist():
        values[row] = None
    return values


def _occurrences(
    columns: DatasetColumns, starts: np.ndarray, lengths: np.ndarray, counts: np.ndarray
) -> Iterator[bulk.Chunk]:
    order = _order_known(columns, starts, lengths)  # [n] rows by item, then by the order they became known
    firsts = _starts(counts)  # [items] place of each item's first row in `order`
    for start, stop in bulk.spans(len(order)):
        rows = order[start:stop]
        item, user = columns.item[rows], columns.user[rows]
        ordinals = np.arange(start, stop) - firsts[item]
        yield item.tolist(), ordinals.tolist(), user.tolist(), (rows - starts[user]).tolist()


def _order_known(columns: DatasetColumns, starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Rows by item, and within it so that what is known at any moment comes before what is not.

    That is by time; without timestamps by the number of interactions its user made after it, most first.
    """
    if columns.timestamp is not None:
        return np.lexsort((columns.timestamp, columns.item))
    after = np.arange(len(columns.user)) - (starts + lengths)[columns.user]  # [n] -1 for a user's last
    return np.lexsort((after, columns.item))


def _starts(counts: np.ndarray) -> np.ndarray:
    """Where each group begins when groups of these sizes follow one another."""
    return np.cumsum(counts) - counts
