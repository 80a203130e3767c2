"""Demonstrations: a history window and its answer, stored once under the digest of its content."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from db import texts
from db.canonical import canonical_json, digest
from db.schema import demonstrations as table
from db.schema import texts as text_table
from db.store import Store

_PER_QUERY = 5_000


@dataclass(frozen=True)
class Demonstration:
    """A window of item ids and the item that followed.

    `source` says how it was found first (proximal, neighbours, ...) and is not part of its identity, nor is
    `timestamp` (unix seconds of the answer). `position` is the answer's place in the user's history, None for
    one that a person wrote; `text_override` replaces the rendered text.
    """

    id: str
    dataset_id: int
    source: str
    user_id: str
    history: tuple[str, ...]
    answer: str
    position: int | None
    timestamp: int | None
    text_override: str | None = None


def demonstration_id(
    fingerprint: str,
    user_id: str,
    history: Sequence[str],
    answer: str,
    position: int | None,
    text_override: str | None = None,
) -> str:
    """16 hexadecimal digits over the content; `fingerprint` is the data set's, which gives ids a meaning."""
    content = {
        "fingerprint": fingerprint,
        "user": user_id,
        "history": list(history),
        "answer": answer,
        "position": position,
        "text": text_override,
    }
    return digest(content)[:16]


def save_many(store: Store, demonstrations: Iterable[Demonstration]) -> None:
    """Store these; one that is there already stays as it is."""
    rows = list(demonstrations)
    if not rows:
        return
    with store.write() as connection:
        values = [
            {
                "dataset_id": one.dataset_id,
                "id": one.id,
                "source": one.source,
                "user_id": one.user_id,
                "history": canonical_json(one.history),
                "answer": one.answer,
                "position": one.position,
                "timestamp": one.timestamp,
                "text_hash": None if one.text_override is None else texts.put(connection, one.text_override),
            }
            for one in rows
        ]
        connection.execute(store.insert(table).on_conflict_do_nothing(), values)


def get_many(store: Store, ids: Iterable[str], dataset_id: int | None = None) -> dict[str, Demonstration]:
    """Demonstrations by id; unknown ids are left out.

    `dataset_id` decides among data sets of equal content, whose demonstrations share their ids.
    """
    wanted, found = list(dict.fromkeys(ids)), {}
    query = sa.select(table, text_table.c.text).outerjoin(text_table).order_by(table.c.dataset_id)
    if dataset_id is not None:
        query = query.where(table.c.dataset_id == dataset_id)
    with store.read() as connection:
        for start in range(0, len(wanted), _PER_QUERY):
            part = query.where(table.c.id.in_(wanted[start : start + _PER_QUERY]))
            for row in connection.execute(part):
                found[row.id] = _typed(row)
    return found


def _typed(row: sa.Row) -> Demonstration:
    return Demonstration(
        id=row.id,
        dataset_id=row.dataset_id,
        source=row.source,
        user_id=row.user_id,
        history=tuple(json.loads(row.history)),
        answer=row.answer,
        position=row.position,
        timestamp=row.timestamp,
        text_override=row.text,
    )
