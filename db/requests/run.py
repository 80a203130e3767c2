"""What to rank, for whom, with which demonstrations, and the digest of what decides a run."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, ClassVar

from pydantic import Field
from pydantic.dataclasses import dataclass

from db import datasets, models
from db.canonical import digest, exact
from db.errors import BadInput
from db.names import quoted
from db.requests import edits
from db.requests.base import STRICT, Request
from db.requests.fields import (
    LONGEST_SEED,
    Asked,
    Keep,
    RequestField,
    TemplateName,
    Turns,
    WithoutTarget,
    described,
)
from db.requests.keep import check_room
from db.requests.settled import settled
from db.requests.strategy_spec import (
    Spec,
    is_derived,
    left_out,
    parse_spec,
    reference_of,
    shortfall,
    written_size,
)
from db.store import Store
from db.version import ENGINE_VERSION

FORWARD_MOST = 64
LONGEST_DRAW = 9999
_BETWEEN_DRAWS = 1_000_003  # a prime, so that draws of neighbouring seeds do not meet


@dataclass(frozen=True)
class Chosen:
    """A demonstration by its id, with its weight (1 = plain, 0 = not there for the model)."""

    id: str
    weight: float = 1.0


@dataclass(frozen=True, config=STRICT)
class Subject(Request):
    """The data set, the user and the model of a run."""

    dataset: Annotated[
        str, Asked("Name of a data set (see `datasets`)", "data set", link="data", flags=("--dataset", "-d"))
    ]
    user: Annotated[str, Asked("User id (see `users`)", "user", flags=("--user", "-u"))]
    model: Annotated[
        str, Asked("Registered name, model folder or hub id", "model", flags=("--model", "-m"), model=True)
    ] = "embedded"


@dataclass(frozen=True, config=STRICT)
class RunOptions(Request):
    """Which demonstrations, and how to rank."""

    WHAT: ClassVar[str] = "request"
    NEEDED: ClassVar[tuple[str, ...]] = ()

    demos: Annotated[
        str,
        Asked(
            "none, STRATEGY:K for K demonstrations, STRATEGY:Tt for as many as fit in T tokens, or set:NAME "
            "for a stored set (see `sets`)",
            "strategy",
            names="STRATEGIES",
        ),
    ] = "neighbours:4"
    demonstrations: Annotated[
        tuple[Chosen, ...] | None,
        Asked(
            "Demonstrations by id with their weights, in prompt order (ID*WEIGHT,...); they replace demos; "
            "an empty list means none",
            "demonstrations",
            link="set",
        ),
    ] = None
    weights: Annotated[
        tuple[float, ...] | None,
        Asked("One weight per demonstration in prompt order, e.g. 1,0,2,1", "weights", nothing="1 each"),
    ] = None
    candidates: Annotated[
        int,
        Field(ge=2, le=100_000),
        Asked("Length of the candidate list", "candidates", link="n", flags=("--candidates", "-c")),
    ] = 20
    candidate_kind: Annotated[
        str, Asked("How negatives are drawn", "kind of candidates", choices="CANDIDATE_KINDS", link="kind")
    ] = "random"
    seed: Annotated[
        int, Field(ge=0, le=LONGEST_SEED), Asked("Seed of the candidate list and of random choices", "seed")
    ] = 0
    draw: Annotated[
        int,
        Field(ge=0, le=LONGEST_DRAW),
        Asked(
            "Which draw of random choices (random windows, orders, edits), on the same candidate list",
            "draw",
            guide="experiments#draws",
            later=True,
        ),
    ] = 0
    scoring: Annotated[
        str, Asked("How candidates are scored; auto is the model's default", "scoring", choices="SCORINGS")
    ] = "auto"
    template: TemplateName = "plain"
    history: Annotated[
        int,
        Field(ge=1, le=10_000),
        Asked("Items of the history in the prompt, at most", "history items in the prompt"),
    ] = 10
    target: Annotated[str, Asked("The purchase to predict", "target", choices="TARGETS")] = "test"
    hint: Annotated[
        str | None,
        Asked(
            "Show this baseline's best items in the prompt",
            "hint from a recommender",
            names="BASELINES",
            expects="the name of a baseline",
            later=True,
        ),
    ] = None
    history_by: Annotated[
        str,
        Asked(
            "Which items of the history are in the prompt",
            "history chosen by",
            choices="HISTORY_WAYS",
            link="by",
            later=True,
        ),
    ] = "recent"
    embedding: Annotated[
        str | None,
        Asked(
            "What compares titles: the folder of a sentence encoder, minilm, or states for the model's "
            "hidden states; by default minilm where it was fetched, else states",
            "sentence encoder",
            nothing="minilm where it was fetched, else the model's hidden states",
            expects="a folder, minilm or states",
            later=True,
        ),
    ] = None
    prompts: Annotated[
        int,
        Field(ge=1, le=16),
        Asked(
            "Average the scores of this many prompts, each with different demonstrations",
            "prompts averaged",
            guide="recommend#the-desk",
            later=True,
        ),
    ] = 1
    perturb: Annotated[
        str | None,
        Asked(
            "Rank under edits of the dual model, written as ridge:0.2+order (see `spread`)",
            "edits of the dual model",
            names="EDITS",
            expects="edits such as ridge:0.2",
            later=True,
        ),
    ] = None
    prescore: Annotated[
        str | None,
        Asked(
            "Let this model pre-score 4 times as many demonstrations and keep its best on probes "
            "(arXiv 2410.18779)",
            "proxy scoring model",
            model=True,
            nothing="no other model",
            guide="models#beyond-a-candidate-list",
            expects="the name of a model",
            later=True,
        ),
    ] = None
    forward: Annotated[
        int,
        Field(ge=0, le=FORWARD_MOST),
        Asked(
            "Forward-tuning iterations over the demonstrations before answering (arXiv 2305.13016)",
            "forward-tuning iterations",
            later=True,
        ),
    ] = 0
    control_of: Annotated[
        str,
        Asked(
            "Strategy whose demonstrations `placebo` and `placebo-users` change",
            "placebo of",
            choices="CONTROLLED",
            guide="study-designs#controls",
            later=True,
        ),
    ] = "neighbours"
    exclude_target_item: WithoutTarget = False
    turns: Turns = "auto"
    keep: Keep = None

    @property
    def spec(self) -> Spec:
        """The strategy of `demos`, read."""
        return parse_spec(self.demos)

    @property
    def edits(self) -> tuple[edits.Edit, ...]:
        """The edits of the dual model that are asked for, in the order they act in."""
        return () if self.perturb is None else edits.parse(self.perturb)

    @property
    def choice_seed(self) -> int:
        """Seed of all random choices but the candidate list's: another one for each draw."""
        return self.seed if not self.draw else (self.seed + self.draw * _BETWEEN_DRAWS) % (LONGEST_SEED + 1)

    def run(self, dataset: str, user: str, model: str) -> "RunRequest":
        """The request of a run with these options."""
        options = {field.name: getattr(self, field.name) for field in described(RunOptions)}
        return RunRequest(dataset=dataset, user=user, model=model, **options)

    def _check_together(self) -> None:
        if self.perturb is not None:
            edits.parse(self.perturb)
        size = written_size(self.demos)
        if self.prescore is not None and self.demonstrations is None and is_derived(self.demos):
            raise BadInput(
                f"prescore: {self.demos} changes what {self.control_of} chose; there is no pool to pre-score."
            )
        if self.prompts > 1 and (self.demonstrations is not None or self.weights is not None):
            raise BadInput(
                "prompts: several prompts need a strategy, without named demonstrations or weights."
            )
        if self.prescore is not None and self.demonstrations is not None:
            raise BadInput("prescore: a model pre-scores what a strategy finds, not named demonstrations.")
        for weight in self.weights or ():
            _check_weight("weights", weight)
        if self.keep is not None:
            self._check_kept(size)
        if self.demonstrations is not None:
            self._check_named(self.demonstrations)
        elif reference_of(self.demos):
            self._check_set()
        elif self.weights is not None and len(self.weights) != size:
            raise BadInput(
                f"weights: {len(self.weights)} given, but demos is {self.demos}; "
                "give one weight per demonstration."
            )

    def _check_kept(self, size: int | None) -> None:
        if self.demonstrations is not None or reference_of(self.demos):
            raise BadInput("keep: demonstrations are kept beside what a strategy chooses; leave this out.")
        if self.weights is not None or self.prompts > 1:
            raise BadInput("keep: leave out weights and prompts; what is chosen has weight 1, in one prompt.")
        if is_derived(self.demos):
            raise BadInput(f"keep: {self.demos} changes all that {self.control_of} chose; leave this out.")
        check_room(self.keep, size, self.demos)

    def _check_set(self) -> None:
        if self.weights is not None:
            raise BadInput("weights: a stored set has its own weights; leave this out.")
        if self.prompts > 1:
            raise BadInput(f"prompts: {self.demos} fills one prompt. Ask for one, or for a strategy.")
        if self.prescore is not None:
            raise BadInput("prescore: a model pre-scores what a strategy finds, not a stored set.")

    def _check_named(self, demonstrations: tuple[Chosen, ...]) -> None:
        if self.weights is not None:
            raise BadInput("weights: the chosen demonstrations carry their own weights; leave this out.")
        ids = [chosen.id for chosen in demonstrations]
        for chosen in demonstrations:
            _check_weight(f"demonstrations: {chosen.id}", chosen.weight)
            if ids.count(chosen.id) > 1:
                raise BadInput(f"demonstrations: {chosen.id} is chosen twice.")

    @classmethod
    def _listed(cls, field: RequestField, value: Any) -> tuple[Any, ...]:
        parts = super()._listed(field, value)
        if field.name == "demonstrations":
            return tuple(map(_chosen, parts))
        return tuple(_number(field.name, part) for part in parts)


