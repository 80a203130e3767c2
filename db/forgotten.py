"""What is forgotten of a data set (arXiv 2403.03536): purchases, items and users that nothing reads any more.

A layer, not a deletion: the rows as imported stay, and while something is forgotten the data set of that name
is another one, made of the remaining rows (`db.datasets.get` gives it). So everything that reads a data set
reads without what is forgotten, and its fingerprint is another, so that nothing computed before is served.
Demonstrations are named by positions in the history as imported (`to_base`), so that they keep their names.
"""

import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import sqlalchemy as sa

from db.canonical import canonical_json, digest
from db.datasets import drafts, people, reading
from db.datasets.catalogue import DatasetInfo, get, info_of
from db.datasets.columns import DatasetColumns, content
from db.datasets.insertion import fill
from db.demonstrations import MOST_TITLES, Demonstration
from db.errors import BadInput, Conflict, NotFound
from db.names import quoted
from db.schema import datasets, interactions, users
from db.store import Store

PURCHASE, ITEM, USER = "purchase", "item", "user"
Kind = Literal["purchase", "item", "user"]
KEPT_S = 86_400.0  # how long the rows of an earlier layer stay: work on it ends, and undoing finds them
MOST = 10_000


@dataclass(frozen=True)
class Entry:
    """One thing forgotten. `position`: of a purchase, in the history as imported, 0 = oldest. `title`: of the
    item. `at`: when it was forgotten (unix seconds)."""

    kind: Kind
    user: str | None = None
    item: str | None = None
    position: int | None = None
    title: str | None = None
    timestamp: int | None = None
    at: float = 0.0

    @property
    def key(self) -> tuple[str, str, str, int]:
        """What tells it from another."""
        return self.kind, self.user or "", self.item or "", -1 if self.position is None else self.position

    @property
    def words(self) -> str:
        """The same for people."""
        if self.kind == USER:
            return f"user {self.user}"
        if self.kind == ITEM:
            return f"item {self.title} ({self.item})"
        return f"purchase {(self.position or 0) + 1} of user {self.user}: {self.title} ({self.item})"

    def to_json(self) -> dict[str, Any]:
        """Ready for JSON."""
        return asdict(self)


def entries(info: DatasetInfo) -> list[Entry]:
    """What is forgotten of a data set, in the order in which it was."""
    return [Entry(**entry) for entry in info.forgotten]


def purchase(store: Store, name: str, user: str, item: str, position: int | None = None) -> Entry:
    """A purchase that can be forgotten; position: in the history as it is read now, 0 = oldest. Raises
    NotFound, and BadInput where the user bought the item more than once and no position says which."""
    info = get(store, name)
    found = people.user(store, info.id, user)
    rows = [row for row in reading.history(store, info.id, found.user) if row.item_id == item]
    if not rows:
        raise NotFound(f"User {quoted(user)} of {name!r} has no purchase of the item {quoted(item)}.")
    if position is None and len(rows) > 1:
        places = ", ".join(str(row.position + 1) for row in rows)
        raise BadInput(f"User {quoted(user)} bought {quoted(item)} at positions {places}: say which one.")
    row = next((row for row in rows if position in (None, row.position)), None)
    if row is None:
        raise NotFound(
            f"Position {(position or 0) + 1} of user {quoted(user)} is not the item {quoted(item)}."
        )
    base = to_base(row.position, removed(store, info, [user]).get(user, []))
    return Entry(PURCHASE, user, item, base, row.title, row.timestamp, time.time())


def item(store: Store, name: str, item_id: str) -> Entry:
    """An item that can be forgotten, with all its purchases. Raises NotFound."""
    info = get(store, name)
    found = reading.item_by_ids(store, info.id, [item_id]).get(item_id)
    if found is None:
        raise NotFound(f"{name!r} has no item {quoted(item_id)}.")
    return Entry(ITEM, item=item_id, title=found.title, at=time.time())


def user(store: Store, name: str, user_id: str) -> Entry:
    """A user who can be forgotten, with all purchases. Raises NotFound."""
    people.user(store, get(store, name).id, user_id)
    return Entry(USER, user_id, at=time.time())


