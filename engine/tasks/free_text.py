"""Free generation: the model writes titles as it likes, and how far it kept to what was asked is counted.

The prompt shows the candidate list and asks for titles, one per line; nothing constrains the answer. With
`retries` an answer with faults is shown them and asked again (verify and retry, arXiv 2412.20372 and
2411.01483); what a fault is depends on the list and the user's own purchases, never on the target. Which
lines name a candidate, another item of the catalogue, something twice, nothing that exists or nothing at all
is reported (`engine.tasks.title_lines`).
Made for instruct models; a model that was never taught to answer shows it in the counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Protocol

from db import datasets
from db.datasets import Catalogue
from db.errors import BadInput
from db.requests import RunRequest
from engine.context import Context, Engine, resolve
from engine.endpoint.client import OverBudget
from engine.llm.generation.free_writing import write
from engine.llm.scoring.ranking import Task, kept_weights
from engine.progress import Clock
from engine.prompts import Dropped, fit
from engine.tasks import results
from engine.tasks.catalogue import gate_of, whole_prompt
from engine.tasks.edits import edited, refuse_drawn
from engine.tasks.inputs import Inputs, gather
from engine.tasks.remote import accounted, refuse, remote_of
from engine.tasks.remote_writing import RemoteWriter
from engine.tasks.title_lines import FAULTS, SPARE, Line, compliance, read

MOST_RETRIES = 10


@dataclass(frozen=True)
class Attempt:
    """One answer. `read_tokens`, `written_tokens`: of its question, and of what the model wrote."""

    text: str
    lines: list[Line]
    read_tokens: int
    written_tokens: int

    def fits(self) -> int:
        """How many lines name a candidate that no line above names."""
        return sum(line.status == "candidate" for line in self.lines)

    def faults(self, wanted: int) -> list[tuple[str, str]]:
        """Its lines with what is wrong with them; how many are missing, where none is wrong."""
        wrong = [(line.text, FAULTS[line.status]) for line in self.lines if line.status in FAULTS]
        return wrong or [("the list", f"{self.fits()} of {wanted} titles")]


class Writer(Protocol):
    """What writes: a model here, or one behind an endpoint. `chat`: whether the question is put in a chat."""

    model: Any
    chat: bool

    @property
    def dropped(self) -> Sequence[Dropped]:
        """What did not fit into the prompt."""
        ...

    def ids(self, faults: Sequence[tuple[str, str]] = ()) -> tuple[int, ...]:
        """The question that stands behind the prompt, with the faults of an answer."""
        ...

    def has_room(self, question: Sequence[int]) -> bool:
        """Whether the question and an answer fit behind the prompt."""
        ...

    def write(self, question: Sequence[int]) -> tuple[str, int, int]:
        """An answer, and the tokens that were read and written."""
        ...


class LocalWriter:
    """Free text by a model in memory, its demonstrations' weights acting as in ranking."""

    def __init__(self, context: Context[RunRequest], task: Task, top: int, clock: Clock) -> None:
        self._context, self._task, self._top, self._clock = context, task, top, clock
        self.model = loaded = context.loaded
        self.chat = loaded.encoder.chat
        longest = max(len(loaded.encoder.joined((f" {title}\n",))) for title in task.candidates)
        self._most = top * (longest + SPARE)
        room = loaded.context_length - len(self.ids()) - self._most
        self._fitted = fit(loaded.encoder, task.template, "free", task.demos, task.history, room, task.hint)
        self._gate = gate_of(loaded, kept_weights(task, self._fitted))

    @property
    def dropped(self) -> Sequence[Dropped]:
        """What did not fit into the prompt."""
        return self._fitted.dropped

    def ids(self, faults: Sequence[tuple[str, str]] = ()) -> tuple[int, ...]:
        """The question, with the faults of an answer."""
        return self.model.encoder.joined(self._task.template.form("free").ask(self._task.candidates, faults))

    def has_room(self, question: Sequence[int]) -> bool:
        """Whether the question and an answer fit behind the prompt."""
        return len(self._fitted.encoded) + len(question) + self._most <= self.model.context_length

    def write(self, question: Sequence[int]) -> tuple[str, int, int]:
        """An answer, and the tokens that were read and written. Raises OutOfMemory."""
        with self._clock("prefill"):
            prompt = whole_prompt(self._context, self._fitted, self._gate, question, self._task.edits)
        with self._clock("write"):
            text = write(self.model, prompt, self._top, self._most, self._gate)
        written = len(self.model.tokenizer.encode(text, add_special_tokens=False))
        return text, len(self._fitted.encoded) + len(question), written


