"""Ranking by a model behind an endpoint: the prompts, rows and sums of a local one, numbers from a server.

What stands before the query is written or not written: a demonstration of weight 0 is left out of the prompt,
and there is no other weight. All calls of a ranking go out together.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor

from db.endpoints import IN_CHAT, Endpoint
from db.errors import BadInput
from db.models import ModelInfo
from engine.endpoint.answers import Answers, system_of
from engine.endpoint.client import Client
from engine.endpoint.text import TextEncoder
from engine.llm.loading.identity import Identity
from engine.llm.scoring.log_probs import Row
from engine.llm.scoring.memory import PrefillCache
from engine.llm.scoring.modes import Question, candidate_rows, candidate_scores, combine, target_rows
from engine.llm.scoring.ranking import RankResult, Task, log_share, prepare
from engine.progress import Clock, plan
from engine.prompts import Dropped, Fitted, Template, encode, render

SPARE = 64  # tokens of a context that are left for what a server writes around a prompt


class Layout(NamedTuple):
    """What prompts are written on where a server reads them; the room is in bytes, as the encoder counts."""

    encoder: TextEncoder
    context_length: int


def layout(info: ModelInfo, writes: bool = False) -> Layout:
    """How prompts of an endpoint's model are written. writes: it is asked for a text."""
    assert info.endpoint is not None
    ways, room = info.endpoint.ways, max(SPARE, info.context_length - SPARE)
    return Layout(TextEncoder(ways.parting, writes), int(room * ways.bytes_per_token))


class Remote:
    """A model behind an endpoint, with what results say of a model, for one piece of work.

    `context_length`: in bytes, as `encoder` counts. `notes`: what a reader of the numbers should know.
    """

    def __init__(self, info: ModelInfo, client: Client, identity: Identity, writes: bool = False) -> None:
        """writes: it is asked for a text, not for the likelihood of answers."""
        assert info.endpoint is not None
        self.endpoint: Endpoint = info.endpoint
        self.client, self.identity = client, identity
        self.name, self.source, self.revision = info.name, info.source, info.revision
        self.architecture, self.parameters = info.architecture, info.parameters
        self.device = self.dtype_name = identity.device
        self.reason = "Computed by the endpoint's server, in the precision that it was started with."
        paper = layout(info, writes)
        self.encoder, self.context_length = paper.encoder, paper.context_length
        self.notes: list[str] = []
        self.more: dict[str, Any] = {}

    def answers(self, template: Template, scoring: str) -> Answers:
        """Answers by the best way for this scoring. Raises BadInput where there is none."""
        way = way_of(self.endpoint, self.name, scoring, template.turns)
        return Answers(self.client, way, system_of(template, scoring) if way in IN_CHAT else "")

    def tokens(self, size: int) -> int:
        """About how many tokens so many bytes are."""
        return max(1, round(size / self.endpoint.ways.bytes_per_token))

    def account(self) -> dict[str, Any]:
        """What the work took so far, ready for JSON."""
        return {"served": self.endpoint.served, **self.client.spent.as_dict()}

    def note(self, sentence: str) -> None:
        """Say something about the numbers once."""
        if sentence not in self.notes:
            self.notes.append(sentence)


@dataclass(frozen=True)
class Measured:
    """Log-probabilities [m, R] of a question's rows behind m prompts, and what they are compared with [C].

    `missing` of `asked` answers were not among those whose log-probability the server gave. `tokens`: of each
    prompt.
    """

    logprobs: Tensor
    norms: Tensor | None
    missing: int
    asked: int
    tokens: list[int]


class Asked:
    """One question about candidates, to be asked behind any prompts."""

    def __init__(self, remote: Remote, question: Question, rows: Sequence[Row] | None = None) -> None:
        """rows: behind each prompt; by default those of all candidates."""
        self._question = question
        self._answers = remote.answers(question.template, question.scoring)
        self._client = remote.client
        self._rows = candidate_rows(remote.encoder, question) if rows is None else rows
        self._compared = len(self._rows) == len(question.candidates)  # titles, all of them
        bare = render(question.template, question.scoring, [], [])
        self._empty = encode(remote.encoder, bare).ids

    def behind(self, prompts: Sequence[Sequence[int]]) -> Measured:
        """What the server says, several calls at once. Raises EndpointError and BadInput."""
        prior = self._prior()
        rows = self._all(prompts)
        everything = rows + self._all(prior)
        plan(self._answers.calls(everything))
        found = self._answers.found(everything)
        values = torch.tensor([each.logprob for each in found], dtype=torch.float64)
        norms = None
        if self._question.scoring == "mean" and self._compared:
            norms = torch.tensor([float(each.tokens) for each in found[: len(self._rows)]]).double()
        elif prior:
            norms = values[len(rows) :]
        return Measured(
            logprobs=values[: len(rows)].view(len(prompts), -1),
            norms=norms,
            missing=sum(each.missing for each in found),
            asked=len(found),
            tokens=[self._answers.tokens(row) for row in rows[:: len(self._rows)]],
        )

    def calls(self, prompts: Sequence[Sequence[int]]) -> int:
        """How many calls `behind` will make."""
        return self._answers.calls(self._all([*prompts, *self._prior()]))

    def estimate(self, prompts: Sequence[Sequence[int]]) -> int:
        """About how many tokens they will take; rather too many."""
        texts = self._answers.texts(self._all([*prompts, *self._prior()]))
        return sum(self._client.estimate(text) + 1 for text in texts)

    def _prior(self) -> list[tuple[int, ...]]:
        """The prompt without history that titles are compared with, where they are."""
        return [self._empty] if self._question.scoring == "calibrated" and self._compared else []

    def _all(self, prompts: Sequence[Sequence[int]]) -> list[Row]:
        return [Row((*ids, *row.ids), row.scored) for ids in prompts for row in self._rows]