def forget(store: Store, name: str, entry: Entry, progress: drafts.Progress = drafts.silent) -> DatasetInfo:
    """Forget one thing more; the data set as it is read from now on. Raises NotFound and Conflict."""
    info = get(store, name)
    known = entries(info)
    if entry.key in {each.key for each in known}:
        return info
    if len(known) >= MOST:
        raise BadInput(f"{name!r} has {MOST:,} things forgotten, the most there can be. Import less instead.")
    return _read_as(store, info, [*known, entry], progress)


def remember(
    store: Store,
    name: str,
    keys: Iterable[tuple[str, str, str, int]] | None = None,
    progress: drafts.Progress = drafts.silent,
) -> DatasetInfo:
    """Undo: what has one of these keys, or everything, is read again. Raises NotFound and Conflict."""
    info = get(store, name)
    wanted = None if keys is None else set(keys)
    rest = [entry for entry in entries(info) if wanted is not None and entry.key not in wanted]
    return _read_as(store, info, rest, progress)


def without(
    columns: DatasetColumns, forgotten: Sequence[Entry]
) -> tuple[DatasetColumns, list[int], list[int]]:
    """The rows that remain, and the numbers of the items and users that are gone. Raises NotFound."""
    gone_items = _numbers(columns.item_ids, (entry.item for entry in forgotten if entry.kind == ITEM))
    gone_users = _numbers(columns.user_ids, (entry.user for entry in forgotten if entry.kind == USER))
    lengths = np.bincount(columns.user, minlength=len(columns.user_ids))
    starts = np.cumsum(lengths) - lengths
    keep = ~(np.isin(columns.item, gone_items) | np.isin(columns.user, gone_users))
    bought = [entry for entry in forgotten if entry.kind == PURCHASE]
    number = {name: n for n, name in enumerate(columns.user_ids)} if bought else {}
    for entry in bought:
        if entry.user in number and (entry.position or 0) < lengths[number[entry.user]]:
            keep[starts[number[entry.user]] + (entry.position or 0)] = False
    touched = np.unique(columns.user[~keep])
    kept_items = np.delete(np.arange(len(columns.item_ids)), gone_items)
    kept_users = np.delete(np.arange(len(columns.user_ids)), gone_users)
    left = DatasetColumns(
        item_ids=[columns.item_ids[n] for n in kept_items],
        titles=[columns.titles[n] for n in kept_items],
        categories=[columns.categories[n] for n in kept_items],
        brands=[columns.brands[n] for n in kept_items],
        attributes=columns.attributes and [columns.attributes[n] for n in kept_items],
        user_ids=[columns.user_ids[n] for n in kept_users],
        user=_renumbered(columns.user[keep], gone_users),
        item=_renumbered(columns.item[keep], gone_items),
        timestamp=None if columns.timestamp is None else columns.timestamp[keep],
        rating=None if columns.rating is None else columns.rating[keep],
        tie=columns.tie[kept_users].copy(),
    )
    _mend_ties(left, _renumbered(np.setdiff1d(touched, gone_users).astype(np.int32), gone_users))
    return left, gone_items, gone_users


def removed(store: Store, info: DatasetInfo, user_ids: Iterable[str]) -> dict[str, list[int]]:
    """Positions (in the history as imported) of these users' forgotten purchases, ascending; users with none
    may be left out."""
    wanted, found = set(user_ids), {}
    if not info.forgotten or not wanted:
        return {}
    for entry in entries(info):
        if entry.kind == PURCHASE and entry.user in wanted and entry.position is not None:
            found.setdefault(entry.user, set()).add(entry.position)
    gone = [entry.item for entry in entries(info) if entry.kind == ITEM]
    if gone:
        numbers = [
            row.item for row in reading.item_by_ids(store, info.origin_id, filter(None, gone)).values()
        ]
        query = (
            sa.select(users.c.user_id, interactions.c.position)
            .join(users, (users.c.dataset_id == info.origin_id) & (users.c.user == interactions.c.user))
            .where(
                interactions.c.dataset_id == info.origin_id,
                interactions.c.item.in_(numbers),
                users.c.user_id.in_(sorted(wanted)),
            )
        )
        with store.read() as connection:
            for row in connection.execute(query):
                found.setdefault(row.user_id, set()).add(row.position)
    return {name: sorted(places) for name, places in found.items()}


