"""Sets as the store keeps them: saved under a name, found again by it or by a version's digest, deleted with
undo.
"""

import json
import math
import time
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from db import demonstrations
from db.canonical import canonical_json
from db.datasets import DatasetInfo, origin
from db.errors import BadInput, Conflict, NotFound
from db.names import check_name, clean_text, quoted, shortened
from db.requests.strategy_spec import MOST
from db.schema import demonstration_set_versions as version_table
from db.schema import demonstration_sets as table
from db.store import Store

_BESIDE = frozenset("_. -")
"""What a name may hold beside letters, their marks and digits."""
_LONGEST_NOTE = 10_000
_KEPT = table.c.deleted_at.is_(None)


@dataclass(frozen=True)
class Member:
    """A demonstration of a set. `weight`: 1 = plain; `locked`: strategies and the optimizer leave it where it
    is."""

    id: str
    weight: float = 1.0
    locked: bool = False


@dataclass(frozen=True)
class NamedSet:
    """A set as it was saved last, or one of its versions.

    `user_id`: the user it was made for, None where all users share it. `members` in prompt order. `digest`:
    16 digits over ids, order and weights; locks and note are not part of it. Times in unix seconds.
    """

    id: int
    dataset_id: int
    name: str
    user_id: str | None
    note: str
    digest: str
    members: tuple[Member, ...]
    created_at: float
    changed_at: float

    @property
    def shared(self) -> bool:
        """Whether it was made for all users of its data set."""
        return self.user_id is None

    @property
    def reference(self) -> str:
        """What runs call this version: it means the same demonstrations for ever."""
        return f"{self.name}@{self.digest}"


@dataclass(frozen=True)
class Version:
    """What was saved under a name at some time (unix seconds), and of how many demonstrations."""

    digest: str
    saved_at: float
    size: int


def check_free(name: str) -> str:
    """The name as it is kept, if a set can have it: strategies write it as `set:NAME`. Raises BadInput."""
    name = _composed(check_name("set", name))
    if not name[0].isalnum() or not all(map(_can_stand, name)):
        raise BadInput(
            f"The set name {quoted(name)} cannot be used: a name begins with a letter or digit and holds "
            "letters, digits, blanks, dots, dashes and underscores. Choose another."
        )
    return name


def _can_stand(letter: str) -> bool:
    return letter in _BESIDE or unicodedata.category(letter)[0] in "LMN"


def _composed(name: str) -> str:
    """The one spelling of an accented letter: file systems and keyboards write either."""
    return unicodedata.normalize("NFC", name)


def left_out(name: str, size: int, unknown: int, user: str, forgotten: int = 0) -> list[str]:
    """Why a user gets fewer demonstrations than a set of this size has: a sentence for each reason.

    unknown: how many are not known yet when the user's next purchase is predicted. forgotten: how many show
    something that is forgotten.
    """

    def said(count: int, one: str, many: str) -> str:
        were, why = ("was", one) if count == 1 else ("were", many)
        return f"{count} of the {size} demonstrations of the set {name!r} {were} left out: {why}."

    late = f"not known yet when the next purchase of {user!r} is predicted"
    gone = "something that is forgotten"
    return [
        *([said(unknown, f"it is {late}", f"they are {late}")] if unknown else []),
        *([said(forgotten, f"it shows {gone}", f"they show {gone}")] if forgotten else []),
    ]


def members(shown: Iterable[Any]) -> tuple[Member, ...]:
    """Members of dictionaries or objects with `id`, `weight` and perhaps `locked`."""

    def read(one: Any, name: str, default: Any) -> Any:
        return one.get(name, default) if isinstance(one, dict) else getattr(one, name, default)

    return tuple(
        Member(read(one, "id", ""), float(read(one, "weight", 1.0)), bool(read(one, "locked", False)))
        for one in shown
    )