def free(engine: Engine, request: RunRequest, top: int = 10, retries: int = 0) -> dict[str, Any]:
    """What the model writes when asked for its `top` of the request's candidate list, as JSON.

    retries: how often it is asked again, at most, while its answer has faults. The answer taken is the one
    with the most lines that fit, the earliest of those; `attempts` has the compliance and tokens of each.

    `items`: the catalogue's items among its lines, in its order, none twice and none the user already has.
    `compliance`: lines by status, and the share that names a candidate as asked. The request's scoring plays
    no part; its weights act as in ranking. Of a model behind an endpoint `endpoint` has the calls and tokens.
    Raises BadInput, NotFound, ModelError, OutOfMemory.
    """
    if top < 1:
        raise BadInput(f"top is a whole number from 1 up, got {top}.")
    if not 0 <= retries <= MOST_RETRIES:
        raise BadInput(f"retries is a whole number from 0 to {MOST_RETRIES}, got {retries}.")
    refuse_drawn(request, "one prompt is written on")
    clock = Clock()
    with clock("prepare"):
        context = _context(engine, request)
        inputs, store = gather(context), context.store
        catalogue = datasets.catalogue(store, inputs.dataset.id)
        own = datasets.bought(store, inputs.dataset.id, inputs.query.user, inputs.query.target_position)
    with _writer(context, inputs, top, clock) as writer:

        def answer(question: Sequence[int]) -> Attempt:
            text, read_tokens, written = writer.write(question)
            lines = read(text, catalogue, inputs.candidates.items, own)[:top]
            return Attempt(text, lines, read_tokens, written)

        attempts, notes = _attempts(writer, answer, retries, min(top, len(inputs.titles)))
        taken = max(attempts, key=Attempt.fits)  # the first of the best
        result = {
            "items": _listed(catalogue, taken.lines, inputs.target.item),
            "lines": [_line(catalogue, line) for line in taken.lines],
            "compliance": compliance(taken.lines, top),
            "text": taken.text,
            **({"attempts": [_attempt(each, top) for each in attempts]} if retries else {}),
            **_of_inputs(inputs),
            "prompt": {
                "tokens": attempts[0].read_tokens,
                "dropped": [dropped.as_dict() for dropped in writer.dropped],
            },
            "model": {**results.model(writer.model), "chat": writer.chat},
            **results.choice_notes(request, inputs.choice, notes),
            "timings_ms": clock.read(),
        }
        remote = context.model.endpoint is not None
        return accounted(result, writer.model, context.request, scored=False) if remote else result


def _context(engine: Engine, request: RunRequest) -> Context[RunRequest]:
    """The request looked up; of a model behind an endpoint its scoring is free text, whatever it says.

    Raises BadInput, before a call, for what a server cannot do.
    """
    context = resolve(engine, request).writing("free")
    if context.model.endpoint is None:
        return context
    context = replace(context, request=replace(context.request, scoring="free"))
    refuse(context.model, context.request)
    return context


@contextmanager
def _writer(context: Context[RunRequest], inputs: Inputs, top: int, clock: Clock) -> Iterator[Writer]:
    task = inputs.task()
    if context.model.endpoint is not None:
        with remote_of(context) as remote:
            yield RemoteWriter(remote, task, top)
        return
    with clock("load"):
        _ = context.loaded
    with clock("prefill"):
        writer = LocalWriter(context, edited(inputs.request, task, inputs.disliked), top, clock)
    yield writer


def _attempts(
    writer: Writer, answer: Callable[[Sequence[int]], Attempt], retries: int, wanted: int
) -> tuple[list[Attempt], list[str]]:
    """The first answer and those to the question with faults; why it was not asked again, in a sentence."""
    attempts, why = [answer(writer.ids())], ""
    while len(attempts) <= retries and attempts[-1].fits() < wanted and not why:
        question = writer.ids(attempts[-1].faults(wanted))
        if not writer.has_room(question):
            why = f"the prompt has no room for the faults of attempt {len(attempts)}"
            break
        try:
            attempts.append(answer(question))
        except OverBudget:
            why = "the next answer might pass the budget of tokens"
    return attempts, [f"It was not asked again: {why}."] if why else []


def _of_inputs(inputs: Inputs) -> dict[str, Any]:
    """What it was asked about."""
    chosen = zip(inputs.chosen, inputs.weights, strict=True)
    return {
        "demonstrations": [results.demonstration(entry, weight, inputs.context) for entry, weight in chosen],
        "history": [results.interaction(purchase) for purchase in inputs.query.history],
        "target": {**results.interaction(inputs.target), "kind": inputs.request.target},
        "candidates": {"fingerprint": inputs.candidates.fingerprint, "size": inputs.candidates.size},
        **({"hint": inputs.hint.as_dict()} if inputs.hint else {}),
    }


def _attempt(attempt: Attempt, top: int) -> dict[str, Any]:
    return {
        "compliance": compliance(attempt.lines, top),
        "text": attempt.text,
        "tokens": {"read": attempt.read_tokens, "written": attempt.written_tokens},
    }


def _line(catalogue: Catalogue, line: Line) -> dict[str, Any]:
    item = None if line.item is None else catalogue.item_ids[line.item]
    return {"text": line.text, "status": line.status, "item": item}


def _listed(catalogue: Catalogue, lines: Sequence[Line], target: int) -> list[dict[str, Any]]:
    kept = [
        line.item for line in lines if line.item is not None and line.status in ("candidate", "catalogue")
    ]
    return [
        {
            "item": catalogue.item_ids[item],
            "title": catalogue.titles[item],
            "rank": rank,
            "is_target": item == target,
        }
        for rank, item in enumerate(kept, 1)
    ]
