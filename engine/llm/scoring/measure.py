"""Ranking candidates with and without demonstrations, and measuring what each demonstration does.

The door of `engine/llm` for the rest of the engine: titles in, numbers out. All losses and effects are in
nats.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from db.errors import BadInput
from engine.llm.explain.reprompt import Reprompts, reprompt_loss
from engine.llm.loading.load import LoadedModel
from engine.llm.scoring.gates import DemonstrationLoss, log_gate
from engine.llm.scoring.log_probs import Prefix, extend, prefill
from engine.llm.scoring.memory import PrefillCache
from engine.llm.scoring.modes import (
    LISTWISE_LIMIT,
    Answers,
    Question,
    ask,
    cyclic_orders,
    longest_tail,
)
from engine.lrgd import agreement
from engine.lrgd.effects import Estimator, effects
from engine.lrgd.objective import Effects, Remembered
from engine.lrgd.shapley import EXACT_LIMIT, FLOOR, TOLERANCE
from engine.prompts import Dropped, Example, Fitted, fit

Scoring = Literal["sum", "mean", "calibrated", "yes_no", "listwise"]
EffectMode = Literal["direct", "total", "reprompt"]
# (model, keys and values of prefix and demonstrations, cache) -> the same prefix, edited
Edit = Callable[[LoadedModel, Prefix, PrefillCache], Prefix]


@dataclass(frozen=True)
class Task:
    """What is to be ranked or explained, in titles.

    demos: in prompt order (the last stands nearest to the query). history: oldest first. target: index into
    candidates, or None. weights: one sample weight >= 0 per demonstration (None: all 1). target_rating: stars
    of the target if known; yes_no then counts a rating below 4 as a right No. seed: order of listwise lists.
    hint: titles that another recommender suggests, shown before the query with and without demonstrations.
    edits: what is done to the keys and values of prefix and demonstrations before the query looks at them.
    """

    demos: tuple[Example, ...]
    history: tuple[str, ...]
    candidates: tuple[str, ...]
    target: int | None = None
    scoring: Scoring = "sum"
    weights: tuple[float, ...] | None = None
    template: str = "plain"
    target_rating: float | None = None
    seed: int = 0
    hint: tuple[str, ...] = ()
    edits: "tuple[Edit, ...]" = ()


@dataclass(frozen=True)
class RankResult:
    """Scores per candidate in the order given (higher is better), with the demonstrations and without any.

    loss: NLL in nats of the right answer (the target's title, the right Yes/No, or the right label);
    loss_zero_shot the same for the prompt written without demonstrations; margin: log-softmax of the scores
    over the candidates at the target, scores as log-odds. All None without a target. kept: positions of the
    demonstrations that are in the prompt. tokens: of the prompt with demonstrations, answers not counted.
    text: the whole shared prompt.
    """

    scores: list[float]
    scores_zero_shot: list[float]
    loss: float | None
    loss_zero_shot: float | None
    margin: float | None
    margin_zero_shot: float | None
    tokens: int
    text: str
    kept: tuple[int, ...]
    dropped: tuple[Dropped, ...]
    timings_ms: dict[str, float]


@dataclass(frozen=True)
class EffectsResult:
    """Effects of demonstrations on the loss, one entry per demonstration asked for (0 where it did not fit).

    loss_zero_shot: loss with every weight at 0 (positions kept), the start the effects explain:
    sum(effects) = effect_total = loss_zero_shot - loss, up to completeness_error nats (completeness_relative
    is its share of |effect_total|, or of 0.05 nats where that is less). loss_reprompt_zero_shot: loss of
    the prompt written without demonstrations (what ranking calls zero-shot), whose positions differ.
    removal, reprompt: rise of the loss when b's weight goes to 0, or when the prompt is written without b;
    None unless leave-one-out was asked for. mass: attention of the answer's positions that goes to b,
    averaged over layers and heads. nodes: weightings used, for aumann gradients;
    certified_error: nats by which an effect may be off (engine/lrgd/objective.py).
    """

    loss: float
    loss_zero_shot: float
    loss_reprompt_zero_shot: float
    effect_total: float
    effects: list[float]
    estimator: str
    mode: str
    nodes: int
    completeness_error: float
    completeness_relative: float
    certified_error: float
    removal: list[float] | None
    reprompt: list[float] | None
    mass: list[float]
    spearman_removal: float | None
    spearman_reprompt: float | None
    tokens: int
    kept: tuple[int, ...]
    dropped: tuple[Dropped, ...]
    timings_ms: dict[str, float] = field(default_factory=dict)


def rank_candidates(loaded: LoadedModel, task: Task, cache: PrefillCache | None = None) -> RankResult:
    """Scores every candidate once with the demonstrations at their weights, and once without any.

    The prompt's keys and values are computed once and shared by all candidates; pass the same cache again and
    a changed weight recomputes only the query and the candidates. Raises BadInput, ModelError, OutOfMemory.
    """
    cache = cache or PrefillCache()
    clock = _Clock()
    question, fitted, zero, _ = prepare(loaded, task)
    with clock("prefill"):
        head = demo_head(loaded, fitted, cache, task.edits)
    with clock("score"):
        answers = _answers(loaded, fitted, head, question, kept_weights(task, fitted), cache)
    with clock("zero_shot"):
        bare = answers if not fitted.kept else _zero_shot(loaded, zero, question, cache)
    return RankResult(
        scores=answers.scores,
        scores_zero_shot=bare.scores,
        loss=answers.loss,
        loss_zero_shot=bare.loss,
        margin=log_share(answers.scores, task.target),
        margin_zero_shot=log_share(bare.scores, task.target),
        tokens=len(fitted.encoded),
        text=loaded.encoder.text(fitted.segments),
        kept=fitted.kept,
        dropped=fitted.dropped,
        timings_ms=clock.read(),
    )


def demonstration_effects(
    loaded: LoadedModel,
    task: Task,
    estimator: Estimator = "auto",
    leave_one_out: bool = False,
    mode: EffectMode = "direct",
    cache: PrefillCache | None = None,
) -> EffectsResult:
    """The effect of each demonstration on the target's loss at the task's weights (engine/lrgd/effects.py).

    mode `direct` gates what query and answer see of a demonstration; `total` also what later demonstrations
    see of it; `reprompt` writes the prompt anew without those left out. Raises BadInput where there is no
    target, exact is asked for more than 8 demonstrations, or a mode cannot be had of this estimator or task.
    """
    cache = cache or PrefillCache()
    clock = _Clock()
    question, fitted, zero, _ = prepare(loaded, task)
    _check_effects(task, len(fitted.kept), estimator, mode)
    with clock("prefill"):
        head = demo_head(loaded, fitted, cache, task.edits)
    loss = DemonstrationLoss(loaded, fitted, head, question, "total" if mode == "total" else "direct")
    objective = Remembered(loss)
    played = Remembered(Reprompts(loaded, fitted, head, question)) if mode == "reprompt" else objective
    weights = torch.tensor(kept_weights(task, fitted), dtype=loss.dtype, device=loaded.device)
    with clock("effects"):
        found = effects(played, weights, estimator)
        mass = loss.attention_mass(weights)
    with clock("zero_shot"):
        bare = found.loss_on if not fitted.kept else reprompt_loss(loaded, zero, question, [], head)
    removal = reprompt = None
    if leave_one_out:
        with clock("leave_one_out"):
            removal = agreement.removal(objective, weights).tolist()
            reprompt = _reprompts(loaded, task, fitted, head, question, found.loss_on, cache)
    return _effects_result(task, fitted, found, mode, bare, mass, removal, reprompt, clock.read())


def prepare(loaded: LoadedModel, task: Task) -> tuple[Question, Fitted, Fitted, int]:
    """The question, the fitted prompt, the same without demonstrations, and the prompt's room in tokens."""
    _check(task)
    listwise = task.scoring == "listwise"
    question = Question(
        template=task.template,
        scoring=task.scoring,
        candidates=task.candidates,
        target=task.target,
        liked=task.target_rating is None or task.target_rating >= 4.0,
        orders=cyclic_orders(len(task.candidates), task.seed) if listwise else (),
    )
    room = loaded.context_length - longest_tail(loaded.encoder, question)
    fitted = fit(loaded.encoder, task.template, task.scoring, task.demos, task.history, room, task.hint)
    zero = fit(loaded.encoder, task.template, task.scoring, [], fitted.history, room, task.hint)
    return question, fitted, zero, room


def _check_effects(task: Task, count: int, estimator: Estimator, mode: EffectMode) -> None:
    if task.target is None:
        raise BadInput("Effects need a target: say which candidate is the right one.")
    if mode != "direct" and task.edits:
        raise BadInput(f"Mode {mode} reads the demonstrations anew, which undoes what was edited in them.")
    if mode == "reprompt" and estimator == "aumann":
        raise BadInput("A prompt written anew has no gradient: use exact, strata or path with mode reprompt.")
    if estimator == "exact" and count > EXACT_LIMIT:
        raise BadInput(
            f"Exact effects take 2^k losses and are offered for at most {EXACT_LIMIT} demonstrations; this "
            f"prompt has {count}. Use strata or path."
        )


def _check(task: Task) -> None:
    if not task.candidates:
        raise BadInput("There are no candidates to rank.")
    if task.target is not None and not 0 <= task.target < len(task.candidates):
        raise BadInput(f"The target {task.target} is not one of the {len(task.candidates)} candidates.")
    if task.scoring == "listwise" and len(task.candidates) > LISTWISE_LIMIT:
        raise BadInput(
            f"Listwise scoring shows all candidates in one list and takes at most {LISTWISE_LIMIT}; there "
            f"are {len(task.candidates)}. Use fewer, or another scoring mode."
        )
    if task.weights is None:
        return
    if len(task.weights) != len(task.demos):
        raise BadInput(
            f"There are {len(task.weights)} weights for {len(task.demos)} demonstrations. Give one weight "
            "for each."
        )
    for b, weight in enumerate(task.weights):
        if not 0 <= weight < float("inf"):
            raise BadInput(f"Weight {b + 1} is {weight}. A weight is a finite number of at least 0.")


def kept_weights(task: Task, fitted: Fitted) -> list[float]:
    """Weights of the demonstrations that are in the prompt."""
    given = task.weights or (1.0,) * len(task.demos)
    return [float(given[b]) for b in fitted.kept]


def demo_head(loaded: LoadedModel, fitted: Fitted, cache: PrefillCache, edits: Sequence[Edit] = ()) -> Prefix:
    """Keys and values of everything before the query, kept, as they do not depend on the weights; edited."""
    part = fitted.encoded.before("query")
    key = (loaded.key, "prefill", part.ids, tuple(part.owners()))
    head = cache.get(key, lambda: prefill(loaded, part.ids, part.owners()), lambda made: made.nbytes)
    for edit in edits:
        head = edit(loaded, head, cache)
    return head


def _answers(
    loaded: LoadedModel,
    fitted: Fitted,
    head: Prefix,
    question: Question,
    weights: Sequence[float],
    cache: PrefillCache,
) -> Answers:
    query = fitted.encoded.ids[len(head) :]
    gate = None
    if any(weight != 1 for weight in weights):
        gate = log_gate(torch.tensor(weights, dtype=torch.float64, device=loaded.device))
    prompt = extend(loaded, head.head(), query, [-1] * len(query), gate)
    return ask(loaded, prompt, question, gate, cache)


def _zero_shot(loaded: LoadedModel, zero: Fitted, question: Question, cache: PrefillCache) -> Answers:
    """Scores after the prompt written without demonstrations; the same for every demonstration set."""

    def make() -> Answers:
        prompt = prefill(loaded, zero.encoded.ids, zero.encoded.owners())
        return ask(loaded, prompt, question, None, cache)

    key = (loaded.key, "zero", zero.encoded.ids, question)
    return cache.get(key, make, lambda made: 8 * len(made.scores))


def _reprompts(
    loaded: LoadedModel,
    task: Task,
    fitted: Fitted,
    head: Prefix,
    question: Question,
    loss: float,
    cache: PrefillCache,
) -> list[float]:
    """What the loss rises by when the prompt is written without demonstration b, for each b."""
    weights = kept_weights(task, fitted)
    demos = [task.demos[b] for b in fitted.kept]
    rises = []
    for b in range(len(demos)):
        others = demos[:b] + demos[b + 1 :]
        shorter = fit(
            loaded.encoder,
            task.template,
            task.scoring,
            others,
            fitted.history,
            loaded.context_length,
            task.hint,
        )
        # Nothing can be built on edited keys and values: they are edited again for the shorter prompt.
        full = demo_head(loaded, shorter, cache, task.edits) if task.edits else head
        rises.append(reprompt_loss(loaded, shorter, question, weights[:b] + weights[b + 1 :], full) - loss)
    return rises


def _effects_result(
    task: Task,
    fitted: Fitted,
    found: Effects,
    mode: str,
    bare: float,
    mass: Tensor,
    removal: list[float] | None,
    reprompt: list[float] | None,
    timings: dict[str, float],
) -> EffectsResult:
    values = found.effects.tolist()
    rank = agreement.spearman

    def spread(kept: list[float]) -> list[float]:
        place = dict(zip(fitted.kept, kept, strict=True))
        return [place.get(b, 0.0) for b in range(len(task.demos))]

    return EffectsResult(
        loss=found.loss_on,
        loss_zero_shot=found.loss_off,
        loss_reprompt_zero_shot=bare,
        effect_total=found.total,
        effects=spread(values),
        estimator=found.estimator,
        mode=mode,
        nodes=found.nodes,
        completeness_error=found.completeness_error,
        completeness_relative=found.completeness_error / max(abs(found.total), FLOOR / TOLERANCE),
        certified_error=found.certified_error,
        removal=None if removal is None else spread(removal),
        reprompt=None if reprompt is None else spread(reprompt),
        mass=spread(mass.tolist()),
        spearman_removal=None if removal is None else rank(values, removal),
        spearman_reprompt=None if reprompt is None else rank(values, reprompt),
        tokens=len(fitted.encoded),
        kept=fitted.kept,
        dropped=fitted.dropped,
        timings_ms=timings,
    )


def log_share(scores: Sequence[float], target: int | None) -> float | None:
    """Log-softmax of the target's score among all candidates."""
    if target is None:
        return None
    return float(torch.log_softmax(torch.tensor(scores, dtype=torch.float64), dim=0)[target])


class _Clock:
    """Milliseconds of named parts, and of the whole."""

    def __init__(self) -> None:
        self._start = time.perf_counter()
        self._parts: dict[str, float] = {}

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self._parts[name] = round((time.perf_counter() - start) * 1000, 3)

    def read(self) -> dict[str, float]:
        return {**self._parts, "total": round((time.perf_counter() - self._start) * 1000, 3)}
