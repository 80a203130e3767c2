"""Any table of interactions (CSV, TSV, Parquet, JSON); what its columns are is told by names and contents.

Boundary: picks the interaction tables of a folder; `engine.data.assemble` makes the plan.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from db.errors import BadInput, DataError
from engine.data.assemble import assemble
from engine.data.clues import Catalogue
from engine.data.column_names import named_as, parts, words
from engine.data.files import Broken, Folder, Member
from engine.data.item_tables import catalogues_of
from engine.data.mapping import FIELDS, check_columns
from engine.data.orders import OrderLines, Orders, orders_among
from engine.data.parts import parts_of
from engine.data.plan import CorrectedMapping, Mismatch, Plan
from engine.data.profile import Profile, look
from engine.data.questions import Candidate, Question
from engine.data.recognition import LEAD, Recognition, recognize
from engine.data.tables.open_table import open_table
from engine.data.tables.table import Table

ENDINGS = (".csv", ".tsv", ".txt", ".parquet", ".pq", ".jsonl", ".ndjson", ".json", ".dat", ".data", ".inter")
INTERACTION_NAMES = words(
    "interactions ratings rating reviews review events transactions purchases orders history train"
)
ITEM_NAMES = words(
    "items item movies movie products product meta metadata books catalog catalogue articles titles games "
    "songs"
)
SOCIAL_WORDS = frozenset(
    words("edges edge friends friend trust social network follow follows followers links")
)
READ = ("user", "item", "history", "timestamp", "rating")
LOOK_BESIDE = 20_000  # rows of a table that is profiled before one is chosen
NAMED = 5  # parts in a note
MAX_BESIDE = 30  # files beside a named one that are looked into


@dataclass(frozen=True)
class Candidacy:
    """A table that may hold the interactions, and how much speaks for it."""

    profile: Profile
    recognized: Recognition
    score: float

    @property
    def table(self) -> Table:
        return self.profile.table

    @property
    def unsure(self) -> int:
        """How many of user, item and history are open."""
        return sum(q.field in ("user", "item", "history") for q in self.recognized.questions)

    @property
    def complete(self) -> bool:
        """It has a user and items, be it as a guess."""
        guess = self.recognized.guess
        return bool(guess["user"] and (guess["item"] or guess["history"]))


def _find(folder: Folder, mapping: CorrectedMapping | None) -> Plan:
    mapping = mapping or {}
    profiles, reasons = _profiles(folder, mapping)
    orders = {pair.table: pair for pair in orders_among(profiles, mapping)}
    sides = [table for pair in orders for table in (pair.lines, pair.orders)]
    profiles = [p for p in profiles if p.table not in sides] + [pair.profile for pair in orders.values()]
    chosen = {m.name for m in folder.candidates()}
    mine = [p for p in profiles if p.table.member.name in chosen]
    if wanted := mapping.get("file"):
        mine = [p for p in mine if wanted in (p.table.member.name, p.table.member.name.rsplit("/", 1)[-1])]
        if not mine:
            raise BadInput(f"file: {folder.name} holds no table {wanted!r}.")
    if not mine:
        for pair in orders:
            if pair.orders.member.name in chosen:
                raise Mismatch(
                    f"{pair.orders.member.name}: it names users and orders; the items stand in "
                    f"{pair.member.name}: give that file or the folder"
                )
        raise Mismatch("; ".join(reasons[:3]) or "no CSV, TSV, Parquet or JSON file is there")
    candidacies = sorted(_candidacies(mine, profiles, mapping, orders), key=lambda c: -c.score)
    best = candidacies[0]
    _check(best, mapping)
    needed = [c for f, c in best.recognized.guess.items() if c and f in READ]
    rest = [] if folder.only or wanted else [c.table for c in candidacies[1:]]
    tables = parts_of(best.table, rest, needed)
    notes, questions = _others(best, tables, candidacies[1:])
    others = [
        c.table
        for c in candidacies[1:]
        if c.complete and c.table not in tables and (not c.unsure or best.score - c.score < LEAD)
    ]
    beside = [p for p in profiles if p.table not in tables and not isinstance(p.table, OrderLines)]
    catalogues = catalogues_of(beside)
    profile, recognized = best.profile, None
    if isinstance(best.table, OrderLines):
        recognized = best.recognized
        notes.append(orders[best.table].note)
    elif profile.rows >= LOOK_BESIDE:
        profile = look(best.table, also=mapping.values())
    plan = assemble(
        tables,
        replace(profile, table=tables[0]),
        beside,
        catalogues,
        mapping,
        recognized=recognized,
        notes=notes,
        questions=questions,
        others=[table.member.name for table in others],
    )
    titled = plan.items or plan.mapping.get("title") or plan.mapping.get("history_title")
    if reasons and not (folder.only and titled):
        more = f" and {len(reasons) - 3} more" if len(reasons) > 3 else ""
        note = f"Files that could not be read: {'; '.join(reason[:160] for reason in reasons[:3])}{more}."
        plan = replace(plan, notes=(*plan.notes, note))
    return plan


def _profiles(folder: Folder, mapping: CorrectedMapping) -> tuple[list[Profile], list[str]]:
    """The tables of a folder and why other files are none; of the neighbours of a named file only some."""
    some = bool(folder.only or folder.given)
    named = folder.candidates() if some else ()
    beside = [m for m in folder.members if m not in named and m.base.endswith(ENDINGS)]
    if some:
        beside = sorted(beside, key=lambda m: not _is_item_name(m))[:MAX_BESIDE]
    profiles, reasons = [], []
    for member in (*named, *beside):
        try:
            profiles.append(look(open_table(member), LOOK_BESIDE, mapping.values()))
        except Broken as error:
            reasons.append(f"{member.name}, line 1: {error}")
        except DataError as error:
            if member in named:
                raise
            reasons.append(str(error))
    return profiles, reasons


def _candidacies(
    mine: Sequence[Profile],
    profiles: Sequence[Profile],
    mapping: CorrectedMapping,
    orders: Mapping[OrderLines, Orders],
) -> list[Candidacy]:
    found = []
    for profile in mine:
        catalogues: list[Catalogue] = catalogues_of(
            [p for p in profiles if p is not profile and not isinstance(p.table, OrderLines)]
        )
        given = {f: c for f, c in mapping.items() if f in FIELDS and (not c or c in profile.columns)}
        recognized = (
            orders[profile.table].recognize(given, catalogues)
            if isinstance(profile.table, OrderLines)
            else recognize(profile, FIELDS, given, catalogues)
        )
        found.append(Candidacy(profile, recognized, _score(profile, recognized, mapping)))
    return found


def _score(profile: Profile, recognized: Recognition, mapping: CorrectedMapping) -> float:
    """How much a table looks like the interactions: by its columns first, by its file's name second."""
    member, guess = profile.table.member, recognized.guess
    named = 2.0 * (member.stem in INTERACTION_NAMES) - 3.0 * _is_item_name(member)
    named -= 8.0 * bool(set(parts(member.stem)) & SOCIAL_WORDS)  # users beside users
    both = 10.0 * bool(guess["user"] and (guess["item"] or guess["history"]))
    asked = sum(bool(c) and c in profile.columns for f, c in mapping.items() if f in FIELDS)
    unsure = sum(q.field in ("user", "item", "history") for q in recognized.questions)
    return named + both + recognized.strength + 10.0 * asked - 3.0 * unsure


