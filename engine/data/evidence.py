"""Why a column is taken for the user, the item, the time: one table of clues with their weights.

Boundary: scores the columns of a profiled table for each role; `engine.data.recognition` chooses by them. The
sentences of the clues that hold are what the preview shows. Place in the file is no clue.

To add a clue: a test in `engine.data.clues` and a row of `CLUES`; a negative weight speaks against.
"""

from __future__ import annotations

from dataclasses import dataclass

from engine.data import clues
from engine.data.clues import Seen, Test
from engine.data.profile import Column


@dataclass(frozen=True)
class Clue:
    """`weight` x the result of `test` is added to the score of a column for each of `roles`.

    `says`: the sentence of the preview; `{...}` are filled from the column.
    """

    roles: tuple[str, ...]
    weight: float
    says: str
    test: Test


@dataclass(frozen=True)
class Score:
    """What the clues say of one column in one role."""

    column: str
    total: float
    why: tuple[str, ...]


WHO = ("user", "item")
FACTS = ("title", "category", "brand")
EVERY = (*WHO, "timestamp", "rating", *FACTS, "history", "history_title")

CLUES: tuple[Clue, ...] = (
    Clue(EVERY, 6.0, "named like it", clues.exact),
    Clue(("title",), 4.0, "its name speaks of titles", clues.likely),
    Clue(
        (*WHO, "timestamp", "rating", "history", "history_title"), 4.0, "its name speaks of it", clues.likely
    ),
    Clue(EVERY, -5.0, "another column has a better name", clues.better),
    Clue(EVERY, -4.0, "its name says something else", clues.other_role),
    Clue((*WHO, "rating", "title"), -6.0, "its name says a measure or a fact", clues.other_words),
    # who and what
    Clue(WHO, 1.5, "{distinct:,} distinct, each {often} times", clues.comes_back),
    Clue(("user",), -4.0, "no value comes back", clues.alone),
    Clue(("item",), -3.0, "no value comes back", clues.alone),
    Clue(WHO, -2.0, "one value in every row", clues.constant),
    Clue(("user",), -2.0, "it counts the rows", clues.row_number),
    Clue(("item",), -4.0, "it counts the rows", clues.row_number),
    Clue(WHO, -8.0, "its values are no ids", clues.no_id),
    Clue(WHO, -8.0, "most of its cells are empty", clues.mostly_empty),
    Clue(WHO, -2.0, "its values look like marks", clues.marks),
    Clue(WHO, -2.0, "a few values only", clues.few_values),
    Clue(("user",), -4.0, "its values are sentences", clues.sentences),
    Clue(("item",), -1.0, "its values are sentences", clues.sentences),
    Clue(WHO, 3.0, "ids as Amazon writes them", clues.pattern(clues.REVIEWER, clues.ASIN)),
    Clue(WHO, 3.0, "ids that say it", clues.pattern(clues.USER_ID, clues.ITEM_ID)),
    Clue(WHO, 4.0, "its ids are listed in a file beside it", clues.listed_beside),
    Clue(("user",), 3.0, "the file is ordered by it", clues.together),
    Clue(("user",), 1.0, "times grow within it", clues.times_grow),
    Clue(WHO, -6.0, "its type says a number or a list", clues.typed("float", "float_seq", "token_seq")),
    # lists
    Clue(("history", "history_title"), 3.0, "its cells are lists", clues.lists),
    Clue(("history", "history_title"), 2.0, "its type says a list", clues.typed("token_seq")),
    Clue(("history", "history_title"), -9.0, "its cells are no lists", clues.no_list),
    Clue(("history_title",), -9.0, "its lists hold numbers", clues.lists_of_numbers),
    Clue(("history_title",), -9.0, "its cells are ids", clues.joined_ids),
    Clue(("history",), -9.0, "its type says numbers", clues.typed("float", "float_seq")),
    Clue(("history",), 4.0, "its lists hold item ids", clues.holds_items),
    Clue(("history",), 2.0, "all of them ids listed in a file beside it", clues.all_listed),
    Clue(("history",), 3.0, "named like the item", clues.named_like_item),
    Clue(("history", "history_title"), -6.0, "its name says tags or words", clues.attributes),
    Clue(("history",), -6.0, "the same for all rows of an item", clues.fact_of_item),
    # when
    Clue(("timestamp",), 4.0, "dates or numbers of a clock", clues.clock),
    Clue(("timestamp",), 4.0, "it counts the rows of each user", clues.numbering),
    Clue(("timestamp",), -9.0, "its values are no times", clues.no_time),
    Clue(("timestamp",), -6.0, "its name says an id", clues.id_named),
    Clue(("timestamp",), -3.0, "the same for all rows of an item", clues.of_item),
    Clue(("timestamp",), -3.0, "the same for all rows of a user", clues.of_user),
    Clue(("timestamp",), -3.0, "one value in every row", clues.constant),
    # how good
    Clue(("rating",), 2.5, "few values in even steps", clues.steps),
    Clue(("rating",), 3.0, "words for liked and disliked", clues.taste),
    Clue(("rating",), 1.0, "no column has a name", clues.nameless),
    Clue(("rating",), -9.0, "its values are no ratings", clues.unrated),
    Clue(("rating",), -1.5, "one value in every row", clues.constant),
    Clue(("rating",), -2.0, "the same for all rows of an item", clues.of_item),
    Clue(("rating",), -3.0, "many different numbers", clues.negative_or_odd),
    Clue(("rating",), -6.0, "its values are times", clues.clock),
    # facts of the item
    Clue(FACTS, 1.0, "one value per item", clues.one_per_item),
    Clue(FACTS, -20.0, "it varies within an item", clues.varies),
    Clue(("title",), 1.5, "words", clues.text),
    Clue(("title",), 0.5, "differs from item to item", clues.differs),
    Clue(("title",), -3.0, "many items share a value", clues.shared),
    Clue(("title",), -9.0, "its values are no words", clues.no_text),
    Clue(("title",), -2.0, "long texts", clues.long_text),
    Clue(("title",), -6.0, "it may be the review's, for no item comes back", clues.unconfirmed),
    Clue(("title", "items_title"), -8.0, "it is a person's", clues.of_person),
    # the item file
    Clue(("items_item",), 4.0, "named like the interactions' items", clues.same_name),
    Clue(("items_item",), 3.0, "named like an id", clues.id_name),
    Clue(("items_item",), 5.0, "it lists the items of the interactions", clues.covers),
    Clue(("items_item",), -9.0, "it lists other items", clues.foreign),
    Clue(("items_item",), 2.0, "one row per value", clues.one_row),
    Clue(("items_item",), -6.0, "several rows per value", clues.several_rows),
    Clue(("items_item",), -8.0, "its values are no ids", clues.no_id),
    Clue(("items_item",), -6.0, "it is a person's", clues.person_id),
)

ITEM_FILE = {"items_title": "title", "items_category": "category", "items_brand": "brand"}
"""Roles in an item file that have the clues of a role in interactions."""


def score(seen: Seen, name: str, role: str) -> Score:
    """The score of a column in a role, with the sentences of the clues that hold."""
    column = seen.column(name)
    role = ITEM_FILE.get(role, role)
    total, why = 0.0, []
    for clue in CLUES:
        if role in clue.roles and (amount := float(clue.test(seen, column, role))):
            total += clue.weight * amount
            said = _say(clue.says, column)
            why.append(said if clue.weight > 0 else f"but {said}")
    return Score(name, total, tuple(why))


def _say(sentence: str, column: Column) -> str:
    if "{" not in sentence:
        return sentence
    fewest, most = min(column.counts.values()), max(column.counts.values())
    often = f"{fewest:,} to {most:,}" if most > fewest else f"{most:,}"
    said = sentence.format(distinct=column.distinct, often=often)
    return said if column.whole else f"{said} in the first {len(column.values):,} rows"
