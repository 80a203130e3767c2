"""What every study does: ask a model a plan's questions, and say in JSON what was asked.

Boundary: questions and registered models in, measured values into a checkpoint.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from db import datasets, templates
from db.canonical import digest
from db.choices import COMPARED, COPIES, STRATEGIES
from db.datasets import DatasetInfo
from db.errors import BadInput
from db.models import ModelInfo
from db.moments import day
from db.requests import RunRequest, StudyRequest
from db.requests.settled import default_encoder, settled
from db.requests.strategy_spec import parse_spec
from db.store import Store
from db.version import ENGINE_VERSION
from engine.context import Context, Engine, context_of
from engine.demos.reader import Reader
from engine.studies import controls
from engine.studies.answers import (
    FRESH,
    RENEWED,
    STALE,
    ZERO_SHOT,
    look_up,
    scores,
    shown,
)
from engine.studies.checkpoint import Checkpoint
from engine.studies.copied import PLACEBOS
from engine.studies.provenance import doubts
from engine.studies.questions import Question, drawn, last_ones

SIMULATED = "Simulated data: no real shopper is in it."


def run_of(request: StudyRequest, question: Question, demos: str) -> RunRequest:
    """What a person would ask for this question's user, with these demonstrations."""
    return RunRequest(
        dataset=request.dataset,
        user=question.user_id,
        model=request.model,
        demos=demos,
        candidates=request.candidates,
        candidate_kind=request.candidate_kind,
        seed=request.seed,
        scoring=request.scoring,
        turns=request.turns,
        template=request.template,
        history=request.history,
        control_of=request.control_of,
        exclude_target_item=request.exclude_target_item,
    )


@dataclass(frozen=True)
class Plan:
    """What is asked: `cut` = the moment (unix seconds) before which models are tuned, None without usable
    times. `starts`: where demonstrations are also renewed at the start of each period, its first moment."""

    dataset: DatasetInfo
    questions: list[Question]
    cut: int | None
    by_time: bool = True  # whether the study cuts time into periods wherever it can

    starts: Mapping[int, int] | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """The conditions every question is put under; the placebos are of fresh demonstrations."""
        return (ZERO_SHOT, *self.moments(self.questions[0]), *PLACEBOS)

    @property
    def copied(self) -> tuple[str, ...]:
        """The conditions whose demonstrations the copies count."""
        return tuple(self.moments(self.questions[0]))

    def moments(self, question: Question) -> dict[str, int | None]:
        """The moment (unix seconds) before which each condition's demonstrations are known; None: the
        target's."""
        stale = {} if self.cut is None else {STALE: self.cut}
        renewed = (
            {} if self.starts is None or question.period is None else {RENEWED: self.starts[question.period]}
        )
        return {**stale, **renewed, FRESH: None}


def run_context(
    engine: Engine, request: StudyRequest, plan: Plan, info: ModelInfo, question: Question, demos: str
) -> Context[RunRequest]:
    """The run of `run_of` with what the study looked up once for all its questions."""
    return context_of(engine, plan.dataset, info, run_of(request, question, demos))


def last_purchases(engine: Engine, request: StudyRequest) -> Plan:
    """The last purchase of at most `users` users each. NotFound, BadInput where there are not two."""
    dataset = datasets.get(engine.store, request.dataset)
    columns = datasets.columns(engine.store, dataset.id)
    parts = (request.study, dataset.origin, request.seed)
    questions = drawn(columns, last_ones(columns), None, request.users, *parts)
    if len(questions) < 2:
        raise BadInput(f"{request.dataset!r} has no two users whose last purchase could be predicted.")
    return Plan(dataset, questions, None, by_time=False)


def identity(engine: Engine, request: StudyRequest, plan: Plan, rows: Mapping[str, ModelInfo]) -> str:
    """Digest of all that the measured values depend on."""
    store = engine.store
    models = {
        row: [engine.identity(info).as_dict(), *how(store, request, info)] for row, info in rows.items()
    }
    info = next(iter(rows.values()))
    encoder = context_of(engine, plan.dataset, info, _reading(engine, request)).computing["encoder"]
    # Each model's own turns are beside it.
    asked = replace(request, turns="one", template=templates.named(store, request.template)[0])
    parts = [asked.to_json(), plan.dataset.fingerprint, models, ENGINE_VERSION]
    return digest([*parts, encoder] if encoder else parts)


def how(store: Store, request: StudyRequest, info: ModelInfo) -> list[str]:
    """How this model is asked: its own way, unless the study names one. Its scoring, then its turns where
    there is more than one."""
    asked = settled(store, _nobody(request), info)
    return [asked.scoring, *([asked.turns] if asked.turns != "one" else [])]


