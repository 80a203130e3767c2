"""Texts that a model writes and nothing scores: why an item is suggested, and a review in a few words.

Two of the tasks of LLMRec (arXiv 2308.12241). What comes out is marked as free text: it may be wrong, and no
number is made of it.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from db import datasets
from db.errors import BadInput, NotFound
from db.names import quoted
from db.requests import RunRequest
from engine.context import Engine, resolve
from engine.llm.generation.free_writing import write
from engine.llm.loading.load import LoadedModel
from engine.llm.scoring.log_probs import Prefix, prefill
from engine.llm.scoring.ranking import kept_weights
from engine.prompts import encode, fit, render
from engine.tasks import results
from engine.tasks.catalogue import gate_of, whole_prompt
from engine.tasks.edits import refuse_drawn
from engine.tasks.inputs import gather
from engine.tasks.rank import rank

NOTE = "Free text: the model wrote it, and nothing checks whether it is true."
LINES, TOKENS = 3, 96  # of an answer, at most
LONGEST = 20_000  # characters of a review


def explain(engine: Engine, request: RunRequest, item: str | None = None) -> dict[str, Any]:
    """Why an item fits the user, in the model's words; by default the first of the request's ranking.

    The request's scoring plays no part in the text; its weights act as in ranking. Raises NotFound for an
    item that is not there, BadInput, ModelError, OutOfMemory.
    """
    refuse_drawn(request, "one prompt is written on")
    context = resolve(engine, request)
    if item is None:
        best = rank(engine, request).result["items"][0]
        item, title = best["item"], best["title"]
    else:
        title = _title(context.store, context.dataset.id, item)
    context = context.writing("explanation")
    inputs, loaded = gather(context), context.loaded
    task = inputs.task()
    asked = loaded.encoder.joined(context.form.ask([title]))
    room = loaded.context_length - len(asked) - TOKENS
    fitted = fit(loaded.encoder, task.template, "explanation", task.demos, task.history, room, task.hint)
    gate = gate_of(loaded, kept_weights(task, fitted))
    prompt = whole_prompt(context, fitted, gate, asked, task.edits)
    return {"item": item, "title": title, **_answer(loaded, prompt, len(fitted.encoded) + len(asked), gate)}


def summarize(engine: Engine, model: str, review: str, template: str = "plain") -> dict[str, Any]:
    """A review in a few words, by the section [summary] of a template. Raises BadInput, NotFound, ModelError
    and OutOfMemory.
    """
    if not review.strip():
        raise BadInput("The review is empty.")
    if len(review) > LONGEST:
        raise BadInput(f"The review has {len(review):,} characters; at most {LONGEST:,} are read.")
    chosen, info = engine.template(template), engine.registered(model)
    form = chosen.form("summary")
    loaded = engine.load(info)
    shared = render(chosen, "summary", [], [])
    ids = (*encode(loaded.encoder, shared).ids, *loaded.encoder.joined(form.ask([review])))
    if len(ids) + TOKENS > loaded.context_length:
        raise BadInput(
            f"The review needs {len(ids):,} tokens with its question, and the model has room for "
            f"{loaded.context_length - TOKENS:,}. Shorten it."
        )
    return _answer(loaded, prefill(loaded, ids, [-1] * len(ids)), len(ids))


def _answer(loaded: LoadedModel, prompt: Prefix, tokens: int, gate: Tensor | None = None) -> dict[str, Any]:
    """What the model writes behind a prompt of so many tokens."""
    text = write(loaded, prompt, LINES, TOKENS, gate).strip()
    return {"text": text, "tokens": tokens, "model": results.model(loaded), "notes": [NOTE]}


def _title(store: Any, dataset: int, item: str) -> str:
    catalogue = datasets.catalogue(store, dataset)
    if item not in catalogue.item_ids:
        raise NotFound(f"There is no item {quoted(item)} in the data set.")
    return catalogue.titles[catalogue.item_ids.index(item)]
