"""Recommending from the whole catalogue: the likeliest titles of all, instead of a ranked candidate list.

Reads what the request names, writes the prompt with and without its demonstrations, and searches the titles'
prefix tree after each (generation/beam_search.py). Nothing is stored; no candidate list
is drawn.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from db import datasets
from db.datasets import Catalogue, Interaction
from db.errors import BadInput
from db.requests import RunRequest
from engine.context import Context, Engine, resolve
from engine.data.kept import Cost, Shelf
from engine.demos.dislikes import disliked_for
from engine.libraries import versions
from engine.llm.generation.beam_search import WIDTH, Found, search
from engine.llm.generation.prefix_tree import MIB, SECONDS, VERSION, TitleTree, build
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
from engine.progress import Clock, Report, counting, part, quiet
from engine.prompts import Fitted, encode, fit, render
from engine.tasks import results
from engine.tasks.edits import edited, refuse_drawn
from engine.tasks.hints import Hint, hint_for
from engine.tasks.inputs import Choice, chosen_for, shown_history

WIDER = 4  # every list proven on the 2,000 titles of the simulated store; at 1 nine of ten titles agree
SCORINGS = ("sum", "mean", "calibrated")  # what a title spelled token by token has: no Yes, no label


def recommend(
    engine: Engine,
    request: RunRequest,
    top: int = 10,
    width: int | None = None,
    zero_shot: bool = True,
    report: Report = quiet,
) -> dict[str, Any]:
    """The best `top` items of the whole catalogue for a user, with the demonstrations and without, as JSON.

    What the user bought before the target is left out. zero_shot False leaves out the list without, and half
    the time.

    Scores are those that ranking gives under the same scoring: sum, which auto means here, mean, calibrated.
    width: branches of the titles' prefix tree followed at each depth (default `WIDTH`; for calibrated `WIDER`
    times as many, as a title's score may rise with each token, so that little can be left out early).
    `search.proven` says that no wider search could change the list.
    Raises BadInput, NotFound, ModelError, OutOfMemory.
    """
    request = request.scored_by("sum")
    if width is None:
        width = WIDTH * WIDER if request.scoring == "calibrated" else WIDTH
    _check(request, top, width)
    clock = Clock()
    with clock("prepare"):
        context = resolve(engine, request)
        query, choice = context.query, chosen_for(context)
        catalogue = datasets.catalogue(context.store, context.dataset.id)
        own = datasets.bought(context.store, context.dataset.id, query.user, query.target_position)
        excluded = sorted(set(own))
        hint = _hint(context, catalogue, excluded)
    with clock("load"):
        loaded = context.loaded
    report(0.0, "reading the titles")
    with clock("titles"):
        tree = _tree(context, catalogue)
    searches = [part(report, 0.1, 0.55 if zero_shot else 1.0), part(report, 0.55, 1.0)]
    with clock("prior"), counting(part(report, 0.0, 0.1), "measuring every title without a history"):
        history = shown_history(context, ())
        task = _task(context, choice, history, hint)
        fitted, zero = _fitted(context, tree, task)
        gate = gate_of(loaded, kept_weights(task, fitted))
        scale = _scale(context, tree)
    with clock("prefill"):
        prompt = whole_prompt(context, fitted, gate, edits=task.edits)
    with clock("search"):
        best = search(loaded, prompt, tree, top, width, gate, scale, excluded, searches[0])
    with clock("zero_shot"):
        bare = best if zero_shot else None
        if zero_shot and fitted.kept:
            prompt = whole_prompt(context, zero, None)
            bare = search(loaded, prompt, tree, top, width, None, scale, excluded, searches[1])
    no_room = results.no_room(fitted.dropped, zero.dropped if zero_shot else fitted.dropped)
    return {
        "items": _listed(catalogue, best, query.target.item),
        **({"zero_shot": _listed(catalogue, bare, query.target.item)} if bare else {}),
        "search": {
            "width": width,
            "titles": len(tree),
            "excluded": len(excluded),
            "proven": best.proven,
            **({"zero_shot_proven": bare.proven} if bare else {}),
        },
        "demonstrations": [
            results.demonstration(entry, weight, context)
            for entry, weight in zip(choice.entries, choice.weights, strict=True)
        ],
        "history": [results.interaction(purchase) for purchase in history],
        "target": {**results.interaction(query.target), "kind": request.target},
        "prompt": {
            "tokens": len(fitted.encoded),
            "dropped": [dropped.as_dict() for dropped in fitted.dropped],
        },
        "model": results.model(loaded),
        **({"hint": hint.as_dict()} if hint else {}),
        **results.choice_notes(request, choice, no_room),
        "timings_ms": clock.read(),
    }


def _hint(context: Context[RunRequest], catalogue: Catalogue, excluded: Sequence[int]) -> Hint | None:
    """What the request's baseline says of all items but the excluded ones."""
    if context.request.hint is None:
        return None
    gone = set(excluded)
    return hint_for(context, [item for item in range(len(catalogue.titles)) if item not in gone])


