"""What every importer gives: a plan (which files, which columns) and how to read it.

Boundary: shared types and the two loops that feed tables into the builder; no format is named here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.data.columns import Builder, ItemTable
from engine.data.files import Folder, Member
from engine.data.item_facts import ItemFacts
from engine.data.questions import Question
from engine.data.tables.table import Table
from engine.data.text import Tick, clean_title

MAX_EXTRA_COLUMNS = 8
MAX_EXTRA_TEXT = 100  # characters of an attribute's value

CorrectedMapping = Mapping[str, str | None]


class Mismatch(Exception):
    """A folder or file is not of the format asked for; the message names file and line where it can."""


@dataclass(frozen=True)
class Plan:
    """How one data set in a folder is read.

    `mapping`: field -> column as it will be read. `reader` / `item_reader` push rows into the builder and the
    item table. `whole_catalogue`: items of the item file that nobody bought belong to the data set.
    `evidence`: field -> why its column was taken. `questions`: what a person must decide; without a word of
    theirs the mapping holds the best guess. `item_columns`: columns of the item file, `beside`: files that
    may be the item file, where they can be mapped.
    """

    interactions: tuple[Member, ...]
    items: Member | None
    mapping: dict[str, str | None]
    columns: tuple[str, ...]
    sample: Callable[[], list[list[Any]]]
    reader: Callable[[Builder, Tick], None]
    item_reader: Callable[[ItemTable, Callable[[str], bool], Tick], None] | None
    whole_catalogue: bool = True
    notes: tuple[str, ...] = ()
    evidence: Mapping[str, str] = field(default_factory=dict)
    questions: tuple[Question, ...] = ()
    item_columns: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()

    @property
    def members(self) -> tuple[Member, ...]:
        return (*self.interactions, *([self.items] if self.items else []))


Find = Callable[[Folder, CorrectedMapping | None], Plan]
"""Looks at a folder, with the mapping that a person corrected; raises Mismatch with the reason."""


def read_interactions(
    table: Table,
    mapping: Mapping[str, str | None],
    builder: Builder,
    tick: Tick,
    facts: ItemFacts | None = None,
) -> None:
    """Feed the table's user, item, timestamp and rating columns into the builder, others into `facts`."""
    fields = [f for f in ("user", "item", "timestamp", "rating") if mapping.get(f)]
    more = facts.fields if facts else ()
    report = builder.report
    wanted = [str(mapping[f]) for f in (*fields, *more)]
    for lines, columns in table.read(wanted, report, tick, report.unreadable):
        values: dict[str, Sequence[Any]] = dict(zip(fields, columns, strict=False))
        builder.add(
            table.member.name,
            lines,
            values["user"],
            values["item"],
            values.get("timestamp"),
            values.get("rating"),
        )
        if facts:
            facts.add(table.member.name, lines, values["item"], columns[len(fields) :])


def read_items(
    table: Table, mapping: Mapping[str, str | None], items: ItemTable, tick: Tick, *, extras: bool = False
) -> None:
    """Feed item, title, category and brand columns into the item table; `extras`: other short values too."""
    fields = [f for f in ("item", "title", "category", "brand") if mapping.get(f)]
    used = [str(mapping[f]) for f in fields]
    more = [c for c in table.columns if c not in used][:MAX_EXTRA_COLUMNS] if extras else []
    report = items.report
    for lines, columns in table.read(used + more, report, tick, report.unreadable_item):
        for k, row in enumerate(zip(*columns, strict=True)):
            values = dict(zip(fields, row, strict=False))
            items.add(
                table.member.name,
                int(lines[k]),
                values["item"],
                values.get("title"),
                joined(values.get("category")),
                joined(values.get("brand")),
                _attributes(more, row[len(fields) :]) if more else None,
            )


def _attributes(names: list[str], values: Sequence[Any]) -> dict[str, str]:
    pairs = ((name.partition(":")[0], joined(value)) for name, value in zip(names, values, strict=True))
    return {
        name: clean_title(str(value))
        for name, value in pairs
        if value not in (None, "") and len(str(value)) <= MAX_EXTRA_TEXT
    }


def joined(value: Any) -> Any:
    """A list's elements in one line; anything else as it is."""
    return ", ".join(map(str, value)) if isinstance(value, list) else value
