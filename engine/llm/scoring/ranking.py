"""Ranking candidates with and without demonstrations: titles in, numbers out. Losses are in nats."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import torch

from db.errors import BadInput
from engine.llm.loading.load import LoadedModel
from engine.llm.scoring.gates import log_gate
from engine.llm.scoring.log_probs import Prefix, prefill
from engine.llm.scoring.memory import PrefillCache
from engine.llm.scoring.modes import (
    LISTWISE_LIMIT,
    Answers,
    Norms,
    Question,
    answered,
    candidate_rows,
    longest_tail,
)
from engine.llm.scoring.packed import Prompt, ending, read
from engine.progress import Clock
from engine.prompts import PLAIN, Dropped, Example, Fitted, PieceEncoder, Template, fit
from engine.prompts.orders import cyclic_orders

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

    Prompt and candidates are read together; pass the same cache again and a changed weight reads only the
    query and the candidates again. Raises BadInput, ModelError, OutOfMemory.
    """
    return rank_all(loaded, [task], cache)[0]


def rank_all(
    loaded: LoadedModel, tasks: Sequence[Task], cache: PrefillCache | None = None
) -> list[RankResult]:
    """The rankings of many tasks, whose prompts are read side by side: far sooner than one by one.

    Each has its share of the time, by tokens. The same scores as one by one, but for the model's arithmetic:
    sums of numbers in another order.
    """
    cache = cache or PrefillCache()
    clock = Clock()
    prompts = [_Both(*prepare(loaded, task), task) for task in tasks]
    with clock("rank"):
        found = answers(loaded, [asked for both in prompts for asked in both.asked], cache)
    lengths = [sum(len(asked.fitted.encoded) for asked in both.asked) for both in prompts]
    results = []
    for both, length in zip(prompts, lengths, strict=True):
        told, bare = found[0], found[len(both.asked) - 1]
        found = found[len(both.asked) :]
        results.append(
            RankResult(
                scores=told.scores,
                scores_zero_shot=bare.scores,
                loss=told.loss,
                loss_zero_shot=bare.loss,
                margin=log_share(told.scores, both.task.target),
                margin_zero_shot=log_share(bare.scores, both.task.target),
                tokens=len(both.fitted.encoded),
                text=loaded.encoder.text(both.fitted.segments),
                kept=both.fitted.kept,
                dropped=both.fitted.dropped,
                dropped_zero_shot=both.zero.dropped,
                timings_ms={"rank": round(clock.parts["rank"] * length / max(sum(lengths), 1), 3)},
            )
        )
    return results


@dataclass(frozen=True)
class Asked:
    """A question behind its prompt. weights: of the demonstrations that are in it. edits: see `Task`.
    lasting: whether the answers are kept, as many tasks ask the same (the prompt without demonstrations)."""

    question: Question
    fitted: Fitted
    weights: tuple[float, ...] = ()
    edits: "tuple[Edit, ...]" = ()
    lasting: bool = False


@dataclass(frozen=True)
class _Both:
    """A task's prompts: with demonstrations, and without."""

    question: Question
    fitted: Fitted
    zero: Fitted
    room: int
    task: Task

    @property
    def asked(self) -> list[Asked]:
        """What is to be read: one where the task has no demonstrations that fit."""
        first = asked_of(self.question, self.fitted, self.task)
        bare = Asked(self.question, self.zero, lasting=True)
        if self.fitted.kept:
            return [first, bare]
        same = self.fitted.encoded.ids == self.zero.encoded.ids and not self.task.edits
        return [bare if same else first]


def asked_of(question: Question, fitted: Fitted, task: Task) -> Asked:
    """The task's question behind the prompt with its demonstrations (`prepare` gives question and prompt)."""
    return Asked(question, fitted, tuple(kept_weights(task, fitted)), task.edits)


def answers(loaded: LoadedModel, asked: Sequence[Asked], cache: PrefillCache) -> list[Answers]:
    """What the model answers to each, read side by side. Raises ModelError, OutOfMemory."""
    keys = [
        (loaded.key, "zero", one.fitted.encoded.ids, one.question) if one.lasting else (n,)
        for n, one in enumerate(asked)
    ]
    found = {key: cache.known(key) for key in keys}
    waiting = {key: one for key, one in zip(keys, asked, strict=True) if found[key] is None}
    for (key, one), answer in zip(waiting.items(), _read(loaded, list(waiting.values()), cache), strict=True):
        found[key] = answer
        if one.lasting:
            cache.keep(key, answer, 8 * len(answer.scores))
    return [found[key] for key in keys]


def _read(loaded: LoadedModel, asked: Sequence[Asked], cache: PrefillCache) -> list[Answers]:
    prompts = [_prompt(loaded, one, cache) for one in asked]
    norms = Norms(loaded, [one.question for one in asked], cache)
    told = read(loaded, [*prompts, *norms.prompts], planned=False)
    norms.told([found.logprobs for found in told[len(asked) :]])
    for one, found in zip(asked, told, strict=False):
        if found.prefix is not None:
            cache.keep(_head_key(loaded, one.fitted), found.prefix, found.prefix.nbytes)
    return [
        answered(one.question, found.logprobs, norms.of(one.question))
        for one, found in zip(asked, told, strict=False)
    ]


def _prompt(loaded: LoadedModel, one: Asked, cache: PrefillCache) -> Prompt:
    """What is to be read: nothing whose keys and values are kept or were edited."""
    encoded, part = one.fitted.encoded, one.fitted.encoded.before("query")
    base, key = None, _head_key(loaded, one.fitted)
    if one.edits or (part.ids and key in cache):
        base = demo_head(loaded, one.fitted, cache, one.edits).head()
    gate = None
    if any(weight != 1 for weight in one.weights):
        gate = log_gate(torch.tensor(one.weights, dtype=torch.float64, device=loaded.device))
    line, owners = (part.ids, tuple(part.owners())) if base is None else ((), ())
    kept = 0 if base is not None or one.lasting else len(part)
    before = Prompt(line, owners, (), base, gate, kept)
    return ending(before, encoded.ids[len(part) :], candidate_rows(loaded.encoder, one.question))


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
    head = cache.get(
        _head_key(loaded, fitted),
        lambda: prefill(loaded, part.ids, part.owners()),
        lambda prefix: prefix.nbytes,
    )
    for edit in edits:
        head = edit(loaded, head, cache)
    return head


def _head_key(loaded: LoadedModel, fitted: Fitted) -> Hashable:
    part = fitted.encoded.before("query")
    return (loaded.key, "prefill", part.ids, tuple(part.owners()))


def log_share(scores: Sequence[float], target: int | None) -> float | None:
    """Log-softmax of the target's score among all candidates."""
    if target is None:
        return None
    return float(torch.log_softmax(torch.tensor(scores, dtype=torch.float64), dim=0)[target])
