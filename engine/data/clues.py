"""What can speak for a column: one small test per clue, on a profiled table.

Boundary: facts alone, 0 (does not hold) to 1; `engine.data.evidence` says which role each speaks for and how
much. Every test takes what is seen, the column, and the role asked about.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from itertools import islice, pairwise

from engine.data.column_names import (
    EXACT,
    IDENTITY,
    NAMELESS,
    NAMES,
    ORDERING,
    REVIEW,
    better_named,
    named_as,
    parts,
    plain_name,
    says_attributes,
    says_other,
)
from engine.data.profile import Column, Profile
from engine.data.ratings import UNCLEAR, WORDS, is_rating

ONE_VALUE = 0.8  # of an item's rows carry the commonest title, where it is the item's title
COVERED = 0.5  # of the ids of one table are in another, where both mean the same things

ASIN = re.compile(r"(B0[0-9A-Z]{8}|\d{9}[\dX])$")
REVIEWER = re.compile(r"A[0-9A-Z]{9,20}$")
USER_ID = re.compile(
    r"(u|usr|user|customer|cust|member|reviewer|visitor|shopper|client|buyer)[-_: ]?\d+$", re.I
)
ITEM_ID = re.compile(r"(i|item|prod|product|movie|book|track|song|news|sku|art|article)[-_: ]?\d+$", re.I)


@dataclass(frozen=True)
class Catalogue:
    """Ids that stand once each in a table beside the interactions, and what its name says of them."""

    file: str
    column: str
    ids: Collection[str]
    people: bool = False


@dataclass
class Seen:
    """A profiled table, the other tables' ids, and the roles that are settled by now.

    `bought`, `item_name`: of an item table, the ids and the name of the interactions' item column;
    `further`: those of `bought` that a column holds after the rows looked at.
    """

    profile: Profile
    catalogues: Sequence[Catalogue] = ()
    user: str | None = None
    item: str | None = None
    history: str | None = None
    bought: Collection[str] = ()
    item_name: str = ""
    further: dict[str, Collection[str]] = field(default_factory=dict)

    def column(self, name: str) -> Column:
        return self.profile.columns[name]

    def covered(self, name: str, *, people: bool = False, lists: bool = False) -> float:
        """Largest share of a column's ids that another table lists."""
        ids = set(self.column(name).elements()) if lists else set(self.column(name).some)
        beside = [c.ids for c in self.catalogues if c.people == people]
        return max((sum(i in known for i in ids) / max(1, len(ids)) for known in beside), default=0.0)


Test = Callable[[Seen, Column, str], float]


def exact(_: Seen, column: Column, role: str) -> float:
    return named_as(column.name, role) == EXACT


def likely(_: Seen, column: Column, role: str) -> float:
    return 0 < named_as(column.name, role) < EXACT


def better(seen: Seen, column: Column, role: str) -> float:
    return exact(seen, column, role) and better_named(column.name, list(seen.profile.columns), role)


def other_role(_: Seen, column: Column, role: str) -> float:
    """The name is a known one of another role; lists of items may be called like one item."""
    if named_as(column.name, role) == EXACT or (role == "history" and (column.lists or column.joined)):
        return 0.0
    others = [other for other in NAMES if other != role and not (other == "rating" and column.words)]
    return any(named_as(column.name, other) == EXACT for other in others)


def typed(*kinds: str) -> Test:
    return lambda _, column, __: column.name.endswith(tuple(f":{kind}" for kind in kinds))


def alone(seen: Seen, column: Column, __: str) -> float:
    return not seen.history and column.rows > 1 and column.distinct == column.rows


def row_number(_: Seen, column: Column, __: str) -> float:
    """1, 2, 3 and so on, down the file."""
    first = column.texts[:100]
    if len(first) < 5 or not all(text.isdigit() for text in first) or column.distinct < column.rows:
        return 0.0
    return all(int(b) - int(a) == 1 for a, b in pairwise(first))


def constant(_: Seen, column: Column, __: str) -> float:
    return column.rows > 1 and column.distinct == 1


def mostly_empty(_: Seen, column: Column, __: str) -> float:
    return column.rows < 0.5 * len(column.values)


def comes_back(_: Seen, column: Column, __: str) -> float:
    return 1 < column.distinct <= 0.8 * column.rows


def id_named(seen: Seen, column: Column, role: str) -> float:
    said = parts(column.name)
    return bool(said) and said[-1] in IDENTITY and not numbering(seen, column, role)


