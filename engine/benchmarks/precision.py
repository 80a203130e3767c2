"""What bfloat16 does to a model's rankings, and how much faster it is: the same lists in both formats."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.stats import kendalltau

from db import datasets
from db.requests import RunRequest
from engine.benchmarks.timing import bar
from engine.context import Engine, resolve
from engine.evaluation.metrics import ndcg, standing
from engine.evaluation.statistics import difference, estimate
from engine.evaluation.users import drawn_users
from engine.llm.loading.load import load
from engine.llm.scoring.ranking import rank_candidates
from engine.tasks.inputs import gather

FORMATS = ("float32", "bfloat16")
AGREES = 0.98  # mean Kendall tau from which bfloat16 may be a default


def precision(
    engine: Engine,
    dataset: str,
    model: str,
    demos: str,
    scoring: str,
    users: int,
    seed: int,
    report: Callable[[str], None],
) -> dict[str, Any]:
    """Kendall's tau-b of every list in bfloat16 with that in float32, NDCG@10 and seconds of both.

    Both models are in memory, and take turns. Raises what `rank` raises, and OutOfMemory.
    """
    info = engine.local(model)
    columns = datasets.columns(engine.store, datasets.get(engine.store, dataset).id)
    report(f"Loading {model} in {' and '.join(FORMATS)}")
    loaded = {name: load(info.source, engine.settings.device, name, engine.digests) for name in FORMATS}
    tau: list[float] = []
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in FORMATS}
    for user in drawn_users(columns, users, seed):
        report(f"Ranking user {user}")
        request = RunRequest(dataset, user, model, demos=demos, scoring=scoring, seed=seed)
        inputs = gather(resolve(engine, request))
        task, lists = inputs.task(), []
        for name in FORMATS if len(tau) % 2 else FORMATS[::-1]:
            started = time.perf_counter()
            ranked = rank_candidates(loaded[name], task)
            seconds = time.perf_counter() - started
            found[name].append((ndcg(standing(ranked.scores, inputs.target_index), 10), seconds))
            lists.append(ranked.scores)
        tau.append(float(kendalltau(*lists)[0]))  # type: ignore[reportArgumentType]
    ndcgs, seconds = ({name: np.array([row[n] for row in found[name]]) for name in FORMATS} for n in (0, 1))
    agreement = estimate(np.array(tau), seed)
    gained = difference(ndcgs["bfloat16"], ndcgs["float32"], seed)
    faster = estimate(seconds["float32"] / seconds["bfloat16"], seed)
    return {
        "bench": "precision",
        "dataset": dataset,
        "model": model,
        "demos": demos,
        "scoring": scoring,
        "seed": seed,
        "users": len(tau),
        "rows": [
            {"measure": "Kendall tau of the lists", **_ends(agreement)},
            {"measure": "NDCG@10 in float32", **_ends(estimate(ndcgs["float32"], seed))},
            {"measure": "NDCG@10, bfloat16 less float32", **_ends(gained)},
            {"measure": "times faster in bfloat16", **_ends(faster)},
        ],
        "bars": [bar("Kendall tau of the lists in bfloat16 and float32", AGREES, agreement["mean"])],
    }


def _ends(found: dict[str, Any]) -> dict[str, float]:
    return {name: found[name] for name in ("mean", "low", "high")}
