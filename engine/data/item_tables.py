"""The item file beside interactions: any table whose ids cover the items and that holds their titles.

Boundary: recognizes by what is in the tables, whatever the file's name; reads on only to look for ids.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice

from db.errors import BadInput, DataError
from engine.data.clues import COVERED, Catalogue, Seen
from engine.data.column_names import PERSON, named_as, parts, plain_name
from engine.data.evidence import score
from engine.data.profile import Column, Profile
from engine.data.questions import Candidate, Question
from engine.data.recognition import ENOUGH, LEAD, Guess, ranked_question
from engine.data.report import Report
from engine.data.tables.table import Table

FIELDS = ("items_item", "items_title", "items_category", "items_brand")
ASKED_FOR = 2000  # items that are looked for in an item file
BUYER = PERSON - {"author", "person", "viewer", "account", "member"}
TITLED = 2.0  # points a title column needs: the ids say whose table it is


@dataclass(eq=False)
class Items:
    """The item file that was found, its columns, why, and what to ask."""

    profile: Profile
    guess: Guess
    strength: float = 0.0
    evidence: dict[str, str] = field(default_factory=dict)
    questions: list[Question] = field(default_factory=list)


def catalogues_of(profiles: Sequence[Profile]) -> list[Catalogue]:
    """Columns of the tables in which every value stands once: ids of items, or of people."""
    found = []
    for profile in profiles:
        people = _of_people(profile)
        for column in profile.columns.values():
            unique = column.rows >= 3 and column.distinct >= 0.95 * column.rows
            if unique and not score(Seen(profile), column.name, "items_item").total < 0:
                found.append(Catalogue(profile.table.member.name, column.name, column.counts, people))
    return found


def _of_people(profile: Profile) -> bool:
    """The file is called after people: users.csv, usersha1-profile.tsv."""
    said = set(parts(profile.table.member.stem))
    return bool(said & (PERSON | {f"{word}s" for word in PERSON})) or any(w.startswith("user") for w in said)


def item_table(
    profiles: Sequence[Profile],
    bought: Column | Collection[str],
    item_name: str,
    given: Mapping[str, str | None],
    users: Collection[str] = (),
) -> Items | None:
    """The best item table for the items that were `bought`, with the person's word on its columns.

    `users`: ids of users, which a table of people lists; where it lists both, a person decides.

    Raises BadInput where a table that was asked for cannot serve.
    """
    ids = list(islice(bought.counts if isinstance(bought, Column) else bought, ASKED_FOR))
    named = {f: c or None for f, c in given.items() if f in FIELDS}
    asked_for = bool(given.get("items_file"))
    likely = [profile for profile in profiles if asked_for or not _of_people(profile)]
    found = [items for profile in likely if (items := _look(profile, ids, item_name, named))]
    doubts = {} if asked_for or named.get("items_item") else _doubts(found, profiles, users, item_name)
    found.sort(key=lambda items: (id(items) in doubts, -items.strength))
    if not found:
        return None
    best = found[0]
    sure = [items for items in found if id(items) not in doubts]
    if not sure:
        answers = tuple(map(_as_candidate, found))
        best.questions.append(Question("items_file", doubts[id(best)], answers, optional=True))
        return best
    near = [items for items in sure if best.strength - items.strength < LEAD]
    if len(near) > 1:
        best.questions.append(
            Question(
                "items_file",
                "several files list these items with titles",
                tuple(_as_candidate(items) for items in near),
                optional=True,
            )
        )
    return best


def _doubts(
    found: Sequence[Items], profiles: Sequence[Profile], users: Collection[str], item_name: str
) -> dict[int, str]:
    """Why a table may be none of items, by its identity: its rows are people, or what people said."""
    doubts = {}
    asked = list(islice(users, ASKED_FOR))
    for items in found:
        name = str(items.guess["items_item"])
        ids = items.profile.columns[name].counts
        both = asked and sum(user in ids for user in asked) >= COVERED * len(asked)
        unnamed = plain_name(name) != plain_name(item_name) and not named_as(name, "item")
        if any(set(parts(column)) & BUYER and named_as(column, "user") for column in items.profile.columns):
            doubts[id(items)] = "the file names users too, so its texts may be what they said"
        elif both and unnamed and not any(map(_of_people, profiles)):
            doubts[id(items)] = "its ids are those of users as well as those of items"
    return doubts


def _as_candidate(items: Items) -> Candidate:
    title = items.profile.columns[str(items.guess["items_title"])]
    return Candidate(items.profile.table.member.name, tuple(title.examples()), items.evidence["items_item"])


def _look(profile: Profile, ids: list[str], item_name: str, named: Mapping[str, str | None]) -> Items | None:
    """The table as an item table, None where its ids or its titles do not fit."""
    wanted = [c for c in named.values() if c]
    if any(column not in profile.columns for column in wanted):
        return None
    seen = Seen(profile, bought=ids, item_name=item_name)
    if not profile.whole:
        _read_on(seen, named.get("items_item"))
    guess: Guess = dict.fromkeys(FIELDS)
    items = Items(profile, guess)
    for role in FIELDS:
        if role in named:
            guess[role] = named[role]
            continue
        free = [name for name in profile.columns if name not in guess.values() and name not in wanted]
        scores = sorted((score(seen, name, role) for name in free), key=lambda s: -s.total)
        enough = TITLED if role == "items_title" else ENOUGH
        if scores and scores[0].total >= enough:
            guess[role] = scores[0].column
            near = [s for s in scores if s.total >= enough and scores[0].total - s.total < LEAD]
            if role == "items_title" and len(near) > 1:
                items.questions.append(ranked_question(seen, role, near, "several columns fit as well", True))
        if role == "items_item":
            seen.item = guess[role]
    if not guess["items_item"] or not guess["items_title"]:
        return None
    for role, column in guess.items():
        if column:
            of = score(seen, column, role)
            items.evidence[role] = "; ".join(["said by you"] if role in named else of.why)
            items.strength += of.total if role in ("items_item", "items_title") else 0.0
    return items


def _read_on(seen: Seen, given: str | None) -> None:
    """Look for the items bought after the rows looked at, in the column that would else be the id."""
    likely = Seen(seen.profile, item_name=seen.item_name)  # without what the first rows say of the items
    scores = [score(likely, name, "items_item") for name in [given] if name] or [
        score(likely, name, "items_item") for name in seen.profile.columns
    ]
    best = max(scores, key=lambda s: s.total)
    column = seen.column(best.column)
    missing = {i for i in seen.bought if i not in column.counts}
    allowed = (1 - COVERED) * len(seen.bought)
    if len(missing) <= allowed or best.total <= 0:
        return
    there: set[str] = set()
    report = Report(label="table")
    with suppress(DataError):  # the import itself names the place
        for _, (values,) in seen.profile.table.read([column.name], report, lambda *_: None, lambda *_: None):
            there.update(missing.intersection(value for value in values if type(value) is str))
            if len(missing) - len(there) <= allowed:
                break
    seen.further[column.name] = there


def named_table(tables: Sequence[Table], wanted: str, beside: str) -> Table:
    """The table of the file that a person named; raises BadInput where it is not there."""
    for table in tables:
        if wanted in (table.member.name, table.member.base, table.member.name.rsplit("/", 1)[-1]):
            return table
    raise BadInput(f"items_file: {wanted!r} does not lie beside {beside}.")
