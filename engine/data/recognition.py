"""Which column is what: the best by the clues, and a question where the best does not lead clearly.

Boundary: works on profiles and scores; opens no file. What a person said is never put in question.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from engine.data.clues import COVERED, Catalogue, Seen, no_list
from engine.data.column_names import NAMELESS, NAMES, named_as, plain_name
from engine.data.evidence import Score, score
from engine.data.profile import Profile
from engine.data.questions import Candidate, Question

ENOUGH = 3.0  # points that a column needs to be taken
CLEAR = 4.5  # points that say user or item without a word on the other
PAIR = 6.0  # points that user and item need together, where one may speak for the other
ALONE = 2.0  # points that a named column needs though the other role is clear: to come back is not enough
LEAD = 1.5  # points ahead of every other column, or a person decides
POSSIBLE = 1.0  # points from where a column is offered as an answer
OFFERED = 6  # columns named in a question

NEEDED = {"timestamp": NAMES["timestamp"], "rating": NAMES["rating"][:5]}
"""Names of columns that are not passed over in silence where their values are not understood."""

Guess = dict[str, str | None]


@dataclass
class Recognition:
    """The columns of the fields as guessed, why, and what to ask."""

    guess: Guess
    evidence: dict[str, str] = field(default_factory=dict)
    questions: list[Question] = field(default_factory=list)
    strength: float = 0.0  # how much the table looks like interactions


def recognize(
    profile: Profile,
    fields: Sequence[str],
    given: Mapping[str, str | None] | None = None,
    catalogues: Sequence[Catalogue] = (),
) -> Recognition:
    """The columns of `fields` of an interaction table; `given` is the person's word on some of them."""
    given = {f: c or None for f, c in (given or {}).items() if f in fields}
    seen = Seen(profile, catalogues, given.get("user"), given.get("item"))
    found = Recognition(dict.fromkeys(fields) | given)
    if "history" in fields and "history" not in given:
        _history(seen, found, given)
    seen.history = found.guess.get("history")
    _pair(seen, found, given)
    for role in [f for f in fields if f not in ("user", "item", "history", *given)]:
        seen.user, seen.item = found.guess["user"], found.guess["item"]
        if role != "history_title" or seen.history:
            _take(seen, found, role)
    seen.user, seen.item = found.guess["user"], found.guess["item"]
    for role, name in found.guess.items():
        if name and name in profile.columns:
            of = score(seen, name, role)
            found.evidence[role] = "; ".join(["said by you", *of.why] if role in given else of.why)
            found.strength += max(0.0, of.total) if role in ("user", "item", "history") else 0.0
    found.strength += sum(2.0 for f in ("timestamp", "rating") if found.guess.get(f))
    return found


def _history(seen: Seen, found: Recognition, given: Mapping[str, str | None]) -> None:
    """A column of lists that is a history, so that each row is a user."""
    columns = seen.profile.columns.values()
    if all(no_list(seen, column, "history") for column in columns):
        return
    items = [column.name for column in columns if not column.lists and not column.joined]
    seen.item = given.get("item") or max(items, key=lambda n: score(seen, n, "item").total, default=None)
    taken = [c for f, c in given.items() if c]
    possible = [column.name for column in columns if not no_list(seen, column, "history")]
    scores = [score(seen, name, "history") for name in possible if name not in taken]
    best = sorted(scores, key=lambda s: -s.total)
    seen.item = given.get("item")
    if not best or best[0].total < PAIR:
        return
    found.guess["history"] = best[0].column
    near = [s for s in best if best[0].total - s.total < LEAD]
    if len(near) > 1:
        found.questions.append(ranked_question(seen, "history", near, "several columns hold lists of items"))


def _pair(seen: Seen, found: Recognition, given: Mapping[str, str | None]) -> None:
    """User and item together: what is clearly the one leaves the other to the next.

    Beside a history the item is the target, and there need be none.
    """
    free = [name for name in seen.profile.columns if name not in given.values() and name != seen.history]
    columns = {"user": free, "item": free}
    for role in columns:
        if role in given:
            columns[role] = [name for name in [given[role]] if name]
    if seen.history and "item" not in given:
        columns["item"] = [name for name in free if _is_target(seen, name)]
    scores = {role: {name: score(seen, name, role) for name in names} for role, names in columns.items()}
    user, item = _best(scores["user"], scores["item"])
    for role, name in (("user", user), ("item", item)):
        if role in given:
            if not given[role] and not (seen.history and role == "item"):
                found.questions.append(ranked_question(seen, role, (), "none is chosen"))
            continue
        if name and scores[role][name].total >= POSSIBLE:
            found.guess[role] = name
        if seen.history and role == "item":
            continue
        other = "item" if role == "user" else "user"
        if not _sure(scores, role, user, item, other_given=bool(given.get(other) or seen.history)):
            ranked = scores[role].values()
            found.questions.append(ranked_question(seen, role, ranked, "no column is clearly it", first=name))


