"""What all requests share: checked when created, refused in plain English, unchanged by JSON."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, ClassVar, Self

from pydantic import ConfigDict, ModelWrapValidatorHandler, ValidationError, model_validator
from pydantic.dataclasses import dataclass

from db.errors import BadInput
from db.requests.fields import RequestField, described

STRICT = ConfigDict(strict=True, arbitrary_types_allowed=True)


@dataclass(frozen=True, config=STRICT)
class Request:
    """A frozen request. Creating one (also by `dataclasses.replace`) checks it: raises BadInput with the
    invalid field and its allowed values."""

    WHAT: ClassVar[str] = "request"
    NEEDED: ClassVar[tuple[str, ...]] = ("dataset",)

    @model_validator(mode="wrap")
    @classmethod
    def _in_plain_english(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            checked = handler(data)
        except ValidationError as error:
            raise cls._refusal(error) from None
        for field in described(cls):
            field.check(getattr(checked, field.name))
        checked._check_together()
        return checked

    def _check_together(self) -> None:
        """Raises BadInput where fields contradict each other."""

    @classmethod
    def _refusal(cls, error: ValidationError) -> Exception:
        fields = {field.name: field for field in described(cls)}
        order = list(fields)
        problems = [problem for problem in error.errors() if problem["loc"] and problem["loc"][0] in fields]
        if not problems:
            return TypeError(str(error))  # a programming error: an argument that no request has
        first = min(problems, key=lambda problem: order.index(str(problem["loc"][0])))
        field = fields[str(first["loc"][0])]
        if first["type"] in ("missing", "missing_argument"):
            return BadInput(f"{field.name}: missing from the {cls.WHAT}.")
        return field.refusal(first["input"])

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; `from_json` gives the equal request back."""
        plain = {
            name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()
        }
        before = self._before()
        return {k: v for k, v in plain.items() if k not in before or getattr(self, k) != before[k]}

    @classmethod
    def _before(cls) -> dict[str, Any]:
        """What was done before later fields came."""
        return {field.name: field.before for field in described(cls) if field.asked.later}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The request of `to_json`. Raises BadInput for unknown, missing or invalid fields."""
        return cls.from_fields(data if not isinstance(data, Mapping) else {**cls._before(), **data})

    @classmethod
    def from_fields(cls, data: Mapping[str, Any]) -> Self:
        """The request of what somebody named; the other fields have their defaults. Raises BadInput for
        unknown, missing or invalid fields."""
        if not isinstance(data, Mapping):
            raise BadInput(f"{cls.WHAT}: expected an object, got {data!r}.")
        fields = {field.name: field for field in described(cls)}
        if unknown := [name for name in data if name not in fields]:
            article = "an" if cls.WHAT[0] in "aeiou" else "a"
            raise BadInput(
                f"{unknown[0]}: not a field of {article} {cls.WHAT}. Its fields: {', '.join(fields)}."
            )
        if missing := [name for name in cls.NEEDED if name not in data]:
            raise BadInput(f"{missing[0]}: missing from the {cls.WHAT}.")
        values = {
            name: cls._listed(fields[name], value)
            if fields[name].kind is tuple and value is not None
            else value
            for name, value in data.items()
        }
        return cls(**values)

    @classmethod
    def _listed(cls, field: RequestField, value: Any) -> tuple[Any, ...]:
        """A list of JSON as the tuple a request holds. Raises BadInput for anything else."""
        if not isinstance(value, list | tuple):
            raise field.refusal(value)
        return tuple(value)