def _check(best: Candidacy, mapping: CorrectedMapping) -> None:
    """Raise Mismatch where the best table holds no interactions, BadInput where a correction misses it."""
    table = best.table
    check_columns(mapping, FIELDS, table.columns, table.member.name)
    if best.complete or any(mapping.get(field) for field in ("user", "item", "history")):
        return
    guess = best.recognized.guess
    item = _is_item_name(table.member) or (guess["title"] and not guess["user"])
    named = any(guess[role] and named_as(str(guess[role]), role) for role in ("user", "item"))
    if named and not item and len(table.columns) >= 2:
        return  # half of it is clear, so a person can say the other
    seen = ", ".join(table.columns)[:200]
    hint = "; it looks like an item file: give the interactions or the folder" if item else ""
    raise Mismatch(f"{table.member.name}, line 1: no user and item column among {seen}{hint}")


def _others(
    best: Candidacy, tables: Sequence[Table], rest: Sequence[Candidacy]
) -> tuple[list[str], list[Question]]:
    """What is said of, or asked about, further tables of interactions."""
    notes: list[str] = []
    if len(tables) > 1:
        names = ", ".join(table.member.name for table in tables[:NAMED])
        names += f" and {len(tables) - NAMED} more" if len(tables) > NAMED else ""
        notes.append(f"The parts {names} were joined in this order; the report counts the rows of each.")
    complete = [c for c in rest if c.table not in tables and c.complete]
    near = [c for c in complete if best.score - c.score < LEAD]
    if not near:
        return notes, []
    answers = tuple(
        Candidate(c.table.member.name, tuple(" | ".join(map(str, row))[:80] for row in c.table.sample()[:3]))
        for c in (best, *near)
    )
    return notes, [Question("file", "several tables of interactions fit as well", answers)]


def _is_item_name(member: Member) -> bool:
    return member.stem in ITEM_NAMES or member.stem.startswith(("meta_", "items_", "item_"))


FORMATS = {"generic": _find}
