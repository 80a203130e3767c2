"""Recommending from the whole catalogue: the likeliest titles of all, instead of a ranked candidate list.

Reads what the request names, writes the prompt with and without its demonstrations, and searches the titles'
prefix tree after each (generation/beam_search.py). Nothing is stored; no candidate list
is drawn.
"""

import time
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from db import datasets
from db.datasets import Catalogue, DatasetInfo
from db.errors import BadInput
from db.requests import RunRequest
from engine.context import Engine
from engine.demos.dislikes import disliked_for
from engine.llm.generation.beam_search import WIDTH, Found, search
from engine.llm.generation.prefix_tree import TitleTree, build
from engine.llm.generation.title_scores import (
    Calibrated,
    Mean,
    Scale,
    Sum,
    priors,
)
from engine.llm.loading.load import LoadedModel
from engine.llm.scoring.gates import log_gate
from engine.llm.scoring.kv_tuning import ForwardTuned
from engine.llm.scoring.log_probs import Prefix, extend, prefill
from engine.llm.scoring.ranking import Edit, Task, demo_head, kept_weights
from engine.prompts import Fitted, encode, fit, render
from engine.tasks import results
from engine.tasks.edits import edited, refuse_drawn
from engine.tasks.hints import hint_for
from engine.tasks.inputs import chosen_for, query_of, shown_history

WIDER = 4  # every list proven on the 2,000 titles of the simulated store; at 1 nine of ten titles agree
SCORINGS = ("sum", "mean", "calibrated")  # what a title spelled token by token has: no Yes, no label


def recommend(
    engine: Engine,
    request: RunRequest,
    top: int = 10,
    width: int | None = None,
    exclude_history: bool = True,
    zero_shot: bool = True,
) -> dict[str, Any]:
    """The best `top` items of the whole catalogue for a user, with the demonstrations and without, as JSON.

    zero_shot False leaves out the list without, and half the time.

    Scores are those that ranking gives under the same scoring: sum, which auto means here, mean, calibrated.
    width: branches of the titles' prefix tree followed at each depth (default `WIDTH`; for calibrated `WIDER`
    times as many, as a title's score may rise with each token, so that little can be left out early).
    exclude_history: leave out what the user bought before the target. `search.proven` says that no wider
    search could change the list.
    Raises BadInput, NotFound, ModelError, OutOfMemory.
    """
    request = request.scored_by("sum")
    if width is None:
        width = WIDTH * WIDER if request.scoring == "calibrated" else WIDTH
    _check(request, top, width)
    clock = Clock()
    store = engine.store
    dataset, query = query_of(store, request)
    chosen, weights, _ = chosen_for(engine, dataset, query, request)
    catalogue = datasets.catalogue(store, dataset.id)
    own = datasets.history(store, dataset.id, query.user)[: query.target_position]
    excluded = sorted({one.item for one in own}) if exclude_history else []
    hint = None
    if request.hint:
        offered = [item for item in range(len(catalogue.titles)) if item not in set(excluded)]
        hint = hint_for(engine, dataset, request.hint, request.user, request.target, offered)
    hinted = hint.titles if hint else ()
    clock.note("prepare")
    loaded = engine.load(engine.registered(request.model))
    clock.note("load")
    tree = _tree(engine, loaded, dataset, catalogue)
    clock.note("titles")
    room = loaded.context_length - int(tree.lengths.max())
    demos = [entry.example for entry in chosen]
    shown = shown_history(engine, dataset, query, request, ())
    titles = [one.title for one in shown]
    fitted = fit(loaded.encoder, request.template, request.scoring, demos, titles, room, hinted)
    zero = fit(loaded.encoder, request.template, request.scoring, [], fitted.history, room, hinted)
    tuned = (ForwardTuned(request.forward),) if request.forward else ()
    task = Task(
        tuple(demos), tuple(titles), (), weights=tuple(weights), template=request.template, edits=tuned
    )
    task = edited(request, task, disliked_for(store, dataset, query, request.edits))
    gate = gate_of(loaded, kept_weights(task, fitted))
    scale = _scale(engine, loaded, dataset, tree, request)
    clock.note("prior")
    prompt = whole_prompt(engine, loaded, fitted, gate, edits=task.edits)
    clock.note("prefill")
    found = search(loaded, prompt, tree, top, width, gate, scale, excluded)
    clock.note("search")
    bare = found if zero_shot else None
    if zero_shot and fitted.kept:
        alone = whole_prompt(engine, loaded, zero, None)
        bare = search(loaded, alone, tree, top, width, None, scale, excluded)
    clock.note("zero_shot")
    return {
        "items": _listed(catalogue, found, query.target.item),
        **({"zero_shot": _listed(catalogue, bare, query.target.item)} if bare else {}),
        "search": {
            "width": width,
            "titles": len(tree),
            "excluded": len(excluded),
            "proven": found.proven,
            **({"zero_shot_proven": bare.proven} if bare else {}),
        },
        "demonstrations": [
            results.demonstration(entry, weight, request)
            for entry, weight in zip(chosen, weights, strict=True)
        ],
        "history": [results.interaction(one) for one in shown],
        "target": {**results.interaction(query.target), "kind": request.target},
        "prompt": {
            "tokens": len(fitted.encoded),
            "dropped": [dropped.as_dict() for dropped in fitted.dropped],
        },
        "model": results.model(loaded),
        **({"hint": hint.as_dict()} if hint else {}),
        "timings_ms": clock.read(),
    }