def described_model(store: Store, request: StudyRequest, info: ModelInfo) -> dict[str, Any]:
    """A model of a study and how it was asked, as JSON."""
    scoring, turns = (*how(store, request, info), "one")[:2]
    return {"model": info.name, "revision": info.revision, "scoring": scoring, "turns": turns}


def key(row: str, question: int) -> str:
    """What the measured values of a question are kept under."""
    return f"{row}/{question}"


def measure_row(
    engine: Engine,
    request: StudyRequest,
    plan: Plan,
    row: str,
    info: ModelInfo,
    reader: Reader,
    checkpoint: Checkpoint,
) -> None:
    """Every question put to one model, into the checkpoint.

    A value is `{scores: {condition: [target, others...]}, shown: {condition: demonstrations}, copies: {name:
    {condition: [target, others...]}}, placebos: {name: how near}, excluded, liked}`; liked: what the target's
    rating says. reader: of the untuned model, so that all rows share demonstrations.
    """
    asking = context_of(engine, plan.dataset, info, _reading(engine, request))

    def measure(question: Question) -> dict[str, Any]:
        asked = look_up(engine.store, plan.dataset, question, request, request.history)
        found = shown(engine.store, plan.dataset, asked, request, plan.moments(question), reader)
        return {
            **scores(asking, asked, found.entries, found.weights),
            "liked": plan.dataset.scale.likes(asked.query.target.rating),
            "placebos": found.placebos,
            "excluded": found.excluded,
        }

    count = len(plan.questions)
    for number, question in enumerate(plan.questions):
        checkpoint.measured(
            key(row, number),
            lambda question=question: measure(question),
            f"{row} ({info.name}): {number + 1} of {count}",
        )


def reader_of(engine: Engine, request: StudyRequest, plan: Plan, info: ModelInfo) -> Reader:
    """What tells strategies about titles: the default sentence encoder, or the states of this model."""
    return context_of(engine, plan.dataset, info, _reading(engine, request)).reader


def _reading(engine: Engine, request: StudyRequest) -> RunRequest:
    """A run of nobody's, which names what compares titles where a strategy of the study does."""
    compared = (request.only or COMPARED) if request.study == "strategies" else ()
    names = {parse_spec(request.demos).name, request.control_of, *compared} & STRATEGIES.keys()
    embeds = any(STRATEGIES[name].embeds for name in names)
    return replace(_nobody(request), embedding=default_encoder(engine.store) if embeds else None)


def _nobody(request: StudyRequest) -> RunRequest:
    """How the study asks, of nobody."""
    return RunRequest(
        dataset=request.dataset,
        user="nobody",
        model=request.model,
        seed=request.seed,
        scoring=request.scoring,
        turns=request.turns,
        template=request.template,
    )


def described(request: StudyRequest, plan: Plan) -> dict[str, Any]:
    """What was asked, and how what a model is tuned on is kept apart from it."""
    split: dict[str, Any] = {"kind": "leave-one-out"}
    if plan.cut is not None:
        periods = {"periods": request.periods, "cut": request.cut}
        split = {"kind": "periods", **periods, "moment": plan.cut, "date": day(plan.cut)}
    return {
        "study": request.study,
        "dataset": plan.dataset.name,
        "simulated": plan.dataset.simulated,
        "request": request.to_json(),
        "split": split,
    }


def notes(request: StudyRequest, plan: Plan, rows: Mapping[str, ModelInfo]) -> list[str]:
    """What a reader of the numbers must know."""
    sentences = []
    if plan.cut is None and plan.by_time:
        sentences.append(
            f"{plan.dataset.name} has no usable times: leave-one-out instead of periods, no stale column."
        )
    if plan.dataset.simulated:
        sentences.append(SIMULATED)
    for row, info in rows.items():
        sentences += doubts(row, info, plan.dataset, request, plan.cut is not None)
    return sentences


def control_notes(request: StudyRequest, answers: Sequence[Mapping[str, Any]]) -> list[str]:
    """What a reader must know of the controls, from the values of one model's row."""
    names = [*COPIES, *PLACEBOS]
    of = parse_spec(request.demos).name
    said = controls.notes(names, of, [answer["placebos"] for answer in answers])
    if request.exclude_target_item:
        excluded = sum(answer["excluded"] for answer in answers)
        kept = sum(sum(answer["shown"].values()) for answer in answers)
        said.append(controls.left_out(excluded, excluded + kept))
    return said


def mean(values: Sequence[float]) -> float:
    """The mean of at least one value."""
    return sum(values) / len(values)
