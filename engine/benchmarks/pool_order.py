"""How far orders of a pool agree with what each demonstration does when it is really added, and their cost.

The truth: the prompt written with that one demonstration behind those of the request, its margin less that
of the prompt without it (`rank_candidates`). It is also the slowest way, which the others are faster than.
"""

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from db import datasets
from db.choices import SOURCES
from db.requests import RunRequest
from engine.benchmarks.timing import bar
from engine.context import Engine, resolve
from engine.demos import selection
from engine.evaluation.statistics import estimate
from engine.evaluation.users import drawn_users
from engine.llm.explain.predicted_effects import added, slopes
from engine.llm.loading.load import LoadedModel
from engine.llm.scoring.memory import PrefillCache
from engine.llm.scoring.ranking import Task, rank_candidates
from engine.lrgd.agreement import spearman
from engine.prompts import Example
from engine.tasks.inputs import gather
from engine.tasks.pool import USUAL_SIZE
from engine.tasks.predicted import most_similar

ADDED = "each added"
ALONE = "each alone"
SLOPES = "one backward pass"
LOSS = "each added, loss alone"
SIMILARITY = "similarity"
RANDOM = "random"
SAME = 0.01  # nats by which two readings of the same prompt may differ through rounding

Scores = Sequence[float | None]


def pool_order(
    engine: Engine,
    dataset: str,
    model: str,
    demos: str,
    users: int,
    seed: int,
    candidates: int,
    history: int,
    size: int,
    report: Callable[[str], None],
) -> dict[str, Any]:
    """Spearman of each order with the effects truly measured, over users, and seconds per pool.

    demos: what stands in the prompt already; size: of a pool, the most similar ones. Raises what `rank`
    raises.
    """
    engine.local(model)
    info = datasets.get(engine.store, dataset)
    found = []
    for user in drawn_users(datasets.columns(engine.store, info.id), users, seed):
        report(f"Adding a pool for user {user}")
        request = RunRequest(
            dataset, user, model, demos=demos, seed=seed, candidates=candidates, history=history, turns="one"
        )
        context = resolve(engine, request)
        inputs = gather(context)
        shown = {entry.demonstration.id for entry in inputs.chosen}
        offered = selection.pool(engine.store, info, context.query, list(SOURCES), USUAL_SIZE, seed)
        pool = most_similar(offered, size, shown)
        examples = [context.example(entry) for entry in pool]
        scores = {SIMILARITY: [entry.similarity for entry in pool], RANDOM: _drawn(len(pool), user, seed)}
        found.append(compared(context.loaded, inputs.task(), examples, scores))
    return {
        "bench": "pool",
        "dataset": dataset,
        "model": model,
        "demos": demos,
        "seed": seed,
        "users": len(found),
        "pool": float(np.mean([user["pool"] for user in found])),
        **summed(found, seed),
    }


def compared(
    loaded: LoadedModel, task: Task, pool: Sequence[Example], scores: Mapping[str, Scores]
) -> dict[str, Any]:
    """One user: `{pool, truth, scores, seconds}`, by order; `scores` are those that cost nothing."""
    ways: dict[str, Callable[[PrefillCache], Scores]] = {
        ADDED: lambda cache: added(loaded, task, pool, "margin", cache).effects,
        SLOPES: lambda cache: slopes(loaded, task, pool, "margin", cache),
        LOSS: lambda cache: added(loaded, task, pool, "loss", cache).effects,
    }
    if task.demos:
        bare = replace(task, demos=(), weights=None)
        ways[ALONE] = lambda cache: added(loaded, bare, pool, "margin", cache).effects
    measured, seconds = dict(scores), dict.fromkeys(scores, 0.0)
    truth, one_by_one = _timed(lambda cache: written(loaded, task, pool, cache))
    for name, way in ways.items():
        measured[name], seconds[name] = _timed(way)
    return {
        "pool": len(pool),
        "truth": truth,
        "scores": measured,
        "seconds": {**seconds, "one by one": one_by_one},
    }


def written(loaded: LoadedModel, task: Task, pool: Sequence[Example], cache: PrefillCache) -> Scores:
    """The effect of each demonstration on the margin, from prompts that are written and run with it."""
    without = rank_candidates(loaded, task, cache).margin
    weights = None if task.weights is None else (*task.weights, 1.0)
    tasks = [replace(task, demos=(*task.demos, demo), weights=weights) for demo in pool]
    margins = [rank_candidates(loaded, one, cache).margin for one in tasks]
    assert without is not None
    return [margin - without for margin in margins if margin is not None]


def summed(users: Sequence[dict[str, Any]], seed: int) -> dict[str, Any]:
    """A row for each order: agreement and what its first brings over users, seconds as medians; and bars."""
    rows = [_row(name, users, seed) for name in (ADDED, ALONE, SLOPES, LOSS, SIMILARITY, RANDOM)]
    off = [
        abs(score - true)
        for user in users
        for score, true in zip(user["scores"][ADDED], user["truth"], strict=True)
        if score is not None
    ]
    what = f"{ADDED}, largest distance from the prompt written with it (nats)"
    return {
        "rows": [row for row in rows if row],
        "one_by_one_s": float(np.median([user["seconds"]["one by one"] for user in users])),
        "best": float(np.mean([max(user["truth"]) for user in users])),
        "bars": [bar(what, SAME, round(max(off), 6), at_most=True)],
    }


def _row(name: str, users: Sequence[dict[str, Any]], seed: int) -> dict[str, Any]:
    asked = [user for user in users if name in user["scores"]]
    agreed, first = [], []
    for user in asked:
        pairs = [
            (score, true)
            for score, true in zip(user["scores"][name], user["truth"], strict=True)
            if score is not None
        ]
        if (here := spearman(*map(list, zip(*pairs, strict=True)))) is not None:
            agreed.append(here)
        first.append(max(pairs)[1])
    if not agreed:
        return {}
    found = estimate(agreed, seed)
    faster = [
        user["seconds"]["one by one"] / user["seconds"][name] for user in asked if user["seconds"][name]
    ]
    return {
        "order": name,
        "spearman": found["mean"],
        "low": found["low"],
        "high": found["high"],
        "effect_of_its_first": float(np.mean(first)),
        "seconds": float(np.median([user["seconds"][name] for user in asked])),
        "times_faster": float(np.median(faster)) if faster else None,
    }


def _timed(work: Callable[[PrefillCache], Scores]) -> tuple[Scores, float]:
    """The scores and their seconds, with nothing kept from before."""
    started = time.perf_counter()
    scores = work(PrefillCache())
    return scores, time.perf_counter() - started


def _drawn(count: int, user: str, seed: int) -> list[float]:
    draw = random.Random(f"{user} {seed}")
    return [draw.random() for _ in range(count)]