def _best(users: Mapping[str, Score], items: Mapping[str, Score]) -> tuple[str | None, str | None]:
    """The pair of columns with most points, or the best of the one where the other has no column."""
    firsts, seconds = (sorted(of.values(), key=lambda s: -s.total)[:2] for of in (users, items))
    pairs = [(u.total + i.total, u.column, i.column) for u in firsts for i in seconds]
    pairs = [pair for pair in pairs if pair[1] != pair[2]]
    if pairs:
        _, user, item = max(pairs, key=lambda pair: pair[0])
        return user, item
    best = max(users.values(), key=lambda s: s.total, default=None)
    alone = max(items.values(), key=lambda s: s.total, default=None)
    if best and alone and best.column == alone.column:
        return (best.column, None) if best.total >= alone.total else (None, alone.column)
    return best and best.column, alone and alone.column


def _sure(
    scores: Mapping[str, Mapping[str, Score]],
    role: str,
    user: str | None,
    item: str | None,
    *,
    other_given: bool,
) -> bool:
    """Whether the best column of the role leads clearly: ahead of others, and not as good swapped."""
    name = user if role == "user" else item
    if not name or scores[role][name].total < POSSIBLE:
        return False
    mine = scores[role][name].total
    rest = [s.total for column, s in scores[role].items() if column not in (user, item)]
    if any(mine - total < LEAD for total in rest):
        return False
    if not user or not item:
        return mine >= ENOUGH
    total = scores["user"][user].total + scores["item"][item].total
    swapped = scores["user"].get(item), scores["item"].get(user)
    if swapped[0] and swapped[1] and total - swapped[0].total - swapped[1].total < LEAD:
        return False
    needed = POSSIBLE if name.startswith(NAMELESS.format("")) else ALONE
    return other_given or (total >= PAIR and mine >= needed) or mine >= CLEAR


def _is_target(seen: Seen, name: str) -> bool:
    """The column holds single ids of the kind that the lists hold."""
    column = seen.column(name)
    if not seen.history or column.lists or column.joined or not column.some:
        return False
    if score(seen, name, "item").total < POSSIBLE:
        return False
    inside = set(seen.column(seen.history).elements())
    same = sum(i in inside for i in column.some) / len(column.some)
    return named_as(name, "item") > 0 or same >= COVERED


def _take(seen: Seen, found: Recognition, role: str) -> None:
    """The column of an optional role, a question where two are as good or a named one cannot be used."""
    free = [name for name in seen.profile.columns if name not in found.guess.values()]
    scores = sorted((score(seen, name, role) for name in free), key=lambda s: -s.total)
    good = [s for s in scores if s.total >= ENOUGH]
    if good:
        found.guess[role] = good[0].column
        near = [s for s in good if good[0].total - s.total < LEAD]
        if len(near) > 1 and role in ("timestamp", "rating", "title", "history_title"):
            found.questions.append(
                ranked_question(seen, role, near, "several columns fit as well", optional=True)
            )
    elif role in NEEDED:
        names = NEEDED[role]
        named = [s for s in scores if plain_name(s.column) in names and seen.column(s.column).some]
        if named:
            reason = f"{named[0].column!r} is named like it, but its values are not understood"
            found.questions.append(ranked_question(seen, role, named, reason, optional=True))


def ranked_question(
    seen: Seen,
    role: str,
    scores: Iterable[Score],
    reason: str,
    optional: bool = False,
    first: str | None = None,
) -> Question:
    """A question with the likely columns, the best guess `first`."""
    ranked = sorted(scores, key=lambda s: (s.column != first, -s.total))
    likely = [s for s in ranked if s.total >= POSSIBLE] or ranked[:3]
    candidates = tuple(
        Candidate(s.column, tuple(seen.column(s.column).examples()), "; ".join(s.why))
        for s in likely[:OFFERED]
    )
    return Question(role, reason, candidates, optional)
