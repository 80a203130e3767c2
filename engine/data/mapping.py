"""Which column is the user, which the item: guessed from names and values, correctable by the person.

Boundary: works on column names and a few sample rows; opens no file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from db.errors import BadInput
from engine.data.column_names import NAMELESS, NAMES, plain_name
from engine.data.values import is_date, is_number

FIELDS = ("user", "item", "timestamp", "rating", "title", "category", "brand")
SEQUENCE_FIELD = "history"  # RecBole's sequential form: the column with a list of items
ITEM_FIELDS = ("items_item", "items_title", "items_category", "items_brand")


Guess = dict[str, str | None]


def by_names(columns: Sequence[str], fields: Sequence[str]) -> Guess:
    """The best-named column for each field, each column used once."""
    free = {plain_name(column): column for column in reversed(columns)}
    guess: Guess = {}
    for field in fields:
        name = next((name for name in NAMES[field] if name in free), None)
        guess[field] = free.pop(name) if name else None
    return guess


def guess_interactions(
    columns: Sequence[str], rows: Sequence[Sequence[Any]], given: Mapping[str, str | None] | None = None
) -> tuple[Guess, list[str]]:
    """The column of each of FIELDS (user and item None where no name fits), and notes on guesses by value.

    Fields and columns that the person's mapping `given` names are left to it. A table without a header has no
    names, so its first free columns are the user and the item.
    """
    given = given or {}
    left = [c for c in columns if c not in given.values()]
    guess = dict.fromkeys(FIELDS) | by_names(left, [f for f in FIELDS if f not in given])
    notes: list[str] = []
    free = [c for c in left if c not in guess.values()]
    values = {c: [row[k] for row in rows if k < len(row)] for k, c in enumerate(columns)}
    for field, test in (("timestamp", _looks_like_time), ("rating", _looks_like_rating)):
        # a rating is only taken by value where the ids are already known or enough columns stay for them
        missing = sum(guess[f] is None and f not in given for f in ("user", "item"))
        if guess[field] is None and field not in given and len(free) > missing:
            column = next((c for c in reversed(free) if test(values[c])), None)
            if column:
                guess[field] = column
                free.remove(column)
                notes.append(f"{column!r} was taken as the {field} because of its values.")
    for field in ("user", "item"):
        if guess[field] is None and field not in given and free and columns[0] == NAMELESS.format(1):
            guess[field] = free.pop(0)
            notes.append(f"{guess[field]!r} was taken as the {field} because of its place: check it.")
    return guess, notes


def _looks_like_time(values: Sequence[Any]) -> bool:
    cells = [v for v in values if v not in (None, "")]
    if not cells:
        return False
    if all(is_date(v) for v in cells):
        return True
    return all(is_number(v) and 3e8 < float(v) < 2e19 for v in cells)


def _looks_like_rating(values: Sequence[Any]) -> bool:
    cells = [v for v in values if v not in (None, "")]
    if len(cells) < 5 or not all(is_number(v) for v in cells):
        return False
    numbers = [float(v) for v in cells]
    return len(set(numbers)) <= 20 and min(numbers) >= -10 and max(numbers) <= 10


def guess_items(columns: Sequence[str], item_column: str | None) -> Guess | None:
    """Columns of an item file, `None` when it has no id or no title."""
    guess = by_names(columns, ("item", "title", "category", "brand"))
    if item_column in columns:
        guess["item"] = item_column
    elif guess["item"] is None:
        guess["item"] = next((c for c in columns if plain_name(c) == "id"), None)
    if guess["item"] is None or guess["title"] in (None, guess["item"]):
        return None
    return {f"items_{field}": column for field, column in guess.items()}


def check_fields(mapping: Mapping[str, str | None] | None) -> None:
    """Raise BadInput when the mapping names a field that does not exist."""
    known = (*FIELDS, SEQUENCE_FIELD, "items_file", *ITEM_FIELDS)
    if unknown := next((field for field in mapping or {} if field not in known), None):
        raise BadInput(f"The mapping names an unknown field {unknown!r}; the fields are {', '.join(known)}.")


def correct(
    guess: Guess, mapping: Mapping[str, str | None] | None, columns: Sequence[str], where: str
) -> Guess:
    """`guess` with the person's `mapping` put over it; "" or None switches a field off. Raises BadInput.

    A column serves one field: the person's word takes it from where it was guessed, and of two fields that
    name it the first of the guess (user before item before the others) has it.
    """
    result = dict(guess)
    taken: set[str] = set()
    for field in [field for field in guess if field in (mapping or {})]:
        column = (mapping or {})[field] or None
        if column and column not in columns:
            raise BadInput(
                f"The mapping says {field} is in the column {column!r}, which {where} does not have; "
                f"its columns are {', '.join(map(repr, columns[:30]))}."
            )
        if column in taken:
            column = None
        if column:
            result = {f: None if c == column else c for f, c in result.items()}
            taken.add(column)
        result[field] = column
    return result