@dataclass(frozen=True, config=STRICT)
class RunRequest(RunOptions, Subject):
    """What to rank, for whom, with which demonstrations: data set, user and model, then the options."""

    NEEDED: ClassVar[tuple[str, ...]] = ("dataset", "user")

    @property
    def options(self) -> RunOptions:
        """All of it but data set, user and model."""
        return RunOptions(**{field.name: getattr(self, field.name) for field in described(RunOptions)})

    def scored_by(self, scoring: str) -> "RunRequest":
        """The request with its scoring named, where it was auto."""
        return replace(self, scoring=scoring) if self.scoring == "auto" else self


def request_notes(options: RunOptions, result: Mapping[str, Any]) -> list[str]:
    """What a result says of a request and not of its run, which requests that lead to the same prompt share:
    why there are fewer demonstrations than it asked for.

    result: with `demonstrations`, and `excluded` where some were left out.
    """
    shown, excluded = len(result["demonstrations"]), int(result.get("excluded", 0))
    notes = []
    if options.demonstrations is None:
        notes.append(shortfall(options.demos, options.prompts, shown + excluded))
    if options.exclude_target_item:
        notes.append(left_out(excluded, shown + excluded))
    return [note for note in notes if note]


def read_chosen(text: str) -> tuple[Chosen, ...]:
    """`ID*WEIGHT,ID,...` (weight 1 where none is written) or `none`. Raises BadInput for anything else."""
    if text.strip() == "none":
        return ()
    parts = [part.strip().partition("*") for part in text.split(",")]
    try:
        return tuple(Chosen(name, float(weight) if star else 1.0) for name, star, weight in parts)
    except ValueError as error:
        raise BadInput(f"demonstrations: expected ID*WEIGHT,ID*WEIGHT,..., got {text!r}.") from error


