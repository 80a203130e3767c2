"""Several files of one table: train, valid and test, or numbered parts.

Boundary: compares names and columns; reads nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from engine.data.column_names import words
from engine.data.tables.table import Table

PARTS = ("prior", "train", "training", "valid", "validation", "val", "dev", "test", "testing", "eval")
_PART = re.compile(rf"(?:^|[-_. ])({'|'.join(sorted(PARTS, key=len, reverse=True))})(?=$|[-_. \d])")
_MONTHS = words("jan feb mar apr may jun jul aug sep oct nov dec")
_MONTH = re.compile(rf"(?<![a-z])({'|'.join(_MONTHS)})[a-z]*")
_NUMBER = re.compile(r"\d+")


def part_of(stem: str) -> tuple[str, tuple[int, ...]]:
    """(name that the parts of a table share, place among them): `x.train`, `part-00001-of-2`, `2019-Oct`."""
    months = [_MONTHS.index(month) for month in _MONTH.findall(stem)]
    split = _PART.search(stem)
    place = PARTS.index(split[1]) if split else -1
    shared = _MONTH.sub("#", _PART.sub("", stem, count=1))
    numbers = [int(number) for number in _NUMBER.findall(shared)]
    return _NUMBER.sub("#", shared).strip("-_. "), (place, *numbers, *months)


def parts_of(table: Table, others: Sequence[Table], needed: Sequence[str]) -> list[Table]:
    """`table` and its other parts among `others`, in their order: same name but the part, with the columns
    that are `needed`."""
    name, place = part_of(table.member.stem)
    found = [(place, table)]
    for other in others:
        its_name, its_place = part_of(other.member.stem)
        if its_name == name and its_place != place and set(needed) <= set(other.columns):
            found.append((its_place, other))
    return [table for _, table in sorted(found, key=lambda pair: (pair[0], pair[1].member.name))]
