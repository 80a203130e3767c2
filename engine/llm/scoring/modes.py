"""What is asked about candidates under each scoring mode: token rows in, scores and losses out.

Knows prompts and token log-probabilities; the modes are
sum, mean, calibrated (likelihood of the title), yes_no (pointwise) and listwise (by label).
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from db.errors import ModelError
from engine.llm.loading.load import LoadedModel
from engine.llm.scoring.log_probs import Row
from engine.llm.scoring.memory import PrefillCache
from engine.llm.scoring.packed import Prompt, read
from engine.prompts import PieceEncoder, Template, encode, render
from engine.prompts.segments import label_answer, title_answer

LISTWISE_LIMIT = 200  # candidates in one list
_NUMBER = 8  # bytes


@dataclass(frozen=True)
class Question:
    """One request's candidates under one scoring mode.

    target: index of the right candidate or None. liked: whether Yes is the right answer about the target.
    orders: for listwise, permutations of the candidates.
    """

    template: Template
    scoring: str
    candidates: tuple[str, ...]
    target: int | None
    liked: bool
    orders: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Answers:
    """Scores per candidate (higher is better), and the right answer's loss in nats (None: no target)."""

    scores: list[float]
    loss: float | None


def longest_tail(encoder: PieceEncoder, question: Question) -> int:
    """Tokens that the longest ask and answer add to the shared prompt."""
    if question.scoring == "listwise":
        count = len(question.candidates)
        listed = max(len(_listed(encoder, question, order)) for order in question.orders)
        return listed + max(map(len, _labels(encoder, count)))
    return max(len(row.ids) for row in candidate_rows(encoder, question))


def answered(question: Question, logprobs: Tensor, norms: Tensor | None) -> Answers:
    """Scores and loss from the log-probabilities [R] of `candidate_rows`; norms [C]: see `Norms`."""
    found = logprobs.double()[None]
    scores = candidate_scores(question, found, norms)[0].tolist()
    if question.target is None:
        return Answers(scores, None)
    return Answers(scores, float(combine(question, found[:, target_rows(question)])[0]))


def loss_rows(encoder: PieceEncoder, question: Question) -> list[Row]:
    """The rows (after the query) from whose log-probabilities `combine` makes the target's loss."""
    if question.target is None:
        raise ValueError("a loss needs a target")
    title = question.candidates[question.target]
    if question.scoring == "yes_no":
        return _yes_no_rows(encoder, question, title)
    if question.scoring == "listwise":
        return [_label_rows(encoder, question, order, [question.target])[0] for order in question.orders]
    ids = encoder.joined(title_answer(title))
    return [Row(ids, len(ids))]


def combine(question: Question, logprobs: Tensor) -> Tensor:
    """Loss [m] in nats from the log-probabilities [m, R] of `loss_rows`."""
    if question.scoring == "yes_no":
        return -torch.log_softmax(logprobs, dim=1)[:, 0 if question.liked else 1]
    return -logprobs.mean(1)


def candidate_rows(encoder: PieceEncoder, question: Question) -> list[Row]:
    """The rows (after the query) from whose log-probabilities `candidate_scores` makes all scores.

    One per candidate; for yes_no two each, Yes first; for listwise one per candidate for each order.
    """
    if question.scoring == "yes_no":
        return [row for title in question.candidates for row in _yes_no_rows(encoder, question, title)]
    if question.scoring == "listwise":
        everyone = range(len(question.candidates))
        return [row for order in question.orders for row in _label_rows(encoder, question, order, everyone)]
    answers = [encoder.joined(title_answer(title)) for title in question.candidates]
    for title, ids in zip(question.candidates, answers, strict=True):
        if not ids:
            raise ModelError(f"The model's tokenizer turns the title '{title}' into no tokens at all.")
    return [Row(ids, len(ids)) for ids in answers]


def target_rows(question: Question) -> list[int]:
    """Which of `candidate_rows` are those that `loss_rows` gives."""
    assert question.target is not None
    if question.scoring == "yes_no":
        return [2 * question.target, 2 * question.target + 1]
    if question.scoring == "listwise":
        return [n * len(question.candidates) + question.target for n in range(len(question.orders))]
    return [question.target]


def candidate_scores(question: Question, logprobs: Tensor, norms: Tensor | None) -> Tensor:
    """Scores [m, C] (higher is better) from the log-probabilities [m, R] of `candidate_rows`.

    norms [C]: what each candidate is compared with (`norms_of`).
    """
    if question.scoring == "yes_no":
        yes, no = logprobs.view(len(logprobs), -1, 2).unbind(2)
        return yes - no
    if question.scoring == "listwise":
        return logprobs.view(len(logprobs), len(question.orders), -1).mean(1)
    if norms is None:
        return logprobs
    return logprobs / norms if question.scoring == "mean" else logprobs - norms