def save(
    store: Store,
    dataset: DatasetInfo,
    name: str,
    shown: Iterable[Member],
    user: str | None = None,
    note: str = "",
) -> NamedSet:
    """Keep demonstrations under a name; the version that had the name before stays readable.

    user: whom it is for, None for all users. Raises BadInput for an unusable name and for demonstrations that
    cannot stand in one prompt, NotFound for one that the data set does not have.
    """
    kept = tuple(shown)
    check(name, kept, note)
    name = check_free(name)
    _check_known(store, dataset, [one.id for one in kept])
    digest = demonstrations.set_digest((one.id, one.weight) for one in kept)
    now = time.time()
    fresh = {"user_id": user, "note": _note(note), "digest": digest, "changed_at": now}
    with store.write() as connection:
        there = _named(connection, dataset.id, name)
        if there is None:
            head = {"dataset_id": dataset.origin_id, "name": name, "created_at": now, **fresh}
            number = connection.execute(sa.insert(table).values(**head).returning(table.c.id)).scalar_one()
        else:
            number = there.id
            connection.execute(sa.update(table).where(table.c.id == number).values(**fresh))
        _keep(store, connection, number, digest, kept, now)
    return get(store, dataset.id, name)


def get(store: Store, dataset_id: int, reference: str) -> NamedSet:
    """The set of a name, or the version of `NAME@DIGEST`, deleted and renamed ones too. Raises NotFound, with
    the names that there are."""
    reference = _composed(reference)
    name, at, digest = reference.rpartition("@")
    query = sa.select(table, version_table.c.demonstrations).join(version_table)
    query = query.where(table.c.dataset_id == origin(dataset_id))
    if at and digest:
        # By its digest: a set may have another name by now.
        query = query.add_columns(version_table.c.digest.label("of"))
        query = query.where(version_table.c.digest == digest)
        query = query.order_by((table.c.name == name).desc(), _KEPT.desc(), table.c.id)
    else:
        current = version_table.c.digest == table.c.digest
        query = query.add_columns(table.c.digest.label("of")).where(table.c.name == reference, _KEPT, current)
    with store.read() as connection:
        row = connection.execute(query.limit(1)).one_or_none()
    if row is None:
        raise _missing(store, dataset_id, reference)
    return _typed(row)


def listing(store: Store, dataset_id: int, user: str | None = None) -> list[NamedSet]:
    """The sets of a data set: those made for `user` first, then the shared ones, then others', each by
    name."""
    found = _listed(store, table.c.dataset_id == origin(dataset_id), _KEPT)
    return sorted(
        found, key=lambda one: (one.user_id != user if user else False, not one.shared, one.name.casefold())
    )


def deleted(store: Store, dataset_id: int) -> list[NamedSet]:
    """The deleted sets of a data set, the newest deletion first."""
    return _listed(store, table.c.dataset_id == origin(dataset_id), sa.not_(_KEPT))


def versions(store: Store, kept: NamedSet) -> list[Version]:
    """All that was saved under this set's name, the newest first."""
    query = sa.select(version_table).where(version_table.c.set_id == kept.id)
    with store.read() as connection:
        rows = connection.execute(query.order_by(version_table.c.saved_at.desc())).all()
    return [Version(row.digest, row.saved_at, len(json.loads(row.demonstrations))) for row in rows]


def rename(store: Store, kept: NamedSet, name: str) -> NamedSet:
    """Give a set another name; references to the old one still lead to it. Raises BadInput, or Conflict where
    the name is taken."""
    return _change(store, kept, name=check_free(name))


def share(store: Store, kept: NamedSet, user: str | None = None) -> NamedSet:
    """Make it a set for all users, or for one. Raises NotFound where it is gone."""
    return _change(store, kept, user_id=user)


def duplicate(store: Store, dataset: DatasetInfo, kept: NamedSet, name: str) -> NamedSet:
    """The same demonstrations under another name. Raises BadInput, or Conflict where the name is taken."""
    name = check_free(name)
    with store.read() as connection:
        if _named(connection, dataset.id, name) is not None:
            raise _taken(name)
    return save(store, dataset, name, kept.members, kept.user_id, kept.note)


def delete(store: Store, kept: NamedSet) -> None:
    """Take a set off the list; `restore` undoes it, and runs that name a version still read it."""
    with store.write() as connection:
        gone = sa.update(table).where(table.c.id == kept.id, _KEPT)
        connection.execute(gone.values(deleted_at=time.time()))


def restore(store: Store, kept: NamedSet) -> NamedSet:
    """Undo `delete`. Raises Conflict where the name was given away meanwhile."""
    return _change(store, kept, deleted_at=None)


