"""What a person's mapping may say, and putting it over the guess.

Boundary: works on names of fields and columns; opens no file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from db.errors import BadInput
from engine.data.recognition import Guess

FIELDS = ("user", "item", "timestamp", "rating", "title", "category", "brand", "history", "history_title")
ITEM_FIELDS = ("items_item", "items_title", "items_category", "items_brand")
FILE_FIELDS = ("file", "items_file")
EVERY = (*FIELDS, *FILE_FIELDS, *ITEM_FIELDS)


def check_fields(mapping: Mapping[str, str | None] | None) -> None:
    """Raise BadInput when the mapping names a field that does not exist, or one column for two fields."""
    mapping = mapping or {}
    if unknown := next((field for field in mapping if field not in EVERY), None):
        raise BadInput(f"The mapping names an unknown field {unknown!r}; the fields are {', '.join(EVERY)}.")
    if not mapping.get("user", "user"):
        raise BadInput("The mapping leaves out the user; an import needs one.")
    for fields in (FIELDS, ITEM_FIELDS):
        taken: dict[str, str] = {}
        for field in fields:
            column = mapping.get(field)
            if column and column in taken:
                raise BadInput(
                    f"The mapping says that {taken[column]} and {field} are both in the column {column!r}; "
                    "a column serves one field."
                )
            if column:
                taken[column] = field


def check_columns(
    mapping: Mapping[str, str | None] | None, fields: Sequence[str], columns: Sequence[str], where: str
) -> None:
    """Raise BadInput when the mapping puts one of `fields` in a column that is not there."""
    for field in fields:
        column = (mapping or {}).get(field)
        if column and column not in columns:
            raise BadInput(
                f"The mapping says {field} is in the column {column!r}, which {where} does not have; "
                f"its columns are {', '.join(map(repr, columns[:30]))}."
            )


def correct(
    guess: Guess, mapping: Mapping[str, str | None] | None, columns: Sequence[str], where: str
) -> Guess:
    """The columns of a known format with the person's `mapping` put over them; "" or None: none.

    Raises BadInput for a column that is not there, and for a field that this format does not take.
    """
    mapping = mapping or {}
    if other := next((f for f in mapping if f not in guess and mapping[f]), None):
        raise BadInput(
            f"{where} is of a known format, whose {other} cannot be chosen; its fields are "
            f"{', '.join(guess)}. Import it with --format generic to choose every column."
        )
    check_columns(mapping, list(guess), columns, where)
    chosen = {mapping[field] for field in guess if mapping.get(field)}
    kept = {field: None if column in chosen else column for field, column in guess.items()}
    return kept | {field: mapping[field] or None for field in guess if field in mapping}