def way_of(endpoint: Endpoint, name: str, scoring: str, turns: bool = False) -> str:
    """How the server answers this scoring. Raises BadInput, naming those that it can answer."""
    asked = "chat" if turns else "one"
    if way := endpoint.way(scoring, asked):
        return way
    can = ", ".join(endpoint.scorings_in(asked))
    if turns and endpoint.way(scoring):
        others = f"choose one turn, or a scoring by chat: {can}" if can else "choose one turn"
        raise BadInput(
            f"turns: {scoring} of {name!r} is read from plain text, which has no turns: {others}. Nothing "
            "was asked."
        )
    raise BadInput(
        f"scoring: the endpoint of {name!r} does not give what {scoring} needs. It can be ranked by "
        f"{can or 'nothing in turns'}; auto takes the best of these."
    )


def rank_remote(remote: Remote, task: Task, cache: PrefillCache | None = None) -> RankResult:
    """Scores every candidate once with the demonstrations and once without any, as `rank_candidates` does.

    cache: not needed. Raises BadInput, ModelError and EndpointError.
    """
    del cache
    clock = Clock()
    places, written = in_prompt(task)
    question, fitted, zero, _ = prepare(remote, written)
    with clock("score"):
        measured = Asked(remote, question).behind([fitted.encoded.ids, zero.encoded.ids])
    scores, bare = candidate_scores(question, measured.logprobs, measured.norms).tolist()
    loss = loss_bare = None
    if task.target is not None:
        loss, loss_bare = combine(question, measured.logprobs[:, target_rows(question)]).tolist()
    note_missing(remote, measured)
    return RankResult(
        scores=scores,
        scores_zero_shot=bare,
        loss=loss,
        loss_zero_shot=loss_bare,
        margin=log_share(scores, task.target),
        margin_zero_shot=log_share(bare, task.target),
        tokens=measured.tokens[0],
        text=remote.encoder.text(fitted.segments),
        kept=tuple(places[b] for b in fitted.kept),
        dropped=dropped(remote, fitted, places),
        dropped_zero_shot=dropped(remote, zero, places),
        timings_ms=clock.read(),
    )


def in_prompt(task: Task) -> tuple[list[int], Task]:
    """Places of the demonstrations that are written, those of weight 1, and the task with them alone.

    Raises BadInput for other weights, and for edits.
    """
    weights = task.weights or (1.0,) * len(task.demos)
    if any(weight not in (0, 1) for weight in weights):
        raise BadInput(
            "weights: a model behind an endpoint reads a demonstration or does not: each weight is 1 or 0. "
            "Other weights act inside a local model."
        )
    if task.edits:
        raise BadInput("Edits act inside a local model; there are none of a model behind an endpoint.")
    places = [place for place, weight in enumerate(weights) if weight]
    return places, replace(task, demos=tuple(task.demos[place] for place in places), weights=None)


def dropped(remote: Remote, fitted: Fitted, places: Sequence[int]) -> tuple[Dropped, ...]:
    """What did not fit, by its place in what was asked for, its length in tokens, about."""
    return tuple(
        replace(
            lost,
            index=places[lost.index] if lost.kind == "demo" else lost.index,
            tokens=remote.tokens(lost.tokens),
        )
        for lost in fitted.dropped
    )


def note_missing(remote: Remote, measured: Measured) -> None:
    """Say that some answers have no numbers of their own, where it is so."""
    if measured.missing:
        remote.note(
            f"{measured.missing:,} of {measured.asked:,} answers were not among the likeliest tokens that "
            "the server tells. They count as the least likely of these: their scores are too high, and equal "
            "ones are ties."
        )
