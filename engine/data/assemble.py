"""Tables of a folder -> the plan of an import: columns, item file, evidence, questions.

Boundary: what the importers of tables share; a format of its own decides which tables are interactions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from db.errors import BadInput
from engine.data.clues import Catalogue
from engine.data.columns import Builder, ItemTable
from engine.data.histories import HistoryTitles, elements, read_histories
from engine.data.item_facts import ItemFacts
from engine.data.item_tables import Items, item_table, named_table
from engine.data.mapping import FIELDS, ITEM_FIELDS, check_columns
from engine.data.plan import CorrectedMapping, Plan, read_interactions, read_items
from engine.data.profile import TESTED, Column, Profile
from engine.data.questions import Question
from engine.data.recognition import Guess, Recognition, recognize
from engine.data.tables.table import Table
from engine.data.text import Tick

FACTS = ("title", "category", "brand")
SHOWN = 12  # columns named in a note


def assemble(
    tables: Sequence[Table],
    profile: Profile,
    beside: Sequence[Profile],
    catalogues: Sequence[Catalogue],
    mapping: CorrectedMapping | None,
    *,
    recognized: Recognition | None = None,
    notes: Sequence[str] = (),
    questions: Sequence[Question] = (),
    others: Sequence[str] = (),
) -> Plan:
    """The plan for the interactions in `tables` (parts of one table, the first of them profiled).

    `beside`: other tables, of which one may be the item file; `others`: files of further interactions.
    Raises BadInput for a correction that cannot be used.
    """
    first = tables[0]
    mapping = mapping or {}
    check_columns(mapping, FIELDS, first.columns, first.member.name)
    found = recognized or recognize(profile, FIELDS, mapping, catalogues)
    guess = found.guess
    said = list(notes)
    if guess["history"] and mapping.get("timestamp"):
        raise BadInput(
            f"timestamp: {first.member.name} holds lists, whose items have no times of their own; leave it "
            "out."
        )
    if guess["history"] and guess["timestamp"]:
        said.append(
            f"The times in {guess['timestamp']} were not used: a row's time is none of the items in its "
            "list. The order in the lists counts, and windows of a user follow the file."
        )
        found.evidence.pop("timestamp", None)
        guess["timestamp"] = None
    asked = [*questions, *found.questions]
    asked += [question for table in tables for question in getattr(table, "questions", ())]
    items = _items(first, profile, beside, guess, mapping)
    if items:
        asked = [q for q in asked if q.field != "title"] + items.questions
    if unread := [name for name in others if not items or name != items.profile.table.member.name]:
        names = ", ".join(unread[:5])
        said.append(f"{first.member.name} was read; other tables of interactions were not: {names}.")
    if not guess["timestamp"] and not guess["history"]:
        said.append("No column of times was found: within a user the order of the file counts.")
    facts = _facts(guess)
    titled = items or (facts and guess["title"]) or guess["history_title"]
    if not titled:
        unused = ", ".join(p.table.member.name for p in beside[:5])
        said.append(
            "No titles were found in the files; items are shown by their id."
            + (f" Beside them, without titles of these items: {unused}." if unused else "")
        )
    if further := _further_lists(profile, guess):
        said.append(
            f"Lists beside the histories were not read: {', '.join(further)}. The order in the lists counts."
        )
    if unused := [name for name in first.columns if name not in guess.values()]:
        more = f" and {len(unused) - SHOWN} more" if len(unused) > SHOWN else ""
        said.append(f"Columns of {first.member.name} that were not used: {', '.join(unused[:SHOWN])}{more}.")
    lists = any(column.lists or column.joined for column in profile.columns.values())
    shown: Guess = {f: c for f, c in guess.items() if c or lists or not f.startswith("history")}
    shown["items_file"] = items.profile.table.member.name if items else None
    evidence = dict(found.evidence)
    if items:
        shown |= items.guess
        evidence |= items.evidence
    return Plan(
        interactions=tuple(dict.fromkeys(m for t in tables for m in getattr(t, "members", (t.member,)))),
        items=items.profile.table.member if items else None,
        mapping=shown,
        columns=tuple(first.columns),
        sample=first.sample,
        reader=partial(_read, tables, guess, facts),
        item_reader=_item_reader(items, facts, tables, guess, insist=bool(mapping.get("title"))),
        notes=tuple(said),
        evidence=evidence,
        questions=tuple(asked),
        item_columns=tuple(items.profile.table.columns) if items else (),
        beside=tuple(p.table.member.name for p in beside),
    )


def _further_lists(profile: Profile, guess: Guess) -> list[str]:
    """Columns of lists as long as the histories (times, ratings) that no field takes."""
    if not guess["history"]:
        return []
    columns = profile.columns
    sizes = _sizes(columns[guess["history"]])
    return [
        c for c in columns if c not in guess.values() and columns[c].lists and _sizes(columns[c]) == sizes
    ]


def _sizes(column: Column) -> list[int]:
    return [len(elements(cell)) for cell in column.values[:TESTED]]


def _items(
    table: Table, profile: Profile, beside: Sequence[Profile], guess: Guess, mapping: Mapping[str, str | None]
) -> Items | None:
    """The item file: the one the person named, or the best of the others."""
    if "items_file" in mapping and not mapping["items_file"]:
        return None
    wanted = mapping.get("items_file")
    named = {f: c for f, c in mapping.items() if f in ITEM_FIELDS and c}
    if wanted:
        one = named_table([p.table for p in beside], wanted, table.member.name)
        beside = [p for p in beside if p.table is one]
        check_columns(mapping, ITEM_FIELDS, one.columns, one.member.name)
    column = guess["item"] or guess["history"]
    bought: Any = profile.columns[column] if column else ()
    if guess["history"]:
        bought = dict.fromkeys(e for e in profile.columns[str(guess["history"])].elements() if e)
    name = guess["item"] or str(guess["history"] or "").replace("_list:token_seq", ":token")
    users = profile.columns[str(guess["user"])].counts if guess["user"] else ()
    items = item_table(beside, bought, name, mapping, users)
    if items is None and (wanted or named):
        where = wanted or ", ".join(p.table.member.name for p in beside) or "no file beside it"
        seen = "; ".join(", ".join(p.table.columns[:30]) for p in beside[:3])
        raise BadInput(
            f"{where} cannot serve as the item file: it needs a column of ids (items_item) and one of "
            f"titles (items_title); its columns are {seen or 'none'}."
        )
    return items


def _facts(guess: Guess) -> ItemFacts | None:
    """What the interaction rows say of their items, where one of their columns does."""
    fields = tuple(field for field in FACTS if guess.get(field))
    return ItemFacts(fields) if fields and guess["title"] and guess["item"] and not guess["history"] else None


def _read(
    tables: Sequence[Table], guess: Guess, facts: ItemFacts | None, builder: Builder, tick: Tick
) -> None:
    if guess["history"]:
        read_histories(tables, guess, builder, tick)
        return
    if facts:
        facts.rows.clear()
    for table in tables:
        read_interactions(table, guess, builder, tick, facts)


def _item_reader(
    items: Items | None, facts: ItemFacts | None, tables: Sequence[Table], guess: Guess, *, insist: bool
) -> Callable[[ItemTable, Callable[[str], bool], Tick], None] | None:
    """Reads the item file first, then what the interactions say of items that it does not name."""
    readers: list[Callable[[ItemTable, Tick], None]] = []
    if items:
        columns = {field.removeprefix("items_"): column for field, column in items.guess.items()}
        readers.append(lambda rows, tick: read_items(items.profile.table, columns, rows, tick, extras=True))
    if facts:
        readers.append(lambda rows, _: _feed(facts, tables[0], guess, rows, insist=insist))
    if guess["history"] and guess["history_title"]:
        readers.append(partial(HistoryTitles(guess).read, tables))
    if not readers:
        return None

    def read(rows: ItemTable, _: Callable[[str], bool], tick: Tick) -> None:
        for reader in readers:
            reader(rows, tick)

    return read


def _feed(facts: ItemFacts, table: Table, guess: Guess, rows: ItemTable, *, insist: bool) -> None:
    """The facts gathered; those of the first rows where nothing was read yet, as for a preview."""
    if not facts.rows:
        places = [table.columns.index(str(guess[field])) for field in ("item", *facts.fields)]
        sample = [row for row in table.sample() if len(row) > max(places)]
        columns = [[row[place] for row in sample] for place in places]
        facts.add(table.member.name, range(1, len(sample) + 1), columns[0], columns[1:])
        facts.feed(rows, insist=insist)
        facts.rows.clear()
        return
    facts.feed(rows, insist=insist)
