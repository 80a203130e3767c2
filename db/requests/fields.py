"""The fields of a request, described once: meaning, bounds, and how links and commands write them.

A request is a frozen pydantic dataclass whose fields carry an `Asked` beside their type and bounds. What
shows, parses or compares requests (options, forms, links, "what changed", documentation) uses `described`.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, replace
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from annotated_types import Ge, Le
from pydantic.fields import FieldInfo

from db import choices
from db.choices import Choice
from db.errors import BadInput
from db.names import quoted

LONGEST_SEED = 2**31 - 1


SAME: Any = object()  # stands for a field's default


@dataclass(frozen=True)
class Asked:
    """The description of a field. `about`: one sentence for help and documentation. `label`: a few words
    for forms and tables. `choices`: name of its table in `db.choices`; `names`: of a table whose names its
    text may hold. `model`: it names a model of the store. `nothing`: what None means, for forms and tables.
    `guide`: the place of the documentation that explains it (default: its table of choices). `link`: its
    parameter in the address bar (default: the field's name). `flags`: its options on the command line
    (default: the name with dashes). `expects`: what an optional field takes, for refusals. `later`: the
    field came after the first version and is written to JSON only where it differs from `before`, what was
    done before it came (default: its default), so that the digests of older requests stay what they were.
    """

    about: str
    label: str
    choices: str = ""
    names: str = ""
    model: bool = False
    nothing: str = "none"
    guide: str = ""
    link: str = ""
    flags: tuple[str, ...] = ()
    expects: str = "text"
    later: bool = False
    before: Any = SAME


WithoutTarget = Annotated[
    bool,
    Asked(
        "After the choice, leave out demonstrations that show the target's item, to see what remains; "
        "only an oracle could choose so",
        "without the target's item",
        guide="study-designs#controls",
        later=True,
    ),
]
"""A field of runs and of studies alike."""


Keep = Annotated[
    str | None,
    Asked(
        "These stay while the others are chosen, ID*WEIGHT@PLACE,... (places in prompt order from 1); they "
        "count among the demonstrations asked for",
        "locked demonstrations",
        nothing="none",
        guide="recommend#locks",
        later=True,
    ),
]
"""A field of runs and of optimizations alike (`db.requests.keep`)."""

_TEMPLATE = Asked(
    "Prompt template: one of the program's, one of your own (see `templates`), or a file of one",
    "prompt template",
    names="TEMPLATES",
)
TemplateName = Annotated[str, _TEMPLATE]
LaterTemplateName = Annotated[str, replace(_TEMPLATE, later=True)]
"""Of requests that were without one in earlier versions."""
Turns = Annotated[
    str,
    Asked(
        "How demonstrations stand in a chat model's prompt",
        "turns",
        choices="TURNS",
        guide="templates#demonstrations-as-turns",
        later=True,
        before="one",
    ),
]
"""Fields of runs, optimizations and studies alike."""


@dataclass(frozen=True)
class RequestField:
    """One field of a request, resolved. `kind`: int, float, bool, str or tuple; `part`: what a tuple holds.
    `low`, `high`: bounds, both included; a float without them is a positive number."""

    name: str
    kind: type
    optional: bool
    default: Any
    low: float | None
    high: float | None
    asked: Asked
    part: type = str

    @property
    def required(self) -> bool:
        """Whether it has no default."""
        return self.default is MISSING

    @property
    def before(self) -> Any:
        """What requests mean that were written before the field came."""
        return self.default if self.asked.before is SAME else self.asked.before

    @property
    def link(self) -> str:
        """Its parameter in the address bar."""
        return self.asked.link or self.name

    @property
    def flags(self) -> tuple[str, ...]:
        """Its options on the command line."""
        return self.asked.flags or ("--" + self.name.replace("_", "-"),)

    @property
    def choices(self) -> Mapping[Any, Choice] | None:
        """The rows to choose from; None where it is not a choice."""
        return getattr(choices, self.asked.choices) if self.asked.choices else None

    @property
    def names(self) -> Mapping[str, Choice] | None:
        """The rows whose names its text may hold, else None."""
        return getattr(choices, self.asked.names) if self.asked.names else None

    @property
    def model(self) -> bool:
        """Whether it names a model of the store."""
        return self.asked.model

    @property
    def guide(self) -> str:
        """The place of the documentation that explains it, such as `choices#scoring`; empty without one."""
        own = self.choices or self.names
        titles = [title for title, rows in choices.TABLES.items() if rows is own]
        return self.asked.guide or (f"choices#{titles[0].lower().replace(' ', '-')}" if titles else "")

    @property
    def help(self) -> str:
        """Its description, in sentences for help and documentation."""
        named = ": " + ", ".join(self.names) if self.names else ""
        return f"{self.asked.about}{named}."

    def refusal(self, value: object) -> BadInput:
        """Why `value` is invalid, in a sentence that names the field and its allowed values."""
        return BadInput(f"{self.name}: {self._complaint(value)}")

    def _complaint(self, value: object) -> str:
        orelse = " or nothing" if self.optional else ""
        table = self.choices
        if self.kind is tuple and table is not None:
            return f"expected some of {', '.join(map(str, table))}, got {quoted(value)}."
        if table is not None:
            return f"{quoted(value)} is none of {', '.join(map(str, table))}."
        if self.kind is bool:
            return f"expected true or false, got {quoted(value)}."
        if self.kind is int:
            return f"expected a whole number from {self.low} to {self.high}{orelse}, got {quoted(value)}."
        if self.kind is float and (self.low is None or self.high is None):
            return f"expected a positive number{orelse}, got {quoted(value)}."
        if self.kind is float:
            return f"expected a number from {self.low:g} to {self.high:g}{orelse}, got {quoted(value)}."
        if self.kind is tuple:
            what = {int: "whole numbers", float: "numbers"}.get(self.part, "names")
            return f"expected a list of {what}{orelse}, got {quoted(value)}."
        return f"expected {self.asked.expects}{orelse}, got {quoted(value)}."

    def check(self, value: object) -> None:
        """Raises BadInput where a value of the right type is not text, not finite or none of the choices."""
        if value is None:
            return
        if self.kind is str and isinstance(value, str) and not value.strip():
            raise self.refusal(value)
        if self.kind is float and isinstance(value, int | float) and not math.isfinite(value):
            raise self.refusal(value)
        table = self.choices
        if table is None:
            return
        picked = value if self.kind is tuple and isinstance(value, Sequence) else (value,)
        if not picked or any(name not in table for name in picked):
            raise self.refusal(value)


@cache
def described(request: type) -> tuple[RequestField, ...]:
    """The fields of a request class, in order."""
    hints = get_type_hints(request, include_extras=True)
    return tuple(_described(field.name, hints[field.name], field.default) for field in fields(request))


def field_of(request: type, name: str) -> RequestField:
    """One field by name."""
    return next(field for field in described(request) if field.name == name)


def _described(name: str, hint: Any, default: Any) -> RequestField:
    base, *metadata = get_args(hint)
    optional = get_origin(base) in (Union, UnionType) and NoneType in get_args(base)
    parts = get_args(base) if get_origin(base) in (Union, UnionType) else (base,)
    kinds = [get_origin(part) or part for part in parts if part is not NoneType]
    held = next((get_args(part)[0] for part in parts if get_origin(part) is tuple), str)
    bounds = [bound for part in metadata if isinstance(part, FieldInfo) for bound in part.metadata]
    return RequestField(
        name=name,
        kind=float if float in kinds else kinds[0],
        optional=optional,
        default=default,
        low=next((bound.ge for bound in bounds if isinstance(bound, Ge)), None),  # type: ignore[arg-type]
        high=next((bound.le for bound in bounds if isinstance(bound, Le)), None),  # type: ignore[arg-type]
        asked=next(part for part in metadata if isinstance(part, Asked)),
        part=held,
    )
