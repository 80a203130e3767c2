"""Ranking candidates with and without demonstrations: titles in, numbers out. Losses are in nats."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import torch

from db.errors import BadInput
from engine.llm.loading.load import LoadedModel
from engine.llm.scoring.gates import log_gate
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
from engine.progress import Clock, plan
from engine.prompts import PLAIN, Dropped, Example, Fitted, PieceEncoder, Template, fit

Scoring = Literal["sum", "mean", "calibrated", "yes_no", "listwise"]
# (model, keys and values of prefix and demonstrations, cache) -> the same prefix, edited
Edit = Callable[[LoadedModel, Prefix, PrefillCache], Prefix]


@dataclass(frozen=True)
class Task:
    """What is to be ranked or explained, in titles.

    demos: in prompt order (the last stands nearest to the query). history: oldest first, as the template
    shows it. target: index into
    candidates, or None. weights: one sample weight >= 0 per demonstration (None: all 1). target_liked:
    whether yes_no's right answer about the target is Yes. seed: order of listwise lists.
    hint: titles that another recommender suggests, shown before the query with and without demonstrations.
    edits: what is done to the keys and values of prefix and demonstrations before the query looks at them.
    """

    demos: tuple[Example, ...]
    history: tuple[str, ...]
    candidates: tuple[str, ...]
    target: int | None = None
    scoring: Scoring = "sum"
    weights: tuple[float, ...] | None = None
    template: Template = PLAIN
    target_liked: bool = True
    seed: int = 0
    hint: tuple[str, ...] = ()
    edits: "tuple[Edit, ...]" = ()


@dataclass(frozen=True)
class RankResult:
    """Scores per candidate in the order given (higher is better), with the demonstrations and without any.

    loss: NLL in nats of the right answer (the target's title, the right Yes/No, or the right label);
    loss_zero_shot the same for the prompt written without demonstrations; margin: log-softmax of the scores
    over the candidates at the target, scores as log-odds. All None without a target. kept: positions of the
    demonstrations that are in the prompt. dropped, dropped_zero_shot: what did not fit into the prompt with
    demonstrations and into the one without. tokens: of the prompt with demonstrations, answers not counted.
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
    dropped_zero_shot: tuple[Dropped, ...]
    timings_ms: dict[str, float]


def rank_candidates(loaded: LoadedModel, task: Task, cache: PrefillCache | None = None) -> RankResult:
    """Scores every candidate once with the demonstrations at their weights, and once without any.

    The prompt's keys and values are computed once and shared by all candidates; pass the same cache again and
    a changed weight recomputes only the query and the candidates. Raises BadInput, ModelError, OutOfMemory.
    """
    cache = cache or PrefillCache()
    clock = Clock()
    question, fitted, zero, room = prepare(loaded, task)
    answers_tokens = len(task.candidates) * (loaded.context_length - room) // 2  # about: half of the longest
    plan(loaded.layers * (len(fitted.encoded) + len(zero.encoded) + 2 * answers_tokens))
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
        dropped_zero_shot=zero.dropped,
        timings_ms=clock.read(),
    )


class Reader(Protocol):
    """What prompts are written for: a loaded model, or one that is elsewhere. `context_length`: in the units
    that `encoder` counts."""

    @property
    def encoder(self) -> PieceEncoder:
        """Of its prompts."""
        ...

    @property
    def context_length(self) -> int:
        """The longest prompt with its answer."""
        ...


def prepare(loaded: Reader, task: Task) -> tuple[Question, Fitted, Fitted, int]:
    """The question, the fitted prompt, the one without demonstrations, and the prompt's room in tokens.

    The prompt without demonstrations shows the whole history, cut only where that alone is too long: it does
    not depend on the demonstrations.
    """
    _check(task)
    listwise = task.scoring == "listwise"
    question = Question(
        template=task.template,
        scoring=task.scoring,
        candidates=task.candidates,
        target=task.target,
        liked=task.target_liked,
        orders=cyclic_orders(len(task.candidates), task.seed) if listwise else (),
    )
    room = loaded.context_length - longest_tail(loaded.encoder, question)
    fitted = fit(loaded.encoder, task.template, task.scoring, task.demos, task.history, room, task.hint)
    zero = fit(loaded.encoder, task.template, task.scoring, [], task.history, room, task.hint)
    return question, fitted, zero, room


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
    head = cache.get(key, lambda: prefill(loaded, part.ids, part.owners()), lambda prefix: prefix.nbytes)
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

    def computed() -> Answers:
        prompt = prefill(loaded, zero.encoded.ids, zero.encoded.owners())
        return ask(loaded, prompt, question, None, cache)

    key = (loaded.key, "zero", zero.encoded.ids, question)
    return cache.get(key, computed, lambda answers: 8 * len(answers.scores))


def log_share(scores: Sequence[float], target: int | None) -> float | None:
    """Log-softmax of the target's score among all candidates."""
    if target is None:
        return None
    return float(torch.log_softmax(torch.tensor(scores, dtype=torch.float64), dim=0)[target])
