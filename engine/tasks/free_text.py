"""Free generation: the model writes titles as it likes, and how far it kept to what was asked is counted.

The prompt shows the candidate list and asks for titles, one per line; nothing constrains the answer. With
`retries` an answer with faults is shown them and asked again (verify and retry, arXiv 2412.20372 and
2411.01483); what a fault is depends on the list and the user's own purchases, never on the target. Which
lines name a candidate, another item of the catalogue, something twice, nothing that exists or nothing at all
is reported. Lines match titles exactly but for case, punctuation and blanks.
Made for instruct models; a model that was never taught to answer shows it in the counts.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from db import datasets
from db.datasets import Catalogue
from db.errors import BadInput
from db.requests import RunRequest
from engine.context import Engine, resolve
from engine.llm.generation.free_writing import write
from engine.llm.scoring.ranking import kept_weights
from engine.progress import Clock
from engine.prompts import fit
from engine.tasks import results
from engine.tasks.catalogue import gate_of, whole_prompt
from engine.tasks.edits import edited, refuse_drawn
from engine.tasks.inputs import gather

STATUSES = ("candidate", "catalogue", "history", "duplicate", "unknown", "unparseable")
MOST_RETRIES = 10
SPARE = 8  # tokens of a line besides the longest title on offer
_BULLET = re.compile(r"^\s*(?:[-*\u2022\u2013]+|\(?\d{1,3}[.):])\s+")


FAULTS = {  # what is said of a line when it is asked again
    "catalogue": "not on offer",
    "history": "already bought",
    "duplicate": "named twice",
    "unknown": "there is no such title",
    "unparseable": "no title",
}


@dataclass(frozen=True)
class Line:
    """One line the model wrote, the item number it names or None, and one of `STATUSES`."""

    text: str
    status: str
    item: int | None


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


def free(engine: Engine, request: RunRequest, top: int = 10, retries: int = 0) -> dict[str, Any]:
    """What the model writes when asked for its `top` of the request's candidate list, as JSON.

    retries: how often it is asked again, at most, while its answer has faults. The answer taken is the one
    with the most lines that fit, the earliest of those; `attempts` has the compliance and tokens of each.

    `items`: the catalogue's items among its lines, in its order, none twice and none the user already has.
    `compliance`: lines by status, and the share that names a candidate as asked. The request's scoring plays
    no part; its weights act as in ranking. Raises BadInput, NotFound, ModelError, OutOfMemory.
    """
    if top < 1:
        raise BadInput(f"top is a whole number from 1 up, got {top}.")
    if not 0 <= retries <= MOST_RETRIES:
        raise BadInput(f"retries is a whole number from 0 to {MOST_RETRIES}, got {retries}.")
    refuse_drawn(request, "one prompt is written on")
    clock = Clock()
    with clock("prepare"):
        context = resolve(engine, request)
        inputs, store = gather(context), context.store
        catalogue = datasets.catalogue(store, inputs.dataset.id)
        own = datasets.bought(store, inputs.dataset.id, inputs.query.user, inputs.query.target_position)
    with clock("load"):
        loaded = context.loaded
    with clock("prefill"):
        form = context.template.form("free")
        question = loaded.encoder.joined(form.ask(inputs.titles))
        longest = max(len(loaded.encoder.joined((f" {title}\n",))) for title in inputs.titles)
        most = top * (longest + SPARE)
        task = edited(inputs.request, inputs.task(form), inputs.disliked)
        room = loaded.context_length - len(question) - most
        fitted = fit(loaded.encoder, task.template, "free", task.demos, task.history, room, task.hint)
        gate = gate_of(loaded, kept_weights(task, fitted))
    wanted = min(top, len(inputs.titles))

    def answer(asked: Sequence[int]) -> Attempt:
        with clock("prefill"):
            prompt = whole_prompt(context, fitted, gate, asked, task.edits)
        with clock("write"):
            text = write(loaded, prompt, top, most, gate)
        lines = read(text, catalogue, inputs.candidates.items, own)[:top]
        written = len(loaded.tokenizer.encode(text, add_special_tokens=False))
        return Attempt(text, lines, len(fitted.encoded) + len(asked), written)

    attempts, notes = [answer(question)], []
    while len(attempts) <= retries and attempts[-1].fits() < wanted:
        again = loaded.encoder.joined(form.ask(inputs.titles, attempts[-1].faults(wanted)))
        if len(fitted.encoded) + len(again) + most > loaded.context_length:
            faults = f"the faults of attempt {len(attempts)}"
            notes.append(f"It was not asked again: the prompt has no room for {faults}.")
            break
        attempts.append(answer(again))
    taken = max(attempts, key=Attempt.fits)  # the first of the best
    text, lines = taken.text, taken.lines
    return {
        "items": _listed(catalogue, lines, inputs.target.item),
        "lines": [_line(catalogue, line) for line in lines],
        "compliance": compliance(lines, top),
        "text": text,
        **({"attempts": [_attempt(each, top) for each in attempts]} if retries else {}),
        "demonstrations": [
            results.demonstration(entry, weight, context)
            for entry, weight in zip(inputs.chosen, inputs.weights, strict=True)
        ],
        "history": [results.interaction(purchase) for purchase in inputs.query.history],
        "target": {**results.interaction(inputs.target), "kind": request.target},
        "candidates": {"fingerprint": inputs.candidates.fingerprint, "size": inputs.candidates.size},
        "prompt": {
            "tokens": len(fitted.encoded) + len(question),
            "dropped": [dropped.as_dict() for dropped in fitted.dropped],
        },
        "model": {**results.model(loaded), "chat": loaded.encoder.chat},
        **({"hint": inputs.hint.as_dict()} if inputs.hint else {}),
        **results.choice_notes(request, inputs.choice, notes),
        "timings_ms": clock.read(),
    }


def read(text: str, catalogue: Catalogue, candidates: Sequence[int], own: Sequence[int]) -> list[Line]:
    """The lines of an answer matched to items; of items with one title a candidate comes first.

    candidates, own: item numbers on offer, and those the user already has.
    """
    offered, had = set(candidates), set(own)
    named: dict[str, int] = {}
    for item in sorted(range(len(catalogue.titles)), key=lambda i: (i not in offered, i in had, i)):
        named.setdefault(normal(catalogue.titles[item]), item)
    lines: list[Line] = []
    seen: set[int] = set()
    for raw in text.splitlines():
        if not raw.strip():
            continue
        words = normal(_BULLET.sub("", raw))
        item = named.get(words) if words else None
        item = named.get(normal(raw)) if item is None and words else item  # titles may start with a number
        lines.append(Line(raw.strip(), _status(words, item, seen, offered, had), item))
        seen |= {item} if item is not None else set()
    return lines


def _status(words: str, item: int | None, seen: set[int], offered: set[int], had: set[int]) -> str:
    if not words:
        return "unparseable"
    if item is None:
        return "unknown"
    if item in seen:
        return "duplicate"
    if item in offered:
        return "candidate"
    return "history" if item in had else "catalogue"


def normal(title: str) -> str:
    """A title as it is compared: compatibility forms and case folded, letters and digits only."""
    return " ".join(re.findall(r"[^\W_]+", unicodedata.normalize("NFKC", title).casefold()))


def compliance(lines: Sequence[Line], asked: int) -> dict[str, float | int]:
    """Lines asked for and written, lines by status, and the candidates' share of those asked for."""
    counts = Counter(line.status for line in lines)
    return {
        "asked": asked,
        "written": len(lines),
        **{status: counts[status] for status in STATUSES},
        "share": counts["candidate"] / asked,
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
