"""The inputs in which two requests differ, and the requests between them, with some inputs swapped.

An input is a field of the request, or a part of one: a strategy and its number of demonstrations are swapped
apart. Inputs that make no sense without each other, such as weights and the demonstrations they belong to,
are joined to one.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from db.errors import BadInput, DualensError
from db.requests.fields import described
from db.requests.run import RunRequest
from db.requests.strategy_spec import Spec, parse_spec

MOST = 4
"""Inputs of which all subsets are swapped: 16 requests."""
_OF_SET = ("demos", "demonstrations", "weights")
"""Fields that say together which demonstrations there are, where they were chosen one by one."""


@dataclass(frozen=True)
class Input:
    """Something in which two requests differ. `fields`: of the request; `parts`: of its strategy."""

    label: str
    fields: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()

    def joined(self, other: "Input") -> "Input":
        """Both as one."""
        labels = f"{self.label} and {other.label}"
        return Input(labels, self.fields + other.fields, self.parts + other.parts)


def differing(a: RunRequest, b: RunRequest) -> list[Input]:
    """The inputs in which A and B differ, in the order of the request's fields."""
    custom = any(request.demonstrations is not None for request in (a, b))
    whole = _OF_SET if custom else ()
    found: list[Input] = []
    for field in described(RunRequest):
        if getattr(a, field.name) == getattr(b, field.name):
            continue
        if field.name == "demos" and not custom:
            found += _of_strategy(a, b, field.asked.label)
        elif field.name not in whole:
            found.append(Input(field.asked.label, (field.name,)))
    if any(getattr(a, name) != getattr(b, name) for name in whole):
        found.insert(0, Input("demonstrations", whole))
    return found


def _of_strategy(a: RunRequest, b: RunRequest, label: str) -> list[Input]:
    """A strategy and how many it chooses, apart where both say both."""
    try:
        one, other = _spec(a), _spec(b)
    except BadInput:  # of a strategy that is gone
        return [Input(label, ("demos",))]
    if one.reference or other.reference:
        return [Input(label, ("demos",))]
    if "none" in (one.name, other.name) or _size(one) == _size(other) or one.name == other.name:
        return [Input(label if one.name != other.name else "k", ("demos",))]
    return [Input(label, parts=("name",)), Input("k", parts=("size", "tokens"))]


def _spec(request: RunRequest) -> Spec:
    return parse_spec(request.demos)


def _size(spec: Spec) -> tuple[int, int | None]:
    return spec.size, spec.tokens


def mixed(a: RunRequest, b: RunRequest, swapped: Collection[Input]) -> RunRequest:
    """A with these inputs of B. Raises BadInput where the two do not go together."""
    fields = {name: getattr(b, name) for each in swapped for name in each.fields}
    parts = {name: getattr(_spec(b), name) for each in swapped for name in each.parts}
    if parts and "demos" not in fields:
        fields["demos"] = str(replace(_spec(a), **parts))
    return replace(a, **fields)


def subsets(inputs: Sequence[Input]) -> list[tuple[Input, ...]]:
    """What is swapped in each request that is needed, nothing first, everything last.

    All subsets, in the order of the bits of their numbers; of more than MOST inputs each one alone and all
    but each one.
    """
    if len(inputs) <= MOST:
        numbers = range(2 ** len(inputs))
        return [tuple(each for bit, each in enumerate(inputs) if number >> bit & 1) for number in numbers]
    alone = [(each,) for each in inputs]
    others = [tuple(other for other in inputs if other != each) for each in inputs]
    return [(), *alone, *others, tuple(inputs)]


def separable(
    a: RunRequest, b: RunRequest, check: Callable[[RunRequest], object] = lambda _: None
) -> list[Input]:
    """The inputs in which A and B differ and which can be swapped for themselves; others are joined.

    check: raises an error of ours for a request that cannot be answered.
    """
    inputs = differing(a, b)

    def possible(swapped: Collection[Input]) -> bool:
        try:
            check(mixed(a, b, swapped))
        except DualensError:
            return False
        return True

    while len(inputs) > 1:
        impossible = next((swapped for swapped in subsets(inputs) if not possible(swapped)), None)
        if impossible is None:
            break
        inputs = _joined(inputs, impossible, possible)
    return inputs


def _joined(
    inputs: list[Input], impossible: Collection[Input], possible: Callable[[Collection[Input]], bool]
) -> list[Input]:
    """Fewer inputs: two of them are one now, an input that cannot be swapped so and one without which it
    cannot."""
    inside = [each for each in inputs if each in impossible]
    outside = [each for each in inputs if each not in impossible]
    pairs = [(one, other) for one in inside for other in outside]
    helped = (pair for pair in pairs if possible([*inside, pair[1]]))
    one, other = next(helped, None) or next(iter(pairs), None) or next(combinations(inputs, 2))
    return [one.joined(other) if each == one else each for each in inputs if each != other]