def _change(store: Store, kept: NamedSet, **values: Any) -> NamedSet:
    """Write these columns of a set, whatever its name is by now; the set then. Raises Conflict where its name
    would be taken, NotFound where it is gone."""
    own = table.c.id == kept.id if "deleted_at" in values else sa.and_(table.c.id == kept.id, _KEPT)
    with store.write() as connection:
        present = connection.execute(sa.select(table.c.name).where(own)).scalar_one_or_none()
        if present is None:
            raise NotFound(f"The set {quoted(kept.name)} was deleted meanwhile. Nothing was changed.")
        name = values.get("name", present)
        other = _named(connection, kept.dataset_id, name)
        if other is not None and other.id != kept.id:
            raise _taken(name)
        connection.execute(sa.update(table).where(own).values(**values))
    return _listed(store, table.c.id == kept.id)[0]


def check(name: str, kept: Sequence[Member], note: str = "") -> None:
    """Raises BadInput for a name or a note that no set can have, and for demonstrations that cannot stand
    together."""
    check_free(name)
    _note(note)
    if not 1 <= len(kept) <= MOST:
        raise BadInput(f"A set holds 1 to {MOST} demonstrations, not {len(kept)}. Nothing was saved.")
    ids = [one.id for one in kept]
    for one in kept:
        if ids.count(one.id) > 1:
            raise BadInput(f"Demonstration {one.id!r} is in the set twice. Nothing was saved.")
        if not math.isfinite(one.weight) or one.weight < 0:
            raise BadInput(
                f"The weight of demonstration {one.id!r} is {one.weight}: a weight is a number from 0 up. "
                "Nothing was saved."
            )


def _check_known(store: Store, dataset: DatasetInfo, ids: Sequence[str]) -> None:
    known = demonstrations.get_many(store, ids, dataset.id)
    for name in ids:
        if name not in known:
            raise NotFound(
                f"{dataset.name!r} has no demonstration {quoted(name)}. Take one of a run or a user's pool. "
                "Nothing was saved."
            )


def _keep(
    store: Store, connection: Connection, number: int, digest: str, kept: tuple[Member, ...], now: float
) -> None:
    written = canonical_json(
        [{"id": one.id, "weight": float(one.weight), "locked": one.locked} for one in kept]
    )
    insert = store.insert(version_table).values(
        set_id=number, digest=digest, saved_at=now, demonstrations=written
    )
    fresh = {name: insert.excluded[name] for name in ("saved_at", "demonstrations")}  # the locks may differ
    connection.execute(insert.on_conflict_do_update(index_elements=["set_id", "digest"], set_=fresh))


def _named(connection: Connection, dataset_id: int, name: str) -> Row | None:
    query = sa.select(table).where(table.c.dataset_id == origin(dataset_id), table.c.name == name, _KEPT)
    return connection.execute(query).one_or_none()


def _listed(store: Store, *conditions: sa.ColumnElement[bool]) -> list[NamedSet]:
    current = version_table.c.digest == table.c.digest
    query = (
        sa.select(table, version_table.c.demonstrations, table.c.digest.label("of"))
        .join(version_table)
        .where(current, *conditions)
        .order_by(table.c.deleted_at.desc(), table.c.id)
    )
    with store.read() as connection:
        return [_typed(row) for row in connection.execute(query)]


def _note(text: str) -> str:
    if len(text) > _LONGEST_NOTE:
        raise BadInput(
            f"The note has {len(text):,} characters; at most {_LONGEST_NOTE:,}. Nothing was saved."
        )
    return clean_text(text).strip()


def _taken(name: str) -> Conflict:
    return Conflict(f"There is a set {quoted(name)} already. Choose another name; both stay as they are.")


def _missing(store: Store, dataset_id: int, reference: str) -> NotFound:
    names = [shortened(one.name) for one in listing(store, dataset_id)]
    there = f"There are: {', '.join(names[:10])}." if names else "There is none yet; save one from the desk."
    return NotFound(f"This data set has no set {quoted(reference)}. {there}")


def _typed(row: Row) -> NamedSet:
    return NamedSet(
        id=row.id,
        dataset_id=row.dataset_id,
        name=row.name,
        user_id=row.user_id,
        note=row.note,
        digest=row.of,
        members=members(json.loads(row.demonstrations)),
        created_at=row.created_at,
        changed_at=row.changed_at,
    )