def to_base(position: int, gone: Sequence[int]) -> int:
    """A position as it is read now, in the history as imported; gone: forgotten ones, ascending."""
    for place in gone:
        position += place <= position
    return position


def from_base(position: int, gone: Sequence[int]) -> int | None:
    """A position of the history as imported, as it is read now; None where it is forgotten."""
    return None if position in gone else position - bisect_left(gone, position)


def showing(store: Store, info: DatasetInfo, shown: Iterable[Demonstration]) -> set[str]:
    """Ids of the demonstrations that show something forgotten.

    A window does where its purchases are no longer those at its place; one in a person's words where it has
    the title of a forgotten item, or of a purchase within its window.
    """
    if not info.forgotten:
        return set()
    rows, told = list(shown), entries(info)
    gone_users = {entry.user for entry in told if entry.kind == USER}
    gone_items = {entry.item for entry in told if entry.kind == ITEM}
    titles = {_plain(entry.title or "") for entry in told if entry.kind == ITEM} - {""}
    bought = {
        (entry.user, entry.position): _plain(entry.title or "")
        for entry in told
        if entry.position is not None
    }
    gone = removed(store, info, {name for row in rows for name, _ in row.places})

    def missed(row: Demonstration) -> list[tuple[str, int]]:
        return [
            (name, each)
            for name, place in row.places
            for each in gone.get(name, ())
            if place - MOST_TITLES <= each <= place
        ]

    def sure(row: Demonstration) -> bool:
        own = {_plain(line) for line in (row.text_override or "").splitlines()}
        if gone_items & {*row.history, row.answer} or titles & own:
            return True
        if any(name in gone_users or place in gone.get(name, ()) for name, place in row.places):
            return True
        return bool({bought.get(each) for each in missed(row)} & own)

    found = {row.id for row in rows if sure(row)}
    unsure = [row for row in rows if row.id not in found and row.text_override is None and missed(row)]
    return found | {row.id for row in unsure if not _stands(row, _windows_now(store, info, row, gone))}


def _windows_now(
    store: Store, info: DatasetInfo, row: Demonstration, gone: Mapping[str, Sequence[int]]
) -> list[list[str]]:
    """Ids of the items of each of its windows, as they are read now."""
    spans = []
    for name, place in row.places:
        at = from_base(place, gone.get(name, ())) or 0
        spans.append((people.user(store, info.id, name).user, max(0, at - MOST_TITLES), at + 1))
    return [[each.item_id for each in found] for found in reading.windows(store, info.id, spans)]


def _stands(row: Demonstration, windows: Sequence[Sequence[str]]) -> bool:
    """Whether windows show what a demonstration made of them shows."""
    own = [*row.history, row.answer]
    if not row.merged:
        return own == list(windows[0][-len(own) :])
    return not Counter(own) - Counter(each for window in windows for each in window)


@dataclass(frozen=True)
class Numbers:
    """Numbers of items and users as imported, of a data set whose rows may be fewer."""

    gone_items: tuple[int, ...]
    gone_users: tuple[int, ...]

    @staticmethod
    def of(info: DatasetInfo) -> "Numbers":
        """Those of a data set."""
        layer: Mapping[str, Any] = info.report.get("forgotten") or {}
        return Numbers(tuple(layer.get("items", ())), tuple(layer.get("users", ())))

    def user(self, number: int) -> int:
        """The number as imported of a user as read now."""
        return to_base(number, self.gone_users)

    def items(self, numbers: Sequence[int]) -> list[int]:
        """The numbers as imported of items as read now."""
        return [to_base(number, self.gone_items) for number in numbers] if self.gone_items else list(numbers)

    def imported(self, items: int) -> int:
        """How many items were imported, of a data set that has so many now."""
        return items + len(self.gone_items)

    def remaining(self, order: np.ndarray) -> np.ndarray:
        """An order of the items as imported [n], without those that are gone, as they are numbered now."""
        if not self.gone_items:
            return order
        return _renumbered(order[~np.isin(order, self.gone_items)], self.gone_items)