def _task(
    context: Context[RunRequest], choice: Choice, history: Sequence[Interaction], hint: Hint | None
) -> Task:
    """The request in titles, under its edits; the candidates are the whole catalogue and not listed."""
    request = context.request
    task = Task(
        demos=tuple(map(context.example, choice.entries)),
        history=context.history(history),
        candidates=(),
        weights=tuple(choice.weights),
        template=context.template,
        hint=hint.titles if hint else (),
        edits=(ForwardTuned(request.forward),) if request.forward else (),
    )
    disliked = disliked_for(context.store, context.dataset, context.query, request.edits)
    return edited(request, task, disliked)


def _fitted(context: Context[RunRequest], tree: TitleTree, task: Task) -> tuple[Fitted, Fitted]:
    """The prompt with the demonstrations and the one without, with room for the longest title behind."""
    loaded, scoring = context.loaded, context.request.scoring
    room = loaded.context_length - int(tree.lengths.max())
    fitted = fit(loaded.encoder, task.template, scoring, task.demos, task.history, room, task.hint)
    zero = fit(loaded.encoder, task.template, scoring, [], task.history, room, task.hint)
    return fitted, zero


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


def _tree(context: Context[RunRequest], catalogue: Catalogue) -> TitleTree:
    """The titles' prefix tree, kept with the data set for everyone who asks a model of this revision."""
    loaded, titles = context.loaded, catalogue.titles
    shelf = Shelf(context.engine.settings, context.dataset.fingerprint)
    version = (VERSION, loaded.revision, versions(("tokenizers", "transformers")))
    cost = Cost(f"{len(titles):,} titles by their tokens", SECONDS * len(titles), MIB * len(titles))
    kept = shelf.get("prefix-tree", lambda: build(loaded.encoder, titles).kept(), *version, cost=cost)
    return TitleTree.rebuilt(kept)


def _scale(context: Context[RunRequest], tree: TitleTree) -> Scale:
    """What a title's score is; every title's prior is kept for the next request about this catalogue."""
    loaded, request = context.loaded, context.request
    if request.scoring != "calibrated":
        return Mean(tree) if request.scoring == "mean" else Sum()

    def calibrated() -> Calibrated:
        empty = encode(loaded.encoder, render(context.template, request.scoring, [], []))
        return Calibrated(tree, priors(loaded, prefill(loaded, empty.ids, empty.owners()), tree))

    key = ("priors", context.dataset.fingerprint, loaded.key, context.template)
    return context.engine.prefills.get(key, calibrated, lambda scale: scale.nbytes)


def gate_of(loaded: LoadedModel, weights: Sequence[float]) -> Tensor | None:
    """Log weights of the demonstrations [k]; None where every weight is 1."""
    if all(weight == 1 for weight in weights):
        return None
    return log_gate(torch.tensor(list(weights), dtype=torch.float64, device=loaded.device))


def whole_prompt(
    context: Context[RunRequest],
    fitted: Fitted,
    gate: Tensor | None,
    question: Sequence[int] = (),
    edits: Sequence[Edit] = (),
) -> Prefix:
    """Keys and values of a whole prompt, with the question's tokens behind; the gate acts on what everything
    behind the demonstrations sees of them.

    What comes before the query does not depend on the gate: ranking shares it (`demo_head`, edits as there).
    """
    head = demo_head(context.loaded, fitted, context.engine.prefills, edits)
    query = [*fitted.encoded.ids[len(head) :], *question]
    return extend(context.loaded, head.head(), query, [-1] * len(query), gate)


def _listed(catalogue: Catalogue, best: Found, target: int) -> list[dict[str, Any]]:
    return [
        {
            "item": catalogue.item_ids[item],
            "title": catalogue.titles[item],
            "rank": rank,
            "score": score,
            "is_target": item == target,
        }
        for rank, (item, score) in enumerate(zip(best.items, best.scores, strict=True), 1)
    ]