def numbering(seen: Seen, column: Column, _: str) -> float:
    """1, 2, 3 and so on within each user, under a name that speaks of an order."""
    if not seen.user or not column.whole_numbers or not set(parts(column.name)) & ORDERING:
        return 0.0
    return seen.profile.counts_up(column.name, seen.user)


def no_id(_: Seen, column: Column, role: str) -> float:
    clock = column.epochs and not named_as(column.name, role)  # ids of ten digits look like seconds
    fractions = column.numeric and not column.whole_numbers
    return column.lists or column.dates or fractions or clock or column.urls


def marks(_: Seen, column: Column, __: str) -> float:
    return column.steps and column.distinct <= 11 and column.repeats > 5


def sentences(_: Seen, column: Column, __: str) -> float:
    return column.words > 4 or column.length > 60


def few_values(_: Seen, column: Column, __: str) -> float:
    return 1 < column.distinct <= 20 and column.repeats > (200 if column.distinct > 5 else 20)


def pattern(users: re.Pattern[str], items: re.Pattern[str]) -> Test:
    def test(_: Seen, column: Column, role: str) -> float:
        return column.share((users if role == "user" else items).match) >= 0.9

    return test


def listed_beside(seen: Seen, column: Column, role: str) -> float:
    return seen.covered(column.name, people=role == "user") >= COVERED


def together(seen: Seen, column: Column, _: str) -> float:
    """Its rows stand together, those of the other columns do not; without times this is a user's order."""
    if not column.together or any(
        other.together for other in seen.profile.columns.values() if other.name != column.name
    ):
        return 0.0
    timed = any(other.epochs or other.dates for other in seen.profile.columns.values())
    return 0.3 if timed else 1.0


def times_grow(seen: Seen, column: Column, _: str) -> float:
    if column.repeats < 2 or column.distinct < 2 or not column.together:
        return 0.0
    time = next((c.name for c in seen.profile.columns.values() if c.epochs or c.dates), None)
    return time is not None and seen.profile.grows(time, column.name)


def lists(_: Seen, column: Column, __: str) -> float:
    return column.lists or column.joined


def joined_ids(_: Seen, column: Column, __: str) -> float:
    """Ids in one text, as of impressions: `N2-1 N3-0`. Titles there could not be told apart."""
    return column.joined


def no_list(_: Seen, column: Column, __: str) -> float:
    said = column.lists or column.joined or column.name.endswith(":token_seq")
    return not said and column.words < 1.5


def holds_items(seen: Seen, column: Column, _: str) -> float:
    """The elements of its lists are ids of the item column or of another table."""
    if not column.lists and column.numeric:
        return 0.0
    inside = set(column.elements())
    if not inside:
        return 0.0
    shares = [seen.covered(column.name, lists=True)]
    if seen.item and seen.item != column.name:
        items = seen.column(seen.item).counts
        mine = sum(i in items for i in inside) / len(inside)
        theirs = sum(i in inside for i in seen.column(seen.item).some) / max(
            1, len(seen.column(seen.item).some)
        )
        shares.append(min(mine, theirs))  # a few numbers of another kind are among many ids by chance
    return max(shares) >= COVERED


def all_listed(seen: Seen, column: Column, _: str) -> float:
    return seen.covered(column.name, lists=True) >= 0.95


def named_like_item(seen: Seen, column: Column, _: str) -> float:
    """`item_id_list` beside `item_id`, or an item column whose cells are lists."""
    plain = plain_name(column.name)
    beside = bool(seen.item) and seen.item != column.name and plain.startswith(plain_name(str(seen.item)))
    return beside or ((column.lists or column.joined) and named_as(column.name, "item") > 0)


def lists_of_numbers(_: Seen, column: Column, __: str) -> float:
    inside = [*islice(column.elements(), 1000)]
    return bool(inside) and not any(any(map(str.isalpha, element)) for element in inside)


def attributes(_: Seen, column: Column, __: str) -> float:
    return says_attributes(column.name)


def unconfirmed(seen: Seen, column: Column, _: str) -> float:
    """No item comes back, and texts of reviews stand beside it: the title may be a review's."""
    if not seen.item or seen.item_name or seen.profile.within(column.name, seen.item)[1] >= 3:
        return 0.0
    others = [other for other in seen.profile.columns.values() if other.name not in (column.name, seen.item)]
    return any(set(parts(other.name)) & REVIEW and other.words >= 1.5 for other in others)


def clock(_: Seen, column: Column, __: str) -> float:
    return column.dates or column.epochs


def no_time(_: Seen, column: Column, __: str) -> float:
    return not (column.dates or column.numeric)