def _read_as(store: Store, info: DatasetInfo, wanted: list[Entry], progress: drafts.Progress) -> DatasetInfo:
    """Make the data set without these the one that is read. Raises Conflict where another process changed
    what is forgotten meanwhile."""
    layer = None if not wanted else _layer(store, info, wanted, progress)
    now = time.time()
    with store.write() as connection:
        head = sa.select(datasets).where(datasets.c.id == info.origin_id)
        row = connection.execute(head).one_or_none()
        if row is None or row.deleted_at is not None:
            raise NotFound(f"The data set {info.name!r} was deleted meanwhile. Nothing was changed.")
        if (row.layer or row.id) != info.id:
            raise Conflict(
                f"What is forgotten of {info.name!r} was changed by somebody else just now. Nothing was "
                "changed; look at the list and try again."
            )
        changed = sa.update(datasets).where(datasets.c.id == info.origin_id)
        connection.execute(changed.values(layer=layer))
        connection.execute(sa.update(datasets).where(datasets.c.id == layer).values(writing_until=None))
        former = sa.update(datasets).where(
            datasets.c.layer_of == info.origin_id,
            datasets.c.id != (layer or -1),
            datasets.c.writing_until.is_(None),
        )
        connection.execute(former.values(writing_until=now + KEPT_S))
    drafts.sweep(store, progress)
    return get(store, info.name)


def _layer(store: Store, info: DatasetInfo, wanted: Sequence[Entry], progress: drafts.Progress) -> int:
    """The id of the data set without these; made where it is not there."""
    keys = sorted(list(entry.key) for entry in wanted)
    fingerprint = digest(["without", info.origin, keys])
    alive = sa.or_(datasets.c.writing_until.is_(None), datasets.c.writing_until > time.time() + 60)
    known = sa.select(datasets.c.id).where(
        datasets.c.layer_of == info.origin_id,
        datasets.c.fingerprint == fingerprint,
        datasets.c.content.is_not(None),
        alive,
    )
    with store.read() as connection:
        base = info_of(connection.execute(sa.select(datasets).where(datasets.c.id == info.origin_id)).one())
        there = connection.execute(known.order_by(datasets.c.id.desc()).limit(1)).scalar_one_or_none()
    if there is not None:
        return there
    progress(None, f"Reading {info.name}")
    columns, gone_items, gone_users = without(reading.columns(store, info.origin_id), wanted)
    told = {
        "of": info.origin_id,
        "fingerprint": info.origin,
        "entries": [entry.to_json() for entry in wanted],
        "items": gone_items,
        "users": gone_users,
    }
    draft = drafts.begin(
        store,
        {
            "name": base.name,
            "kind": base.kind,
            "source": base.source,
            "fingerprint": fingerprint,
            "simulated": base.simulated,
            "report": canonical_json({**base.report, "forgotten": told}),
            "users": len(columns.user_ids),
            "items": len(columns.item_ids),
            "interactions": len(columns.user),
            "has_timestamps": base.has_timestamps,
            "has_ratings": base.has_ratings,
            "layer_of": info.origin_id,
        },
    )
    try:
        fill(store, draft, columns, progress)
        with drafts.writing(store, draft) as connection:
            whole = sa.update(datasets).where(datasets.c.id == draft)
            connection.execute(whole.values(content=content(columns)))
    except BaseException:
        drafts.abandon(store, draft)
        raise
    return draft


def _numbers(ids: Sequence[str], wanted: Iterable[str | None]) -> list[int]:
    names = {name for name in wanted if name is not None}
    return [n for n, name in enumerate(ids) if name in names] if names else []


def _renumbered(numbers: np.ndarray, gone: Sequence[int]) -> np.ndarray:
    """Numbers of what remains, after these are gone."""
    if not len(gone):
        return numbers
    return (numbers - np.searchsorted(np.array(gone), numbers)).astype(numbers.dtype)


def _mend_ties(columns: DatasetColumns, touched: np.ndarray) -> None:
    """Say again, of the users whose rows changed, whether the last two share their moment."""
    lengths = np.bincount(columns.user, minlength=len(columns.user_ids))
    ends = np.cumsum(lengths)
    for number in touched.tolist():
        last, many = int(ends[number]) - 1, int(lengths[number])
        moments = columns.timestamp
        columns.tie[number] = many > 1 and moments is not None and moments[last] == moments[last - 1]


def _plain(title: str) -> str:
    return " ".join(title.split()).casefold()
