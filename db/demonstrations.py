"""Demonstrations: a history window and its answer, stored once under the digest of its content."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import sqlalchemy as sa

from db import datasets, texts
from db.canonical import canonical_json, digest
from db.datasets import DatasetInfo, origin
from db.errors import BadInput
from db.schema import demonstrations as table
from db.schema import texts as text_table
from db.store import Store

_PER_QUERY = 5_000


@dataclass(frozen=True)
class Demonstration:
    """A window of item ids and the item that followed.

    `source` says how it was found first (proximal, neighbours, ...) and is not part of its identity, nor is
    `timestamp` (unix seconds of the answer). `position` is the answer's place in the user's history, None for
    one written by hand. `text_override`: titles by a person instead of the catalogue's, one a line, the
    answer's last; an item's id is then empty where it is no item of the catalogue. `merged`: (user id,
    position of the answer) of the windows that were merged, empty for a plain window.
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
    merged: tuple[tuple[str, int], ...] = ()

    @property
    def places(self) -> tuple[tuple[str, int], ...]:
        """(user id, position of the answer) of the windows it was made of, in histories as imported; none for
        one written freely."""
        if self.merged:
            return self.merged
        return () if self.position is None else ((self.user_id, self.position),)


HAND_WRITTEN = "hand-written"
"""The source of demonstrations written or edited by hand."""

MOST_TITLES = 5
"""Maximum number of history titles in a demonstration."""


def hand_written(
    dataset: DatasetInfo, history: Sequence[str], answer: str, edited: Demonstration | None = None
) -> Demonstration:
    """A demonstration in a person's words: titles of a history, oldest first, and of what came next.

    `edited`: the one whose titles were changed; it stays that user's window, known when that one was. Without
    it nothing says when such a purchase was made, so nothing can keep it from giving a target away. Raises
    BadInput for an empty title and for no or too many titles.
    """
    titles = [" ".join(title.split()) for title in (*history, answer)]
    if not all(titles):
        raise BadInput("A demonstration's titles: one of them is empty. Write it, or leave its line out.")
    if not 2 <= len(titles) <= MOST_TITLES + 1:
        raise BadInput(
            f"A demonstration shows 1 to {MOST_TITLES} history items and an answer, not {len(history)}."
        )
    of = edited or Demonstration("", dataset.origin_id, HAND_WRITTEN, "", (), "", None, None)
    ids = of.history if len(of.history) == len(history) else ("",) * len(history)
    text = "\n".join(titles)
    return replace(
        of,
        id=demonstration_id(dataset.origin, of.user_id, ids, of.answer, of.position, text, merged=of.merged),
        source=HAND_WRITTEN,
        history=ids,
        text_override=text,
    )


ANSWER, HISTORY = "answer", "history"
"""Where a demonstration can show an item."""


def shows(history: Iterable[tuple[str, str]], answer: tuple[str, str], item: tuple[str, str]) -> str | None:
    """Where a demonstration shows an item: as its ANSWER, in its HISTORY, or nowhere (None).

    Each is (item id, title). An item of the same title is the same to a model, which reads titles.
    """

    def same(other: tuple[str, str]) -> bool:
        titles = [" ".join(title.split()).casefold() for _, title in (other, item)]
        return other[0] == item[0] or titles[0] == titles[1] != ""

    if same(answer):
        return ANSWER
    return HISTORY if any(map(same, history)) else None


def demonstration_id(
    fingerprint: str,
    user_id: str,
    history: Sequence[str],
    answer: str,
    position: int | None,
    text_override: str | None = None,
    merged: Sequence[tuple[str, int]] = (),
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
    if merged:
        content["merged"] = [list(place) for place in merged]
    return digest(content)[:16]


def set_digest(shown: Iterable[tuple[str, float]]) -> str:
    """16 hexadecimal digits over demonstrations in prompt order: (id, weight) of each."""
    return digest([[name, float(weight)] for name, weight in shown])[:16]


def titles(store: Store, stored: Iterable[Demonstration]) -> dict[str, list[tuple[str, str]]]:
    """(item id, title) of what each demonstration shows, by its id: the history, then the answer.

    A title that a person wrote has no item. The demonstrations are of one data set.
    """
    found = list(stored)
    wanted = sorted({item for one in found for item in (*one.history, one.answer) if item})
    names = datasets.item_by_ids(store, found[0].dataset_id, wanted) if found else {}

    def shown(one: Demonstration) -> list[tuple[str, str]]:
        if one.text_override:
            return [("", line) for line in one.text_override.splitlines()]
        return [(item, names[item].title if item in names else item) for item in (*one.history, one.answer)]

    return {one.id: shown(one) for one in found}


def save_many(store: Store, demonstrations: Iterable[Demonstration]) -> None:
    """Store these; an existing one stays unchanged."""
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
                "merged": canonical_json(one.merged) if one.merged else None,
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
        query = query.where(table.c.dataset_id == origin(dataset_id))
    with store.read() as connection:
        for start in range(0, len(wanted), _PER_QUERY):
            part = query.where(table.c.id.in_(wanted[start : start + _PER_QUERY]))
            for row in connection.execute(part):
                found[row.id] = _typed(row)
    return found


def written(store: Store, dataset_id: int, limit: int) -> list[Demonstration]:
    """Demonstrations of a data set that were written or edited by hand, by id."""
    query = (
        sa.select(table, text_table.c.text)
        .outerjoin(text_table)
        .where(table.c.dataset_id == origin(dataset_id), table.c.source == HAND_WRITTEN)
        .order_by(table.c.id)
        .limit(limit)
    )
    with store.read() as connection:
        return [_typed(row) for row in connection.execute(query)]


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
        merged=tuple((user, position) for user, position in json.loads(row.merged or "[]")),
    )
