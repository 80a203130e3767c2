"""The named edits of the dual model that a request may ask for, and how they are written.

Boundary: names and amounts; what an edit does to numbers is the engine's business. Written `NAME:AMOUNT` or
`NAME`, several joined by `+`. A reconstruction of the robustness part of LRGD (arXiv 2504.04386).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from db import choices
from db.errors import BadInput


@dataclass(frozen=True)
class Edit:
    """One edit of `choices.EDITS` with its amount, None where it takes none; `str(edit)` is its spelling."""

    name: str
    amount: float | None

    def __str__(self) -> str:
        return self.name if self.amount is None else f"{self.name}:{self.amount:g}"

    @property
    def kind(self) -> choices.EditChoice:
        """Its row of `choices.EDITS`."""
        return choices.EDITS[self.name]


def usual(name: str) -> Edit:
    """The edit with its default amount."""
    return Edit(name, choices.EDITS[name].amount)


def parse(text: str) -> tuple[Edit, ...]:
    """The edits of `NAME:AMOUNT+NAME...` in the table's order, which is the order they act in.

    Raises BadInput for an unknown edit, one written twice and an amount out of range.
    """
    edits = {edit.name: edit for edit in map(_edit, text.split("+"))}
    if len(edits) < text.count("+") + 1:
        raise BadInput(f"perturb: {text!r} names an edit twice.")
    return tuple(edits[name] for name in choices.EDITS if name in edits)


def _edit(text: str) -> Edit:
    name, colon, number = text.strip().partition(":")
    if name not in choices.EDITS:
        ways = ", ".join(choices.EDITS)
        raise BadInput(f"perturb: unknown edit {name!r}. Choose from {ways}, for example ridge:0.2.")
    kind = choices.EDITS[name]
    if not colon:
        return usual(name)
    if kind.amount is None or kind.most is None:
        raise BadInput(f"perturb: {name} takes no number.")
    try:
        amount = float(number)
    except ValueError:
        amount = math.nan
    if not 0 <= amount <= kind.most:
        raise BadInput(f"perturb: {name} takes a number from 0 to {kind.most:g}, not {number!r}.")
    return Edit(name, amount)


def drawn(edits: Sequence[Edit]) -> bool:
    """Whether any of them is random."""
    return any(edit.kind.drawn for edit in edits)
