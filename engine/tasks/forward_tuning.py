"""Iterative forward tuning for one user (arXiv 2305.13016): its curve, and the ranking where it is best.

Boundary: a request in, plain JSON out; how keys and values are refined is engine/llm/scoring/kv_tuning.py.
Which
iteration to rank with is chosen on the user's last known purchase, never on the target: the curve of the
known target is there to report. Nothing is stored; a run with `forward` set is (`engine.tasks.service.rank`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from db import datasets
from db.errors import BadInput
from db.requests import RunRequest
from db.requests.run import FORWARD_MOST
from engine.context import Engine
from engine.data.candidates import candidate_list
from engine.demos.probes import gives_away, own_probes
from engine.evaluation.metrics import metrics, rank_of
from engine.tasks import results
from engine.tasks.inputs import Inputs, gather
from engine.tasks.spread import edited, refuse_drawn

if TYPE_CHECKING:
    from engine.llm.loading.load import LoadedModel
    from engine.llm.scoring.measure import RankResult, Task

ITERATIONS = 8


def forward(
    engine: Engine,
    request: RunRequest,
    iterations: int = ITERATIONS,
    step: float | None = None,
    momentum: float | None = None,
    at: int | None = None,
    report: Callable[..., None] = lambda *_: None,
) -> dict[str, Any]:
    """Loss (nats), margin, rank and NDCG@10 of the target after 0 to `iterations` iterations, as JSON.

    at: the iteration to rank with; else the one with the least loss of the user's last known purchase, the
    earliest of equals, and 0 where there is no such purchase. Raises what `service.rank` raises.
    """
    from engine.llm.scoring.kv_tuning import MOMENTUM, STEP
    from engine.tasks.service import task_of

    step, momentum = STEP if step is None else step, MOMENTUM if momentum is None else momentum
    _check(request, iterations, step, momentum, at)
    inputs = gather(engine, request)
    report(None, f"loading {inputs.model.name}")
    loaded = engine.load(inputs.model)
    task = edited(inputs.request, task_of(inputs), inputs.disliked)

    def curve_of(each: Task, share: float, what: str) -> list[RankResult]:
        def told(done: float) -> None:
            report(share + done / 2, f"{what}: reading the demonstrations again")

        return _rankings(engine, loaded, each, iterations, step, momentum, told)

    probe = _probe(engine, inputs, task)
    tried = [] if probe is None else curve_of(probe[1], 0.0, "last known purchase")
    found = curve_of(task, 0.5, "target")
    assert task.target is not None
    chosen = at if at is not None else _least([one.loss for one in tried])
    best = found[chosen]
    return {
        "curve": [_point(t, one, task.target) for t, one in enumerate(found)],
        "probe_curve": [_point(t, one, probe[1].target or 0) for t, one in enumerate(tried)] if probe else [],
        "probe": None if probe is None else probe[0],
        "chosen": chosen,
        "chosen_by": "asked" if at is not None else "probe" if tried else "nothing to try it on",
        "iterations": iterations,
        "step": step,
        "momentum": momentum,
        "items": results.ranked(inputs, best.scores),
        "plain": results.ranked(inputs, found[0].scores),
        "metrics": {
            **metrics(rank_of(best.scores, task.target)),
            "plain": metrics(rank_of(found[0].scores, task.target)),
            "zero_shot": metrics(rank_of(best.scores_zero_shot, task.target)),
        },
        "loss_zero_shot": best.loss_zero_shot,
        "demonstrations": [entry.demonstration.id for entry in inputs.chosen],
        "target": {**results.interaction(inputs.target), "kind": request.target},
        "model": inputs.model.name,
    }


def _check(request: RunRequest, iterations: int, step: float, momentum: float, at: int | None) -> None:
    if not 1 <= iterations <= FORWARD_MOST:
        raise BadInput(f"iterations is {iterations}: forward tuning takes 1 to {FORWARD_MOST}.")
    if at is not None and not 0 <= at <= iterations:
        raise BadInput(f"at is {at}: rank with an iteration from 0 to {iterations}.")
    if not (math.isfinite(step) and 0 <= step <= 2):
        raise BadInput(f"step is {step}: a step is a number from 0 to 2.")
    if not 0 <= momentum < 1:
        raise BadInput(f"momentum is {momentum}: a momentum is a number from 0 up, below 1.")
    if request.prompts > 1 or request.forward:
        raise BadInput("prompts, forward: the curve is that of one prompt as it stands; leave both out.")
    refuse_drawn(request, "the curve is that of one prompt")


def _rankings(
    engine: Engine,
    loaded: LoadedModel,
    task: Task,
    count: int,
    step: float,
    momentum: float,
    told: Callable[[float], None],
) -> list[RankResult]:
    """The ranking after each iteration, the plain one first; the request's own edits act on every one."""
    from engine.llm.scoring.kv_tuning import Standing, iterations
    from engine.llm.scoring.measure import demo_head, prepare, rank_candidates

    _, fitted, _, _ = prepare(loaded, task)
    head = demo_head(loaded, fitted, engine.prefills)
    found = []
    for done, made in enumerate(iterations(loaded, head, count, step, momentum)):
        told(done / (count + 1))
        found.append(
            rank_candidates(loaded, replace(task, edits=(Standing(made), *task.edits)), engine.prefills)
        )
    return found


def _probe(engine: Engine, inputs: Inputs, task: Task) -> tuple[dict[str, Any], Task] | None:
    """The user's last known purchase among candidates of its own, without demonstrations that show it."""
    request, query, store = inputs.request, inputs.query, engine.store
    probes = own_probes(store, inputs.dataset, query, 1, request.history)
    if not probes:
        return None
    [probe] = probes
    fair = [i for i, entry in enumerate(inputs.chosen) if not gives_away(entry, query, probe)]
    if not fair:
        return None
    offered = candidate_list(
        store,
        inputs.dataset,
        query.user,
        probe.purchase.position,
        request.candidate_kind,
        request.candidates,
        request.seed,
    ).items
    items = datasets.items(store, inputs.dataset.id, offered)
    asked = replace(
        task,
        demos=tuple(task.demos[i] for i in fair),
        weights=None if task.weights is None else tuple(task.weights[i] for i in fair),
        history=tuple(one.title for one in probe.history),
        candidates=tuple(items[item].title for item in offered),
        target=offered.index(probe.purchase.item),
        target_rating=probe.purchase.rating,
        hint=(),
    )
    return {**results.interaction(probe.purchase), "demonstrations": len(fair)}, asked


def _least(losses: list[float | None]) -> int:
    """The iteration of the least loss, the earliest of equals; 0 where there is none."""
    return min(range(len(losses)), key=lambda t: (losses[t] or 0.0, t), default=0)


def _point(iteration: int, found: RankResult, target: int) -> dict[str, Any]:
    rank = rank_of(found.scores, target)
    return {
        "iteration": iteration,
        "loss": found.loss,
        "margin": found.margin,
        "rank": rank,
        "ndcg10": metrics(rank)["ndcg10"],
    }
