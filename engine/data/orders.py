"""Purchases whose user stands in another file: lines of orders (or sessions), and the orders themselves.

Boundary: finds the two tables and reads them as one. Of the orders the columns asked for are held in memory,
a row per order.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.data.clues import COVERED, Catalogue
from engine.data.column_names import named_as, plain_name
from engine.data.files import Member
from engine.data.mapping import FIELDS
from engine.data.profile import Profile
from engine.data.recognition import Recognition, recognize
from engine.data.report import Report
from engine.data.tables.table import Batch, Table
from engine.data.text import Bad, Tick
from engine.data.values import id_text, whole_id

OF_ORDERS = ("user", "item", "timestamp")
"""Fields looked for among the orders; the item stands for the order itself."""


@dataclass(frozen=True)
class OrderLines:
    """The table `lines` with the columns of the `orders` that its column `key` names by their `order_id`."""

    lines: Table
    orders: Table
    key: str
    order_id: str

    @property
    def member(self) -> Member:
        return self.lines.member

    @property
    def members(self) -> tuple[Member, ...]:
        """Both files."""
        return self.lines.member, self.orders.member

    @property
    def columns(self) -> tuple[str, ...]:
        return (*self.lines.columns, *(c for c in self.orders.columns if c not in self.lines.columns))

    def sample(self) -> list[list[Any]]:
        """The first lines with their orders; orders are read as far as these are found."""
        rows, place = self.lines.sample(), self.lines.columns.index(self.key)
        missing = {_plain(row[place]) for row in rows}
        more = self.columns[len(self.lines.columns) :]
        found: dict[str, tuple[Any, ...]] = {}
        for _, columns in self.orders.read([self.order_id, *more], Report(), _silent, _silent):
            for key, *values in zip(*columns, strict=True):
                if _plain(key) in missing:
                    found.setdefault(_plain(key), tuple(values))
            if len(found) == len(missing):
                break
        nothing = ("",) * len(more)
        return [[*row, *found.get(_plain(row[place]), nothing)] for row in rows]

    def read(self, wanted: Sequence[str], report: Report, tick: Tick, bad: Bad) -> Iterator[Batch]:
        """Batches of (line numbers, columns); lines of orders that are not there go to `bad`."""
        own = [name for name in wanted if name in self.lines.columns]
        more = [name for name in wanted if name not in own]
        places, kept = self._orders(more, report, tick) if more else ({}, {})
        reason = f"not in {self.orders.member.name}"
        for lines, columns in self.lines.read([self.key, *own], report, tick, bad):
            values: dict[str, Sequence[Any]] = dict(zip(own, columns[1:], strict=True))
            if more:
                at = [places.get(key, -1) if type(key) is str else -1 for key in columns[0]]
                for k in [k for k, place in enumerate(at) if place < 0]:
                    at[k] = places.get(_plain(columns[0][k]), -1)
                    if at[k] < 0:
                        detail = f"{self.key} {columns[0][k]!r:.60}"
                        bad(reason, self.member.name, int(lines[k]), detail)
                if min(at, default=0) < 0:
                    here = [k for k, place in enumerate(at) if place >= 0]
                    lines = np.asarray(lines)[here]
                    values = {name: [column[k] for k in here] for name, column in values.items()}
                    at = [at[k] for k in here]
                values |= {name: [kept[name][place] for place in at] for name in more}
            if len(lines):
                yield lines, [values[name] for name in wanted]

    def _orders(
        self, wanted: Sequence[str], report: Report, tick: Tick
    ) -> tuple[dict[str, int], dict[str, list[Any]]]:
        """Order -> its row, and the columns wanted of them; a first row of an order counts."""
        places: dict[str, int] = {}
        kept: dict[str, list[Any]] = {name: [] for name in wanted}
        same: dict[Any, Any] = {}  # one value for all orders of a user
        seen, bad = Report(label=report.label), report.unreadable_item
        for lines, columns in self.orders.read([self.order_id, *wanted], seen, tick, bad):
            for k, (key, *values) in enumerate(zip(*columns, strict=True)):
                if places.setdefault(_plain(key), len(places)) < len(places) - 1:
                    report.repair("order listed again", self.orders.member.name, int(lines[k]), str(key))
                    continue
                for name, value in zip(wanted, values, strict=True):
                    kept[name].append(same.setdefault(value, value) if type(value) is str else value)
        report.files |= seen.files
        for note in seen.notes:
            report.note(note)
        for question in seen.questions:
            report.ask(question)
        return places, kept


def _plain(key: Any) -> str:
    return whole_id(id_text(key))


def _silent(*_: object) -> None:
    """Progress and bad lines that nobody watches."""


@dataclass(frozen=True)
class Orders:
    """Lines of orders and the orders, profiled. `profile` holds the columns of both, each with its rows."""

    lines: Profile
    orders: Profile
    table: OrderLines

    @property
    def profile(self) -> Profile:
        columns = {**self.orders.columns, **self.lines.columns}
        return Profile(
            self.table, {name: columns[name] for name in self.table.columns}, self.lines.rows, False
        )

    def recognize(self, given: Mapping[str, str | None], catalogues: Sequence[Catalogue] = ()) -> Recognition:
        """The fields of the lines, and user and time of the orders; `given` is the person's word."""
        of_lines = {f: c for f, c in given.items() if not c or c in self.lines.columns}
        of_orders = {f: c for f, c in given.items() if f in OF_ORDERS and c in self.orders.columns}
        none = {"history": None, "history_title": None}
        mine = recognize(self.lines, FIELDS, {**none, **of_lines, "user": self.table.key}, catalogues)
        theirs = recognize(self.orders, OF_ORDERS, {**of_orders, "item": self.table.order_id}, catalogues)
        taken = [
            "user",
            *(["timestamp"] if theirs.guess["timestamp"] and "timestamp" not in of_lines else []),
        ]
        where = f"in {self.orders.table.member.name} by {self.table.order_id}"
        why = {f: f"{where}: {theirs.evidence[f]}" for f in taken if f in theirs.evidence}
        questions = [q for q in mine.questions if q.field not in ("user", *taken)]
        questions += [q for q in theirs.questions if q.field in taken]
        guess = mine.guess | {field: theirs.guess[field] for field in taken}
        evidence = {f: said for f, said in mine.evidence.items() if f != "user"} | why
        return Recognition(guess, evidence, questions, mine.strength + theirs.strength)

    @property
    def note(self) -> str:
        """One sentence for the person."""
        return f"The user of each row was found in {self.orders.table.member.name} by {self.table.key}."


