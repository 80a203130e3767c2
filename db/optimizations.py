"""Optimized demonstrations: what is asked of the optimizer, and its results, stored once per key.

Boundary: plain JSON in and out, checked field by field; the engine computes keys and results, this keeps
them. The first writer of a key wins.
"""

import json
import math
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import sqlalchemy as sa

from db import perturbations
from db.canonical import canonical_json
from db.errors import BadInput
from db.requests import SCORINGS, TARGETS
from db.schema import optimizations as table
from db.store import Store

SOURCES = ("neighbours", "aggregated", "proximal", "global", "random", "hand-written")
STAGES = (1, 2)

_CHOICES = {"target": TARGETS, "scoring": SCORINGS, "stages": STAGES}
_WHOLE = {
    "history": (1, 10_000),
    "seed": (0, 2**31 - 1),
    "size": (1, 16),
    "pool": (1, 64),
    "probes": (2, 64),
    "beam": (1, 16),
    "steps": (1, 200),
    "draws": (1, 64),
    "calibrate": (0, 10_000),
}
_NUMBERS = {"ridge": (0.0, 100.0), "noise": (0.0, 2.0), "kappa": (0.0, 10.0)}


@dataclass(frozen=True)
class OptimizeRequest:
    """For whom demonstrations are to be chosen and weighed, and how hard to try.

    `size`: at most so many demonstrations; `tokens`: at most so many tokens of them, None for no such bound.
    `pool`: demonstrations looked through of each of the `sources`. `probes`: past purchases, own and of
    similar users, that serve as targets; a part of them is held out from choosing. `beam`: sets that are
    pursued at once. `stages` 1 chooses only, 2 learns weights too, in `steps` steps of gradient descent with
    a `ridge` toward weight 1 and lognormal weight `noise`. The last sets of a beam are compared by their
    robust effect: mean minus `kappa` standard deviations over `draws` draws of `perturb` (edits as in
    `db.perturbations`; None: weight noise); where it is given, two sets are pursued at least. `calibrate`: at
    most so many users of the data set on whose past purchases the plain strategies are tried, once for all,
    to know what to expect. `guard` false keeps what was chosen even where neither they nor the held-out
    probes confirm it. `start` false begins with nothing instead of with what the other strategies choose.
    """

    dataset: str
    user: str
    model: str = "embedded"
    target: str = "test"
    history: int = 10
    template: str = "plain"
    scoring: str = "auto"
    seed: int = 0
    size: int = 4
    tokens: int | None = None
    sources: tuple[str, ...] = ("neighbours", "aggregated", "proximal")
    pool: int = 8
    probes: int = 10
    beam: int = 1
    stages: int = 2
    steps: int = 2
    ridge: float = 0.2
    noise: float = 0.2
    kappa: float = 0.5
    draws: int = 2
    perturb: str | None = None
    calibrate: int = 300
    guard: bool = True
    start: bool = True

    def validate(self) -> "OptimizeRequest":
        """The request itself. Raises BadInput naming the field that makes no sense and what it may be."""
        for name in ("dataset", "user", "model", "template"):
            value = getattr(self, name)
            if not isinstance(value, str) or not value.strip():
                raise BadInput(f"{name}: expected text, got {value!r}.")
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise BadInput(f"{name}: {getattr(self, name)!r} is none of {', '.join(map(str, choices))}.")
        for name, (low, high) in _WHOLE.items():
            _whole(name, getattr(self, name), low, high)
        if self.tokens is not None:
            _whole("tokens", self.tokens, 1, 1_000_000)
        for name, (least, most) in _NUMBERS.items():
            value = getattr(self, name)
            number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
            if not (number and least <= value <= most):
                raise BadInput(f"{name}: expected a number from {least:g} to {most:g}, got {value!r}.")
        if self.perturb is not None:
            if not isinstance(self.perturb, str):
                raise BadInput(f"perturb: expected text, got {self.perturb!r}.")
            perturbations.parse(self.perturb)
        for name in ("guard", "start"):
            if not isinstance(getattr(self, name), bool):
                raise BadInput(f"{name}: expected true or false, got {getattr(self, name)!r}.")
        if not self.sources or any(source not in SOURCES for source in self.sources):
            raise BadInput(f"sources: expected some of {', '.join(SOURCES)}, got {self.sources!r}.")
        return self

    @property
    def edits(self) -> tuple[perturbations.Edit, ...]:
        """What sets are to hold up under."""
        return perturbations.parse(self.perturb or f"weights:{self.noise}")

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; `from_json` gives the equal request back."""
        return asdict(self) | {"sources": list(self.sources)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "OptimizeRequest":
        """A validated request. Raises BadInput for unknown, missing or senseless fields."""
        if not isinstance(data, Mapping):
            raise BadInput(f"optimization: expected an object, got {data!r}.")
        known = [field.name for field in fields(cls)]
        if unknown := [name for name in data if name not in known]:
            raise BadInput(f"{unknown[0]}: not a field of an optimization. There are: {', '.join(known)}.")
        if missing := [name for name in ("dataset", "user") if name not in data]:
            raise BadInput(f"{missing[0]}: missing from the optimization.")
        values = dict(data)
        if isinstance(values.get("sources"), list | tuple):
            values["sources"] = tuple(values["sources"])
        return cls(**values).validate()


@dataclass(frozen=True)
class Optimization:
    """A stored result (see `engine.optimize`), with the path that led to it. `created_at`: unix seconds."""

    key: str
    dataset_id: int | None
    user_id: str
    model: str
    result: dict[str, Any]
    created_at: float = 0.0


def save(store: Store, made: Optimization) -> Optimization:
    """Keep it under its key; what is stored, which is the older one where two made the same."""
    values = {
        "key": made.key,
        "dataset_id": made.dataset_id,
        "user_id": made.user_id,
        "model": made.model,
        "result": canonical_json(made.result),
        "created_at": time.time(),
    }
    with store.write() as connection:
        connection.execute(store.insert(table).values(**values).on_conflict_do_nothing())
        row = connection.execute(sa.select(table).where(table.c.key == made.key)).one()
    return _typed(row)


def find(store: Store, key: str) -> Optimization | None:
    """The one under this key, or None."""
    with store.read() as connection:
        row = connection.execute(sa.select(table).where(table.c.key == key)).one_or_none()
    return None if row is None else _typed(row)


def listing(store: Store, dataset_id: int, user_id: str) -> list[Optimization]:
    """Those of one user, newest first."""
    query = sa.select(table).where(table.c.dataset_id == dataset_id, table.c.user_id == user_id)
    with store.read() as connection:
        return [_typed(row) for row in connection.execute(query.order_by(table.c.created_at.desc()))]


def _typed(row: sa.Row) -> Optimization:
    return Optimization(**{**row._asdict(), "result": json.loads(row.result)})


def _whole(name: str, value: object, low: int, high: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise BadInput(f"{name}: expected a whole number from {low} to {high}, got {value!r}.")
