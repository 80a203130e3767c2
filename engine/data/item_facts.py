"""What interaction rows say of items: their titles, categories and brands.

Boundary: gathers while the rows are read for their interactions, so that nothing is read twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.data.clues import ONE_VALUE
from engine.data.columns import ItemTable
from engine.data.values import id_text

MAX_SPELLINGS = 20  # of one item's title that are counted


@dataclass
class ItemFacts:
    """Titles, categories and brands that stand in interaction rows, gathered while these are read.

    One item has one title: the commonest. Where the titles vary within items they are none (`varies`).
    """

    fields: tuple[str, ...]
    rows: dict[Any, list[Any]] = field(default_factory=dict)  # item -> [values, file, line, rows, others]

    def add(self, file: str, lines: Any, items: Sequence[Any], values: Sequence[Sequence[Any]]) -> None:
        """Take a batch: the items and, for each of `fields`, as many values."""
        rows = self.rows
        for k, (item, *facts) in enumerate(zip(items, *values, strict=True)):
            known = rows.get(item) if isinstance(item, str | int | float) else ()
            if known is None:
                rows[item] = [facts, file, int(lines[k]), 1, None]
            elif known and (known[0][0] == facts[0] or _same(known[0][0], facts[0])):
                known[3] += 1
            elif known:
                self._other(known, facts)

    @staticmethod
    def _other(known: list[Any], facts: list[Any]) -> None:
        """Count another title of an item, a few of them."""
        if facts[0] in (None, ""):
            return
        if known[0][0] in (None, ""):
            known[0], known[3] = facts, 1
            return
        others = known[4] = known[4] if known[4] is not None else {}
        if str(facts[0]) in others or len(others) < MAX_SPELLINGS:
            others.setdefault(str(facts[0]), [facts, 0])[1] += 1

    def varies(self) -> float:
        """Share of the rows of items with several rows that do not carry the item's commonest title."""
        rows = most = 0
        for _, _, _, count, others in self.rows.values():
            counts = [count, *(n for _, n in (others or {}).values())]
            if sum(counts) > 1:
                rows += sum(counts)
                most += max(counts)
        return 1 - most / rows if rows else 0.0

    def feed(self, items: ItemTable, *, insist: bool) -> None:
        """Give the facts to the item table, which keeps what it knows; `insist`: a person chose the title."""
        share, report = self.varies(), items.report
        several = sum(others is not None for *_, others in self.rows.values())
        if "title" in self.fields and share > 1 - ONE_VALUE and not insist:
            report.note(
                f"The titles beside the interactions were not used: they differ within items "
                f"({share:.0%} of the rows are not called like the item's other rows)."
            )
            return
        if several:
            report.note(f"Items called in several ways, the commonest was used: {several:,}.")
        for item, (facts, file, line, count, others) in self.rows.items():
            best = max([[facts, count], *(others or {}).values()], key=lambda pair: pair[1])[0]
            values = dict(zip(self.fields, best, strict=True))
            known = items.rows.get(id_text(item))
            if known is None or not known.title:
                items.add(file, line, item, values.get("title"), values.get("category"), values.get("brand"))


def _same(title: Any, other: Any) -> bool:
    """Whether two titles are one when they are cleaned of white space."""
    return type(title) is str and type(other) is str and title.split() == other.split()
