"""The named edits of the dual model that a request may ask for, and how they are written.

Boundary: names, amounts and words for people; what an edit does to numbers is the engine's business
(engine/lrgd/perturb.py, engine/llm/scoring/perturbed_prompts.py).
Written `NAME:AMOUNT` or `NAME`, several joined by `+`.
A reconstruction of the robustness part of LRGD (arXiv 2504.04386).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from db.errors import BadInput


@dataclass(frozen=True)
class Kind:
    """One edit. `amount`: where none is written; `most`: the largest; both None where it takes no number.

    `drawn`: made by chance, so that a ranking averages several draws and effects have a spread.
    """

    label: str
    about: str
    drawn: bool
    amount: float | None
    most: float | None = None


KINDS: dict[str, Kind] = {
    "weights": Kind(
        "Weight noise",
        "every sample weight times a lognormal of mean 1; the amount is its log-spread",
        True,
        0.5,
        2.0,
    ),
    "dropout": Kind("Dropout", "each demonstration left out with this probability", True, 0.25, 0.9),
    "values": Kind(
        "Value noise",
        "noise on the values of the demonstrations' tokens; the amount is its size in root mean squares",
        True,
        0.1,
        2.0,
    ),
    "typos": Kind("Typos", "this share of the words of demonstrated titles misspelt", True, 0.1, 1.0),
    "truncation": Kind(
        "Truncated titles", "up to this share of each demonstrated title's words cut off", True, 0.3, 0.9
    ),
    "ridge": Kind("Ridge", "the step shortened: every weight times 1 less the amount", False, 0.2, 1.0),
    "negatives": Kind(
        "Negatives",
        "this much of the mean value of what the user disliked taken off the demonstrations' values",
        False,
        0.5,
        4.0,
    ),
    "order": Kind("Order", "the demonstrations in another order", True, None),
}
DISLIKED = 3.0
"""Stars below which a purchase counts as disliked."""


@dataclass(frozen=True)
class Edit:
    """One edit of `KINDS` with its amount (None where the kind has none); `str(edit)` is its one spelling."""

    name: str
    amount: float | None

    def __str__(self) -> str:
        return self.name if self.amount is None else f"{self.name}:{self.amount:g}"

    @property
    def kind(self) -> Kind:
        """What there is to know of it."""
        return KINDS[self.name]


def parse(text: str) -> tuple[Edit, ...]:
    """The edits of `NAME:AMOUNT+NAME...` in the table's order, which is the order they act in.

    Raises BadInput for an edit there is not, one written twice and an amount out of range.
    """
    found = {edit.name: edit for edit in map(_edit, text.split("+"))}
    if len(found) < text.count("+") + 1:
        raise BadInput(f"perturb: {text!r} names an edit twice.")
    return tuple(found[name] for name in KINDS if name in found)


def _edit(text: str) -> Edit:
    name, colon, number = text.strip().partition(":")
    if name not in KINDS:
        ways = ", ".join(KINDS)
        raise BadInput(f"perturb: there is no edit {name!r}. There are {ways}; write for example ridge:0.2.")
    kind = KINDS[name]
    if not colon:
        return Edit(name, kind.amount)
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
    """Whether chance has a part in any of them."""
    return any(edit.kind.drawn for edit in edits)
