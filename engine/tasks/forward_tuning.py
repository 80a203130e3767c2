"""Iterative forward tuning for one user (arXiv 2305.13016): its curve, and the ranking where it is best.

Boundary: a request in, plain JSON out; how keys and values are refined is engine/llm/scoring/kv_tuning.py.
Which iteration to rank with is chosen on the user's last known purchase, never on the target: the curve of
the known target is there to report. Nothing is stored; a run with `forward` set is (`engine.tasks.rank`).
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
from engine.context import Context, Engine, resolve
from engine.data.candidates import candidate_list
from engine.demos.probes import gives_away, own_probes
from engine.evaluation.metrics import metrics, standing
from engine.progress import Report, quiet
from engine.tasks import results
from engine.tasks.edits import edited, refuse_drawn
from engine.tasks.inputs import Inputs, gather

if TYPE_CHECKING:
    from engine.llm.scoring.ranking import RankResult, Task

ITERATIONS = 8


def forward(
    engine: Engine,
    request: RunRequest,
    iterations: int = ITERATIONS,
    step: float | None = None,
    momentum: float | None = None,
    at: int | None = None,
    report: Report = quiet,
) -> dict[str, Any]:
    """Loss (nats), margin, rank and NDCG@10 of the target after 0 to `iterations` iterations, as JSON.

    at: the iteration to rank with; else the one with the least loss of the user's last known purchase, the
    earliest of equals, and 0 where there is no such purchase. Raises what `rank` raises.
    """
    from engine.llm.scoring.kv_tuning import MOMENTUM, STEP

    step, momentum = STEP if step is None else step, MOMENTUM if momentum is None else momentum
    _check(request, iterations, step, momentum, at)
    inputs = gather(resolve(engine, request))
    report(None, f"loading {inputs.model.name}")
    task = edited(inputs.request, inputs.task(), inputs.disliked)

    def curve(task: Task, start: float, purchase: str) -> list[RankResult]:
        def say(share: float) -> None:
            report(start + share / 2, f"{purchase}: tuning the demonstrations")

        return _rankings(inputs.context, task, iterations, step, momentum, say)

    probe, probe_task = _probe(inputs, task)
    probe_curve = [] if probe_task is None else curve(probe_task, 0.0, "last known purchase")
    target_curve = curve(task, 0.5, "target")
    assert task.target is not None
    chosen = at if at is not None else _least([ranking.loss for ranking in probe_curve])
    best, plain = target_curve[chosen], target_curve[0]
    return {
        "curve": _points(target_curve, task),
        "probe_curve": [] if probe_task is None else _points(probe_curve, probe_task),
        "probe": probe,
        "chosen": chosen,
        "chosen_by": "asked" if at is not None else "probe" if probe_curve else "nothing to try it on",
        "iterations": iterations,
        "step": step,
        "momentum": momentum,
        "items": results.ranked(inputs, best.scores),
        "plain": results.ranked(inputs, plain.scores),
        "metrics": {
            **metrics(standing(best.scores, task.target)),
            "plain": metrics(standing(plain.scores, task.target)),
            "zero_shot": metrics(standing(best.scores_zero_shot, task.target)),
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
    context: Context[RunRequest],
    task: Task,
    count: int,
    step: float,
    momentum: float,
    say: Callable[[float], None],
) -> list[RankResult]:
    """The ranking after each iteration, the plain one first; the request's own edits act on every one."""
    from engine.llm.scoring.kv_tuning import Standing, iterations
    from engine.llm.scoring.ranking import demo_head, prepare, rank_candidates

    loaded, cache = context.loaded, context.engine.prefills
    _, fitted, _, _ = prepare(loaded, task)
    head = demo_head(loaded, fitted, cache)
    rankings = []
    for done, tuned in enumerate(iterations(loaded, head, count, step, momentum)):
        say(done / (count + 1))
        rankings.append(rank_candidates(loaded, replace(task, edits=(Standing(tuned), *task.edits)), cache))
    return rankings


def _probe(inputs: Inputs, task: Task) -> tuple[dict[str, Any] | None, Task | None]:
    """The user's last known purchase as JSON, and its ranking among candidates of its own.

    The demonstrations that show it are left out. None where there is no such purchase, or none is left.
    """
    request, dataset, query, store = inputs.request, inputs.dataset, inputs.query, inputs.context.store
    probes = own_probes(store, dataset, query, 1, request.history)
    if not probes:
        return None, None
    [probe] = probes
    fair = [i for i, entry in enumerate(inputs.chosen) if not gives_away(entry, query, probe)]
    if not fair:
        return None, None
    kind, size, place = request.candidate_kind, request.candidates, probe.purchase.position
    offered = candidate_list(store, dataset, query.user, place, kind, size, request.seed).items
    items = datasets.items(store, dataset.id, offered)
    probe_task = replace(
        task,
        demos=tuple(task.demos[i] for i in fair),
        weights=None if task.weights is None else tuple(task.weights[i] for i in fair),
        history=tuple(purchase.title for purchase in probe.history),
        candidates=tuple(items[item].title for item in offered),
        target=offered.index(probe.purchase.item),
        target_liked=dataset.scale.likes(probe.purchase.rating),
        hint=(),
    )
    return {**results.interaction(probe.purchase), "demonstrations": len(fair)}, probe_task


def _least(losses: list[float | None]) -> int:
    """The iteration of the least loss, the earliest of equals; 0 where there is none."""
    return min(range(len(losses)), key=lambda t: (losses[t] or 0.0, t), default=0)


def _points(curve: list[RankResult], task: Task) -> list[dict[str, Any]]:
    """A curve as JSON, one point for each iteration."""
    points = []
    for iteration, ranking in enumerate(curve):
        reached = metrics(standing(ranking.scores, task.target or 0))
        points.append(
            {
                "iteration": iteration,
                "loss": ranking.loss,
                "margin": ranking.margin,
                **{name: reached[name] for name in ("rank", "tied", "ndcg10") if name in reached},
            }
        )
    return points
