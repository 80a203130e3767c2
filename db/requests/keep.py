"""Demonstrations that stay where they are while a strategy or the optimizer fills the other places.

Written `ID*WEIGHT@PLACE,...`: places count from 1, in prompt order, the last next to the query.
"""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from db.canonical import exact
from db.errors import BadInput
from db.names import quoted

Entry = TypeVar("Entry")

_FORM = re.compile(r"([^*@,\s]+)(?:\*([0-9.eE+-]+))?@(\d{1,2})")


@dataclass(frozen=True)
class Kept:
    """A demonstration by its id, with its weight and its place in the prompt, from 1."""

    id: str
    weight: float
    place: int


def read_kept(text: str | None) -> tuple[Kept, ...]:
    """What is written, by place; none for None. Raises BadInput."""
    if text is None:
        return ()
    kept = sorted((_read(part.strip()) for part in text.split(",")), key=lambda one: one.place)
    for values, what in (([one.id for one in kept], "demonstration"), ([one.place for one in kept], "place")):
        if len(set(values)) < len(values):
            raise BadInput(f"keep: a {what} is named twice in {quoted(text)}.")
    return tuple(kept)


def write_kept(kept: Iterable[Kept]) -> str | None:
    """The text that `read_kept` reads; None for none."""
    return ",".join(f"{one.id}*{exact(one.weight)}@{one.place}" for one in kept) or None


def around(free: Sequence[Entry], kept: Iterable[tuple[int, Entry]]) -> list[Entry]:
    """Both in prompt order: what is kept at its place, or last where there are fewer, the others around."""
    whole = list(free)
    for place, entry in sorted(kept, key=lambda one: one[0]):
        whole.insert(place - 1, entry)
    return whole


def check_room(text: str | None, size: int | None, what: str) -> None:
    """Raises BadInput where no place is left beside what is kept. `size`: of all, None where unknown."""
    kept = read_kept(text)
    if kept and size is not None and size <= len(kept):
        raise BadInput(
            f"keep: {len(kept)} demonstrations are kept, and {what} asks for {size} in all: none is left to "
            "choose. Ask for more, or keep fewer."
        )


def _read(part: str) -> Kept:
    form = _FORM.fullmatch(part)
    try:
        if form is None or int(form[3]) < 1:
            raise ValueError
        weight = 1.0 if form[2] is None else float(form[2])
    except ValueError:
        raise BadInput(f"keep: expected ID*WEIGHT@PLACE,..., got {quoted(part)}.") from None
    if not math.isfinite(weight) or weight < 0:
        raise BadInput(f"keep: {form[1]}: a weight is a number from 0 up, got {weight}.")
    return Kept(form[1], weight, int(form[3]))
