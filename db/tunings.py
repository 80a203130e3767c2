"""The description of a tuning that dashboard, command line and engine share.

Boundary: plain JSON in and out, checked field by field; what the words mean is the engine's business.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from db.errors import BadInput

KINDS = ("llm", "sasrec", "sasrec-scaled", "itemknn", "popularity")
LAYOUTS = ("recicl", "single")
ANSWERS = ("title", "yes_no")
LOSSES = ("all", "last")
METHODS = ("auto", "full", "lora")
SOURCES = ("proximal", "neighbours")

_CHOICES = {"kind": KINDS, "layout": LAYOUTS, "answers": ANSWERS, "loss_on": LOSSES, "method": METHODS}
_WHOLE = {"demos": (0, 16), "periods": (2, 100), "batch_tokens": (64, 1 << 20), "seed": (0, 2**31 - 1)}


@dataclass(frozen=True)
class TuneRequest:
    """What to tune, on what, and for how long.

    `kind` llm tunes the model `base`; the others fit a conventional recommender. `layout` recicl trains on
    samples of 0 to `demos` demonstrations and a query (arXiv 2410.23136), single on queries alone (arXiv
    2305.00447). `sources`: where demonstrations come from, drawn evenly. `loss_on`: the answers whose loss
    counts. `until`: train only on what happened before the start of this one of `periods` equally full
    periods of time, so that later ones can be tested on (None: on all but everybody's two newest
    interactions). The run ends after `minutes` or `steps`, whichever comes first, or when `patience`
    validations brought nothing better. `learning_rate` None: one that fits method and size.
    """

    dataset: str
    base: str = "embedded"
    name: str | None = None
    kind: str = "llm"
    layout: str = "recicl"
    answers: str = "title"
    demos: int = 4
    sources: tuple[str, ...] = SOURCES
    loss_on: str = "all"
    method: str = "auto"
    periods: int = 10
    until: int | None = None
    minutes: float | None = 10.0
    steps: int | None = None
    batch_tokens: int = 4096
    learning_rate: float | None = None
    patience: int = 6
    seed: int = 0

    def validate(self) -> "TuneRequest":
        """The request itself. Raises BadInput naming the field that makes no sense and what it may be."""
        for field in ("dataset", "base"):
            value = getattr(self, field)
            if not isinstance(value, str) or not value.strip():
                raise BadInput(f"{field}: expected a name, got {value!r}.")
        if self.name is not None and (not isinstance(self.name, str) or not self.name.strip()):
            raise BadInput(f"name: expected a name for the tuned model or nothing, got {self.name!r}.")
        for field, choices in _CHOICES.items():
            if getattr(self, field) not in choices:
                raise BadInput(f"{field}: {getattr(self, field)!r} is none of {', '.join(choices)}.")
        for field, (low, high) in _WHOLE.items():
            _whole(field, getattr(self, field), low, high)
        _whole("patience", self.patience, 1, 10_000)
        if self.until is not None:
            _whole("until", self.until, 1, self.periods - 1)
        if self.steps is not None:
            _whole("steps", self.steps, 1, 10**9)
        for field in ("minutes", "learning_rate"):
            value = getattr(self, field)
            number = isinstance(value, (int, float)) and not isinstance(value, bool)
            if value is not None and not (number and 0 < value < 1e6):
                raise BadInput(f"{field}: expected a positive number or nothing, got {value!r}.")
        if self.minutes is None and self.steps is None:
            raise BadInput("minutes: give minutes or steps, or the tuning would never end.")
        if not self.sources or any(source not in SOURCES for source in self.sources):
            raise BadInput(f"sources: expected some of {', '.join(SOURCES)}, got {self.sources!r}.")
        return self

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; `from_json` gives the equal request back."""
        return asdict(self) | {"sources": list(self.sources)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "TuneRequest":
        """A validated request. Raises BadInput for unknown, missing or senseless fields."""
        if not isinstance(data, Mapping):
            raise BadInput(f"tuning: expected an object, got {data!r}.")
        known = [field.name for field in fields(cls)]
        if unknown := [name for name in data if name not in known]:
            raise BadInput(f"{unknown[0]}: not a field of a tuning. There are: {', '.join(known)}.")
        if "dataset" not in data:
            raise BadInput("dataset: missing from the tuning.")
        values = dict(data)
        if isinstance(values.get("sources"), (list, tuple)):
            values["sources"] = tuple(values["sources"])
        return cls(**values).validate()


def _whole(field: str, value: object, low: int, high: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise BadInput(f"{field}: expected a whole number from {low} to {high}, got {value!r}.")