class Norms:
    """What titles' log-likelihoods are compared with, for many questions at once.

    For `mean` the titles' numbers of tokens, for `calibrated` their log-likelihoods after the prompt with
    neither history nor demonstrations, nothing for the other modes. `prompts` are those to be read for it,
    with the titles that the cache does not know; give `told` what they tell, then `of` has every question's.
    """

    def __init__(self, loaded: LoadedModel, questions: Sequence[Question], cache: PrefillCache) -> None:
        self._loaded, self._cache = loaded, cache
        missing: dict[tuple[int, ...], dict[tuple[int, ...], None]] = {}  # titles by the prompt before them
        for question in questions:
            if question.scoring == "calibrated":
                before = self._before(question)
                unknown = [ids for ids in self._titles(question) if self._key(before, ids) not in cache]
                missing.setdefault(before, {}).update(dict.fromkeys(unknown))
        self.prompts = [
            Prompt(before, (-1,) * len(before), tuple(Row(ids, len(ids)) for ids in titles))
            for before, titles in missing.items()
            if titles
        ]

    def told(self, logprobs: Sequence[Tensor]) -> None:
        """The log-probabilities [R] of each of `prompts`' rows."""
        for prompt, found in zip(self.prompts, logprobs, strict=True):
            for row, value in zip(prompt.rows, found.tolist(), strict=True):
                self._cache.keep(self._key(prompt.line, row.ids), value, _NUMBER)

    def of(self, question: Question) -> Tensor | None:
        """[C], float64; None where scores are not compared with anything."""
        if question.scoring not in ("mean", "calibrated"):
            return None
        titles = self._titles(question)
        if question.scoring == "mean":
            values = [float(len(ids)) for ids in titles]
        else:
            before = self._before(question)
            keys = [self._key(before, ids) for ids in titles]
            values = self._cache.get_all(keys, partial(self._priors, before), lambda _: _NUMBER)
        return torch.tensor(values, dtype=torch.float64, device=self._loaded.device)

    def _priors(self, before: tuple[int, ...], keys: list[Hashable]) -> list[float]:
        rows = tuple(Row(key[-1], len(key[-1])) for key in keys)  # type: ignore[index]
        return read(self._loaded, [Prompt(before, (-1,) * len(before), rows)])[0].logprobs.tolist()

    def _key(self, before: tuple[int, ...], title: tuple[int, ...]) -> Hashable:
        return (self._loaded.key, "prior", before, title)

    def _titles(self, question: Question) -> list[tuple[int, ...]]:
        return [self._loaded.encoder.joined(title_answer(title)) for title in question.candidates]

    def _before(self, question: Question) -> tuple[int, ...]:
        return encode(self._loaded.encoder, render(question.template, question.scoring, [], [])).ids


def norms_of(loaded: LoadedModel, question: Question, cache: PrefillCache) -> Tensor | None:
    """`Norms` of one question [C], float64."""
    return Norms(loaded, [question], cache).of(question)


def _ask_pieces(question: Question, titles: Sequence[str]) -> tuple[str, ...]:
    return question.template.form(question.scoring).ask(titles)


def _yes_no_rows(encoder: PieceEncoder, question: Question, title: str) -> list[Row]:
    asked = encoder.joined(_ask_pieces(question, [title]))
    form = question.template.form(question.scoring)
    answers = encoder.answers([form.yes_no_answer(yes) for yes in (True, False)])
    return [Row((*asked, *answer), len(answer)) for answer in answers]


def _label_rows(
    encoder: PieceEncoder, question: Question, order: Sequence[int], chosen: Sequence[int]
) -> list[Row]:
    """The list in this order and the label of each of the chosen candidates."""
    listed, place = _listed(encoder, question, order), {c: n for n, c in enumerate(order)}
    labels = _labels(encoder, len(order))
    return [Row((*listed, *labels[place[c]]), len(labels[place[c]])) for c in chosen]


def _labels(encoder: PieceEncoder, count: int) -> list[tuple[int, ...]]:
    return encoder.answers([label_answer(i, count) for i in range(count)])


def _listed(encoder: PieceEncoder, question: Question, order: Sequence[int]) -> tuple[int, ...]:
    return encoder.joined(_ask_pieces(question, [question.candidates[c] for c in order]))