def orders_among(profiles: Sequence[Profile], given: Mapping[str, str | None]) -> list[Orders]:
    """The tables whose user stands in another of them, where a person does not say that it is their own."""
    found = []
    for lines in profiles:
        user = given.get("user")
        if (user and user in lines.columns) or _names(lines, "user") or not _names(lines, "item"):
            continue
        for orders in profiles:
            if orders is not lines and (pair := _pair(lines, orders)):
                found.append(Orders(lines, orders, OrderLines(lines.table, orders.table, *pair)))
                break
    return found


def _names(profile: Profile, role: str) -> list[str]:
    return [name for name in profile.columns if named_as(name, role) > 0]


def _pair(lines: Profile, orders: Profile) -> tuple[str, str] | None:
    """The column of the lines that names orders, and the one of the orders that says which they are."""
    if not _names(orders, "user") or _names(orders, "item"):
        return None
    kind = plain_name(orders.table.member.stem).removesuffix("s")
    for key, column in lines.columns.items():
        if named_as(key, "item") > 0:
            continue
        name = plain_name(key)
        for other, ids in orders.columns.items():
            same = plain_name(other) == name or (plain_name(other) == "id" and name == f"{kind}id")
            if not same or ids.rows < 3 or ids.distinct < ids.rows:
                continue
            covered = sum(i in ids.counts for i in column.some) >= COVERED * max(1, len(column.some))
            if covered or not orders.whole:
                return key, other
    return None
