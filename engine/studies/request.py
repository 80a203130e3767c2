"""What a study is asked: plain JSON in, a checked `StudyRequest` out. No store, no model."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from db.errors import BadInput
from db.requests import CANDIDATE_KINDS, SCORINGS
from engine.demos.strategies.registry import MOST, parse_spec
from engine.studies.compared import COMPARED

_CHOICES = {"candidate_kind": CANDIDATE_KINDS, "scoring": SCORINGS}
_RANGES = {
    "users": (2, 10_000_000),
    "seed": (0, 2**31 - 1),
    "periods": (2, 1000),
    "cut": (1, 999),
    "candidates": (2, 100_000),
    "history": (1, 10_000),
    "k": (1, MOST),
}
# Fields that came later: written only where set, so that a study that was stopped before stays the same one.
_LATER = {"k": 4, "only": None}


@dataclass(frozen=True)
class StudyRequest:
    """A study over users of a data set.

    `model`: the one studied, as it is before tuning; `single`, `recicl`: models tuned from it in these
    layouts on what happened before period `cut` (of `periods`, counted from 0), or None: left out, or with
    `tune` tuned by the study itself. `users`: how many, in the drift study in each period. `demos`: strategy
    of the demonstrations. `scoring` auto is each model's own. `minutes`: of training per model (per SASRec).
    `k`: demonstrations of every strategy where strategies are compared; `only`: those compared, None: all.
    """

    study: str
    dataset: str
    model: str = "embedded"
    single: str | None = None
    recicl: str | None = None
    users: int = 300
    seed: int = 0
    demos: str = "neighbours:4"
    periods: int = 10
    cut: int = 5
    candidates: int = 20
    candidate_kind: str = "random"
    scoring: str = "auto"
    history: int = 10
    minutes: float = 5.0
    tune: bool = False
    k: int = 4
    only: tuple[str, ...] | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; `from_json` gives the equal request back."""
        plain = {**asdict(self), "only": None if self.only is None else list(self.only)}
        return {name: value for name, value in plain.items() if name not in _LATER or value != _LATER[name]}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "StudyRequest":
        """A checked request. Raises BadInput naming the field that is unknown, missing or makes no sense."""
        known = [field.name for field in fields(cls)]
        if unknown := [name for name in data if name not in known]:
            raise BadInput(f"{unknown[0]}: not a field of a study. There are: {', '.join(known)}.")
        if missing := [name for name in ("study", "dataset") if name not in data]:
            raise BadInput(f"{missing[0]}: missing from the study.")
        if isinstance(data.get("only"), list):
            data = {**data, "only": tuple(data["only"])}
        return cls(**data)._checked()

    def _checked(self) -> "StudyRequest":
        for name in ("study", "dataset", "model"):
            _check_text(name, getattr(self, name))
        for name in ("single", "recicl"):
            if getattr(self, name) is not None:
                _check_text(name, getattr(self, name))
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise BadInput(f"{name}: {getattr(self, name)!r} is none of {', '.join(choices)}.")
        for name, (low, high) in _RANGES.items():
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
                raise BadInput(f"{name}: expected a whole number from {low} to {high}, got {value!r}.")
        if self.cut >= self.periods:
            raise BadInput(f"cut: period {self.cut} is not one of {self.periods} periods counted from 0.")
        if parse_spec(self.demos).size == 0:
            raise BadInput(f"demos: a study compares some with none, so {self.demos!r} is no choice.")
        if not isinstance(self.minutes, int | float) or not self.minutes > 0:
            raise BadInput(f"minutes: expected a number above 0, got {self.minutes!r}.")
        if not isinstance(self.tune, bool):
            raise BadInput(f"tune: expected true or false, got {self.tune!r}.")
        if self.only is not None:
            _check_only(self.only)
        return self


def _check_text(name: str, value: Any) -> None:
    if not isinstance(value, str) or not value.strip():
        raise BadInput(f"{name}: expected text, got {value!r}.")


def _check_only(only: Any) -> None:
    if not isinstance(only, tuple) or not only:
        raise BadInput(f"only: expected a list of strategies, got {only!r}.")
    if unknown := [name for name in only if name not in COMPARED]:
        raise BadInput(f"only: there is no strategy {unknown[0]!r}. There are: {', '.join(COMPARED)}.")
