"""Candidate lists: drawn once from a seed, kept, so that runs compare on the same items."""

import json
from dataclasses import dataclass

import sqlalchemy as sa

from db.canonical import canonical_json
from db.schema import candidate_lists as table
from db.store import Store


@dataclass(frozen=True)
class CandidateList:
    """The items to rank, by row number, target among them, in the order in which they were drawn.

    `target_position` is the target's place in the user's history; `fingerprint` identifies the content.
    """

    fingerprint: str
    dataset_id: int
    user: int
    target_position: int
    kind: str
    size: int
    seed: int
    items: tuple[int, ...]


def find(
    store: Store, dataset_id: int, user: int, target_position: int, kind: str, size: int, seed: int
) -> CandidateList | None:
    """The stored list of these inputs, or None."""
    wanted = {
        table.c.dataset_id: dataset_id,
        table.c.user: int(user),
        table.c.target_position: int(target_position),
        table.c.kind: kind,
        table.c.size: size,
        table.c.seed: seed,
    }
    query = sa.select(table).where(*(column == value for column, value in wanted.items()))
    with store.read() as connection:
        row = connection.execute(query).one_or_none()
    return None if row is None else CandidateList(**{**row._asdict(), "items": tuple(json.loads(row.items))})


def save(store: Store, drawn: CandidateList) -> CandidateList:
    """Store the list and return the stored one: the first list saved for these inputs wins."""
    values = {**vars(drawn), "items": canonical_json(drawn.items)}
    with store.write() as connection:
        connection.execute(store.insert(table).values(**values).on_conflict_do_nothing())
    stored = find(
        store, drawn.dataset_id, drawn.user, drawn.target_position, drawn.kind, drawn.size, drawn.seed
    )
    return stored or drawn
