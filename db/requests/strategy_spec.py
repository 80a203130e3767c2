"""How a strategy is written: `none`, `NAME:K` (K demonstrations) or `NAME:Tt` (what fits in T tokens).

Where a strategy is written, `set:NAME` takes a stored set instead, and `set:NAME@DIGEST` one version of it.
"""

import re
from dataclasses import dataclass

from db import choices
from db.errors import BadInput

MOST = 64
"""The maximum number of demonstrations of a strategy: no prompt holds more."""

_FORM = re.compile(
    r"none|set:(?P<set>[^:@,]+(?:@[0-9a-f]{16})?)|[a-z][a-z0-9_-]*:(?:(?P<size>\d{1,3})|\d{1,5}t)"
)

MOST_TOKENS = 99_999
SHORT = 16
"""Tokens of a short demonstration: a token budget considers as many windows as would fit at this length."""


@dataclass(frozen=True)
class Spec:
    """A strategy and how many demonstrations it chooses; `str(spec)` is its canonical spelling.

    `tokens`: the token budget of all demonstrations, None where only their number counts. `reference`: of the
    stored set that holds them, which says how many there are.
    """

    name: str
    size: int
    tokens: int | None = None
    reference: str | None = None

    def __str__(self) -> str:
        if self.name == choices.SET.name:
            return f"{self.name}:{self.reference}"
        if self.name == "none":
            return self.name
        return f"{self.name}:{self.size}" if self.tokens is None else f"{self.name}:{self.tokens}t"

    @property
    def choice(self) -> choices.StrategyChoice:
        """The row of its strategy."""
        return choices.FILLED_BY[self.name]

    def times(self, prompts: int) -> "Spec":
        """The size for several prompts. Raises BadInput where it is too large, and for a set."""
        if self.reference and prompts > 1:
            raise BadInput(f"prompts: {self} fills one prompt. Ask for one, or for a strategy.")
        if self.reference or prompts == 1:
            return self
        if self.size * prompts > MOST and self.tokens is None:
            raise BadInput(f"prompts: {prompts} times {self} is more than {MOST} demonstrations.")
        if self.tokens is None:
            return Spec(self.name, self.size * prompts)
        return _budget(self.name, self.tokens * prompts)


def reference_of(written: str) -> str | None:
    """The stored set that is written where a strategy is, as NAME or NAME@DIGEST; None for a strategy."""
    form = _FORM.fullmatch(written)
    return form["set"] if form else None


def is_derived(written: str) -> bool:
    """Whether a written strategy changes what another one chose; False for one that is gone."""
    choice = choices.STRATEGIES.get(written.partition(":")[0])
    return choice is not None and choice.derived


def shortfall(written: str, prompts: int, count: int) -> str | None:
    """Why there are `count` demonstrations where this strategy was asked for more; None where there are not.

    Of a request, not of its run: requests that lead to the same prompt share one stored run.
    """
    size = written_size(written)
    if size is None or count >= size * prompts:
        return None
    choice = choices.STRATEGIES.get(written.partition(":")[0])
    if choice is not None and choice.optimized:
        return (
            f"{choice.label[:1].upper()}{choice.label[1:]} kept {count} of at most {size} demonstrations; it "
            "rejects those that do not help on past interactions."
        )
    return f"Only {count} of {size * prompts} demonstrations of this kind exist for this user."


def left_out(excluded: int, chosen: int) -> str:
    """How many of the chosen demonstrations were left out because they show the target's item."""
    if not chosen:
        return "There is no demonstration that could show the target's item."
    if not excluded:
        return "No demonstration shows the target's item: nothing was left out."
    verb = "shows" if excluded == 1 else "show"
    return (
        f"Left out after the choice: {excluded} of {chosen} demonstrations, which {verb} the target's item. "
        "This takes knowledge of the target. It tells what remains without them and chooses nothing."
    )


def written_size(spec: str) -> int | None:
    """The number of demonstrations in a written strategy; None for a token budget and for a stored set.

    Checks the form only, so that a stored request stays readable when a strategy is gone. Raises BadInput.
    """
    form = _FORM.fullmatch(spec)
    if form is None:
        raise BadInput(
            "demos: expected `none`, NAME:K such as neighbours:4, NAME:Tt (tokens) such as neighbours:300t, "
            f"or set:NAME for a stored set, got {spec!r}."
        )
    return None if form["set"] or spec.endswith("t") else int(form["size"] or 0)


def parse_spec(spec: str) -> Spec:
    """`none`, `NAME:K` with K from 0 to 64, `NAME:Tt` or `set:NAME`. BadInput says what is wrong, with the
    choices."""
    name, colon, size = spec.strip().partition(":")
    if name == choices.SET.name:
        if (reference := reference_of(spec.strip())) is None:
            raise BadInput(
                f"demos is {spec!r}: write set:NAME with the name of a stored set (see `sets list`), or "
                "set:NAME@DIGEST for one version of it."
            )
        return Spec(name, MOST, reference=reference)
    ways = ", ".join(f"{way}:K" for way in choices.STRATEGIES if way != "none")
    if name not in choices.STRATEGIES:
        raise BadInput(
            f"demos is {spec!r}: unknown strategy {name!r}. Write none, one of {ways}, or set:NAME."
        )
    if name == "none":
        if colon:
            raise BadInput(f"demos is {spec!r}: none takes no number. Write none.")
        return Spec(name, 0)
    number = size.removesuffix("t")
    least, most = (0, MOST) if number == size else (1, MOST_TOKENS)
    if not (number.isascii() and number.isdigit() and least <= int(number) <= most):
        raise BadInput(
            f"demos is {spec!r}: write {name}:K with K a number from 0 to {MOST}, or {name}:Tt with T "
            f"tokens, a number from 1 to {MOST_TOKENS}."
        )
    return Spec(name, int(number)) if number == size else _budget(name, int(number))


def _budget(name: str, tokens: int) -> Spec:
    return Spec(name, min(MOST, -(-tokens // SHORT)), tokens)
