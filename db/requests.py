"""The description of a run that dashboard, command line and engine share.

Boundary: plain JSON in and out, checked field by field; what the words mean is the engine's business.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from db import datasets, models, perturbations
from db.canonical import digest
from db.errors import BadInput
from db.store import Store
from db.version import ENGINE_VERSION

CANDIDATE_KINDS = ("random", "popular", "hard")
SCORINGS = ("auto", "sum", "mean", "calibrated", "yes_no", "listwise")
TARGETS = ("test", "probe")
HISTORY_WAYS = ("recent", "semantic", "clusters")

_SPEC = re.compile(r"none|[a-z][a-z0-9_]*:(?:(\d{1,3})|\d{1,5}t)")
_CHOICES = {
    "candidate_kind": CANDIDATE_KINDS,
    "scoring": SCORINGS,
    "target": TARGETS,
    "history_by": HISTORY_WAYS,
}
FORWARD_MOST = 64
_RANGES = {
    "candidates": (2, 100_000),
    "seed": (0, 2**31 - 1),
    "history": (1, 10_000),
    "prompts": (1, 16),
    "forward": (0, FORWARD_MOST),
}
_TEXTS = ("dataset", "user", "model", "demos", "template")
_OPTIONAL = {
    "hint": "the name of a baseline",
    "embedding": "a folder",
    "perturb": "edits such as ridge:0.2",
    "prescore": "the name of a model",
}
# Fields that came later: they are written only where set, so that the digests of older requests stay theirs.
_LATER = {
    "hint": None,
    "history_by": "recent",
    "embedding": None,
    "prompts": 1,
    "perturb": None,
    "prescore": None,
    "forward": 0,
}


@dataclass(frozen=True)
class Chosen:
    """A demonstration by its id, with its weight (1 = plain, 0 = not there for the model)."""

    id: str
    weight: float = 1.0


@dataclass(frozen=True)
class RunRequest:
    """What to rank, for whom, with which demonstrations.

    `demos` is a strategy (`none`, `NAME:K`, or `NAME:Tt`: as many of the best as fit in T tokens), with one
    weight per demonstration in `weights` if given.
    `demonstrations`, where not None, names them one by one in prompt order and wins over `demos`; an empty
    tuple is none at all.
    `history` = at most so many newest items of the user in the prompt. `hint` = a conventional recommender
    (a kind of `engine.baselines`) whose best candidates are shown in the prompt, or None. `scoring` auto is
    the model's own way (`ModelInfo.scoring`); a stored run names the way itself.
    `history_by` = which purchases are in the prompt: the newest, those most like the candidates, or some of
    every stretch of time. `embedding` = folder of a sentence-transformers model that compares titles, or None
    for the model's own states. `prompts` = so many prompts, with other demonstrations each, whose scores are
    averaged. `perturb` = edits of the dual model under which to rank, such as ridge:0.2+negatives:0.5
    (`db.perturbations`), or None. `prescore` = a registered model that looks through four times as many of
    the strategy's demonstrations and keeps the best by its own effects on probes, or None. `forward` = so
    many times the demonstrations are read again before the query is answered (arXiv 2305.13016).
    """

    dataset: str
    user: str
    model: str = "embedded"
    demos: str = "neighbours:4"
    demonstrations: tuple[Chosen, ...] | None = None
    weights: tuple[float, ...] | None = None
    candidates: int = 20
    candidate_kind: str = "random"
    seed: int = 0
    scoring: str = "auto"
    template: str = "plain"
    history: int = 10
    target: str = "test"
    hint: str | None = None
    history_by: str = "recent"
    embedding: str | None = None
    prompts: int = 1
    perturb: str | None = None
    prescore: str | None = None
    forward: int = 0

    def validate(self) -> "RunRequest":
        """The request itself. Raises BadInput naming the field that makes no sense and what it may be."""
        for name in _TEXTS:
            value = getattr(self, name)
            if not isinstance(value, str) or not value.strip():
                raise BadInput(f"{name}: expected text, got {value!r}.")
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise BadInput(f"{name}: {getattr(self, name)!r} is none of {', '.join(choices)}.")
        for name, (low, high) in _RANGES.items():
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
                raise BadInput(f"{name}: expected a whole number from {low} to {high}, got {value!r}.")
        for name, what in _OPTIONAL.items():
            value = getattr(self, name)
            if value is not None and (not isinstance(value, str) or not value.strip()):
                raise BadInput(f"{name}: expected {what} or nothing, got {value!r}.")
        if self.perturb is not None:
            perturbations.parse(self.perturb)
        self._validate_demonstrations()
        return self

    @property
    def edits(self) -> tuple[perturbations.Edit, ...]:
        """The edits of the dual model that are asked for, in the order they act in."""
        return () if self.perturb is None else perturbations.parse(self.perturb)

    def _validate_demonstrations(self) -> None:
        spec = _SPEC.fullmatch(self.demos)
        if spec is None:
            raise BadInput(
                "demos: expected `none`, NAME:K such as neighbours:4 or NAME:Tt (tokens) such as "
                f"neighbours:300t, got {self.demos!r}."
            )
        if self.prompts > 1 and (self.demonstrations is not None or self.weights is not None):
            raise BadInput(
                "prompts: several prompts take a strategy, no demonstrations by name and no weights."
            )
        if self.prescore is not None and self.demonstrations is not None:
            raise BadInput("prescore: a model looks through what a strategy finds, not through named ones.")
        for weight in self.weights or ():
            _check_weight("weights", weight)
        if self.demonstrations is not None:
            if self.weights is not None:
                raise BadInput("weights: the chosen demonstrations carry their own weights; leave this out.")
            ids = [chosen.id for chosen in self.demonstrations]
            for chosen in self.demonstrations:
                _check_weight(f"demonstrations: {chosen.id}", chosen.weight)
                if ids.count(chosen.id) > 1:
                    raise BadInput(f"demonstrations: {chosen.id} is chosen twice.")
        elif self.weights is not None and len(self.weights) != int(spec.group(1) or 0):
            raise BadInput(
                f"weights: {len(self.weights)} given, but demos is {self.demos}; give one for each."
            )

    def scored_by(self, scoring: str) -> "RunRequest":
        """The request with its scoring named, where it was auto."""
        return replace(self, scoring=scoring) if self.scoring == "auto" else self

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; `from_json` gives the equal request back."""
        plain = {k: value for k, value in asdict(self).items() if k not in _LATER or value != _LATER[k]}
        return plain | {
            "demonstrations": None
            if self.demonstrations is None
            else [asdict(one) for one in self.demonstrations],
            "weights": None if self.weights is None else list(self.weights),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "RunRequest":
        """A validated request. Raises BadInput for unknown, missing or senseless fields."""
        if not isinstance(data, Mapping):
            raise BadInput(f"request: expected an object, got {data!r}.")
        known = [field.name for field in fields(cls)]
        if unknown := [name for name in data if name not in known]:
            raise BadInput(f"{unknown[0]}: not a field of a request. There are: {', '.join(known)}.")
        if missing := [name for name in ("dataset", "user") if name not in data]:
            raise BadInput(f"{missing[0]}: missing from the request.")
        values = dict(data)
        if values.get("demonstrations") is not None:
            values["demonstrations"] = tuple(_chosen(one) for one in _list("demonstrations", data))
        if values.get("weights") is not None:
            values["weights"] = tuple(_number("weights", one) for one in _list("weights", data))
        return cls(**values).validate()


def request_digest(store: Store, request: RunRequest, revision: str | None = None) -> str:
    """Digest of all that decides a run's numbers and is known without loading the model.

    That is the request, the content of its data set, the model's revision and the engine's version.
    `revision` is needed for a model that is not registered. Raises NotFound for an unknown data set or
    model.
    """
    if revision is None:
        model = models.get(store, request.model)
        request, revision = request.scored_by(model.scoring), model.revision
    small = {} if request.prescore is None else {"prescore": models.get(store, request.prescore).revision}
    return digest(
        {
            **small,
            "request": request.to_json(),
            "fingerprint": datasets.get(store, request.dataset).fingerprint,
            "revision": revision,
            "engine": ENGINE_VERSION,
        }
    )


def _list(name: str, data: Mapping[str, Any]) -> list:
    if not isinstance(data[name], (list, tuple)):
        raise BadInput(f"{name}: expected a list, got {data[name]!r}.")
    return list(data[name])


def _chosen(data: Any) -> Chosen:
    if isinstance(data, Chosen):
        return data
    if not isinstance(data, Mapping) or not isinstance(data.get("id"), str) or set(data) - {"id", "weight"}:
        raise BadInput(f"demonstrations: expected {{id, weight}}, got {data!r}.")
    return Chosen(data["id"], _number("demonstrations: weight", data.get("weight", 1.0)))


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise BadInput(f"{name}: expected a number, got {value!r}.")
    return float(value)


def _check_weight(name: str, weight: float) -> None:
    if not math.isfinite(_number(name, weight)) or weight < 0:
        raise BadInput(f"{name}: a weight is a number from 0 up, got {weight}.")