def _check(request: RunRequest, top: int, width: int) -> None:
    if request.scoring not in SCORINGS:
        raise BadInput(
            f"scoring: {request.scoring} needs a candidate list; the whole catalogue is searched by "
            f"{' or '.join(SCORINGS)}."
        )
    if request.history_by == "semantic":
        raise BadInput("history_by: semantic compares with a candidate list; the whole catalogue has none.")
    if request.prompts > 1:
        raise BadInput("prompts: the whole catalogue is searched after one prompt. Set prompts to 1.")
    refuse_drawn(request, "the whole catalogue is searched after one prompt")
    if top < 1 or width < 1:
        raise BadInput(f"top and width are whole numbers from 1 up, got {top} and {width}.")


def _tree(engine: Engine, loaded: LoadedModel, dataset: DatasetInfo, catalogue: Catalogue) -> TitleTree:
    """The titles' prefix tree, kept for the next request about this data set and tokenizer."""
    key = ("titles", dataset.fingerprint, loaded.source, loaded.revision)
    return engine.prefills.get(key, lambda: build(loaded.encoder, catalogue.titles), lambda tree: tree.nbytes)


def _scale(
    engine: Engine, loaded: LoadedModel, dataset: DatasetInfo, tree: TitleTree, request: RunRequest
) -> Scale:
    """What a title's score is; every title's prior is kept for the next request about this catalogue."""
    if request.scoring != "calibrated":
        return Mean(tree) if request.scoring == "mean" else Sum()

    def make() -> Calibrated:
        empty = encode(loaded.encoder, render(request.template, request.scoring, [], []))
        return Calibrated(tree, priors(loaded, prefill(loaded, empty.ids, empty.owners()), tree))

    key = ("priors", dataset.fingerprint, loaded.key, request.template)
    return engine.prefills.get(key, make, lambda made: made.nbytes)


def gate_of(loaded: LoadedModel, weights: Sequence[float]) -> Tensor | None:
    """Log weights of the demonstrations [k]; None where every weight is 1."""
    if all(weight == 1 for weight in weights):
        return None
    return log_gate(torch.tensor(list(weights), dtype=torch.float64, device=loaded.device))


def whole_prompt(
    engine: Engine,
    loaded: LoadedModel,
    fitted: Fitted,
    gate: Tensor | None,
    asked: Sequence[int] = (),
    edits: Sequence[Edit] = (),
) -> Prefix:
    """Keys and values of a whole prompt, with what is asked about it behind; the gate acts on what all behind
    the demonstrations sees of them.

    What comes before the query does not depend on the gate: ranking shares it (`demo_head`, edits as there).
    """
    head = demo_head(loaded, fitted, engine.prefills, edits)
    query = [*fitted.encoded.ids[len(head) :], *asked]
    return extend(loaded, head.head(), query, [-1] * len(query), gate)


def _listed(catalogue: Catalogue, found: Found, target: int) -> list[dict[str, Any]]:
    return [
        {
            "item": catalogue.item_ids[item],
            "title": catalogue.titles[item],
            "rank": rank,
            "score": score,
            "is_target": item == target,
        }
        for rank, (item, score) in enumerate(zip(found.items, found.scores, strict=True), 1)
    ]


class Clock:
    """Milliseconds of parts that follow one another, and of the whole."""

    def __init__(self) -> None:
        self._start = self._last = time.perf_counter()
        self._parts: dict[str, float] = {}

    def note(self, name: str) -> None:
        """End a part."""
        now = time.perf_counter()
        self._parts[name] = round((now - self._last) * 1000, 3)
        self._last = now

    def read(self) -> dict[str, float]:
        """The parts and `total`."""
        return {**self._parts, "total": round((time.perf_counter() - self._start) * 1000, 3)}