def write_chosen(demonstrations: Sequence[Chosen]) -> str:
    """The text that `read_chosen` reads."""
    return ",".join(f"{chosen.id}*{exact(chosen.weight)}" for chosen in demonstrations) or "none"


def request_digest(store: Store, request: RunRequest, revision: str | None = None) -> str:
    """Digest of what decides a run's numbers wherever it is computed.

    That is the request, the content of its data set, the model's revision and the engine's version. Dtype,
    device and libraries are the engine's, which adds them (`engine.tasks.rank`).
    `revision` is needed for a model that is not registered; the request is then settled already. Raises
    NotFound for an unknown data set, model or template.
    """
    if revision is None:
        model = models.get(store, request.model)
        request, revision = settled(store, request, model), model.revision
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


def _chosen(data: Any) -> Chosen:
    if isinstance(data, Chosen):
        return data
    if not isinstance(data, Mapping) or not isinstance(data.get("id"), str) or set(data) - {"id", "weight"}:
        raise BadInput(f"demonstrations: expected {{id, weight}}, got {data!r}.")
    return Chosen(data["id"], _number("demonstrations: weight", data.get("weight", 1.0)))


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise BadInput(f"{name}: expected a number, got {value!r}.")
    try:
        return float(value)
    except OverflowError:
        raise BadInput(f"{name}: {quoted(value)} is too large a number.") from None


def _check_weight(name: str, weight: float) -> None:
    if not math.isfinite(weight) or weight < 0:
        raise BadInput(f"{name}: a weight is a number from 0 up, got {weight}.")