def of_item(seen: Seen, column: Column, _: str) -> float:
    """One value per item, though items come back and the column has several values."""
    return belongs(seen, column, seen.item)


def fact_of_item(seen: Seen, column: Column, role: str) -> float:
    """The same, for lists; where no name says which column is the item, lists of items may be a user's."""
    if seen.item and not named_as(seen.item, "item") and all_listed(seen, column, role):
        return 0.0
    return of_item(seen, column, role)


def of_user(seen: Seen, column: Column, _: str) -> float:
    return belongs(seen, column, seen.user)


def belongs(seen: Seen, column: Column, key: str | None) -> float:
    if not key or key == column.name or column.distinct < 3:
        return 0.0
    share, compared = seen.profile.within(column.name, key)
    return compared >= 3 and share > 0.999


def rated(_: Seen, column: Column, __: str) -> float:
    return bool(column.some) and column.share(is_rating) >= 0.8


def unrated(seen: Seen, column: Column, role: str) -> float:
    return not rated(seen, column, role)


def steps(_: Seen, column: Column, __: str) -> float:
    return column.steps


def taste(_: Seen, column: Column, __: str) -> float:
    """Words that say liked and disliked, both of them; yes and no may speak of anything."""
    said = {text.lower() for text in column.some}
    return len({WORDS.get(word) for word in said}) == 2 and said <= WORDS.keys() and not said & UNCLEAR


def nameless(_: Seen, column: Column, __: str) -> float:
    return column.steps and re.fullmatch(NAMELESS.format(r"\d+"), column.name) is not None


def negative_or_odd(_: Seen, column: Column, __: str) -> float:
    return column.numeric and not column.steps and column.distinct > 101


def one_per_item(seen: Seen, column: Column, _: str) -> float:
    if not seen.item:
        return 0.0
    share, compared = seen.profile.within(column.name, seen.item)
    return min(1.0, compared / 5) if share >= ONE_VALUE else 0.0


def varies(seen: Seen, column: Column, _: str) -> float:
    if not seen.item or seen.item_name:  # an item file's first row of an item counts
        return 0.0
    share, compared = seen.profile.within(column.name, seen.item)
    return compared > 0 and share < ONE_VALUE


def differs(seen: Seen, column: Column, _: str) -> float:
    """Nearly as many values as items."""
    rows = seen.column(seen.item).distinct if seen.item else column.rows
    return column.distinct >= 0.6 * rows


def shared(seen: Seen, column: Column, role: str) -> float:
    rows = seen.column(seen.item).distinct if seen.item else column.rows
    return rows >= 5 and not differs(seen, column, role)


def text(_: Seen, column: Column, __: str) -> float:
    return column.words >= 1.2 and not column.lists and column.length <= 200


def no_text(_: Seen, column: Column, __: str) -> float:
    return column.numeric or column.dates or column.urls or column.lists or not column.some


def long_text(_: Seen, column: Column, __: str) -> float:
    return column.length > 200


def other_words(_: Seen, column: Column, __: str) -> float:
    return says_other(column.name)


def of_person(_: Seen, column: Column, __: str) -> float:
    said = set(parts(column.name))
    return bool(said & {"user", "reviewer", "customer", "review", "author"}) and not named_as(
        column.name, "user"
    )


def same_name(seen: Seen, column: Column, _: str) -> float:
    return bool(seen.item_name) and plain_name(column.name) == plain_name(seen.item_name)


def id_name(_: Seen, column: Column, __: str) -> float:
    return plain_name(column.name) == "id" or named_as(column.name, "item") > 0


def named_of(seen: Seen, column: Column) -> float:
    """Share of the items bought that a column of the item table lists."""
    further = seen.further.get(column.name, ())
    return sum(i in column.counts or i in further for i in seen.bought) / max(1, len(seen.bought))


def covers(seen: Seen, column: Column, _: str) -> float:
    return bool(seen.bought) and named_of(seen, column) >= COVERED


def foreign(seen: Seen, column: Column, _: str) -> float:
    """The column names hardly one of the items that were bought."""
    return bool(seen.bought) and named_of(seen, column) < 0.05


def person_id(_: Seen, column: Column, __: str) -> float:
    return named_as(column.name, "user") > 0


def several_rows(_: Seen, column: Column, __: str) -> float:
    return column.rows > 1 and column.distinct < 0.8 * column.rows


def one_row(_: Seen, column: Column, __: str) -> float:
    return column.distinct >= 0.95 * column.rows > 0
