"""Conventional recommenders and a model with demonstrations on the same users and candidate lists, in pairs.

Boundary: names in, a table with intervals and paired tests out, ready for JSON. The model's rankings are
stored runs like any other; of the baselines, candidate lists and fitted files are kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np

from db import datasets
from db.choices import BASELINES
from db.requests import RunRequest
from engine.baselines.ranks import Evaluation, measured, rule, users_of
from engine.context import Engine
from engine.evaluation.metrics import Standing
from engine.evaluation.statistics import paired_tests, together
from engine.progress import Report, quiet
from engine.tasks.rank import rank
from engine.tuning.recipe import knows_later

DECIDING = "ndcg10"


def compared(
    engine: Engine,
    dataset_name: str,
    kinds: Sequence[str],
    users: int = 300,
    seed: int = 0,
    *,
    candidates: int = 20,
    candidate_kind: str = "random",
    target: str = "test",
    minutes: float | None = None,
    model: str | None = None,
    demos: Sequence[str] = ("none",),
    report: Report = quiet,
) -> dict[str, Any]:
    """`{users, rule, rows: [{name, knows, metrics, tied, notes, ranks}], tests}`.

    model: ranks the same lists with each of `demos`; None: baselines alone. tests: NDCG@10 of every pair of
    rows, `p_holm` corrected for all of them. Raises BadInput, NotFound, ModelError.
    """
    dataset = datasets.get(engine.store, dataset_name)
    columns = datasets.columns(engine.store, dataset.id)
    drawn = users_of(dataset, columns, kinds, users, seed, target)
    rows: dict[str, dict[str, Any]] = {}
    reached: dict[str, Evaluation] = {}
    for kind in kinds:
        report(None, BASELINES[kind].label)
        row, evaluation = measured(
            engine.store,
            dataset,
            columns,
            kind,
            drawn,
            seed,
            candidates=candidates,
            candidate_kind=candidate_kind,
            target=target,
            settings=engine.settings,
            minutes=minutes,
        )
        rows[kind] = {"knows": row.pop("fitted_on"), **row}
        reached[kind] = evaluation
    for spec in demos if model is not None else ():
        name = f"{model}, {spec}"
        standings = []
        for number, user in enumerate(drawn):
            report(None, f"{name}: user {number + 1} of {len(drawn)}")
            standings.append(
                _standing(
                    engine,
                    RunRequest(
                        dataset_name,
                        user,
                        str(model),
                        demos=spec,
                        candidates=candidates,
                        candidate_kind=candidate_kind,
                        target=target,
                        seed=seed,
                    ),
                )
            )
        reached[name] = Evaluation(drawn, standings, seed)
        knows = "demonstrations from before each target's moment" if spec != "none" else "the user's history"
        rows[name] = {
            "knows": knows,
            "metrics": reached[name].summary(),
            "tied": reached[name].tied,
            "notes": knows_later(engine.registered(str(model)), dataset),
        }
    return {
        "dataset": dataset.name,
        "simulated": dataset.simulated,
        "target": target,
        "users": len(drawn),
        "candidates": candidates,
        "candidate_kind": candidate_kind,
        "seed": seed,
        "rule": rule(columns),
        "rows": [{"name": name, **row, "ranks": reached[name].ranks} for name, row in rows.items()],
        "tests": _tests(reached, seed),
    }


def _standing(engine: Engine, request: RunRequest) -> Standing:
    """Where a run's target stands; a run stores the expected rank and how many are tied."""
    metrics = rank(engine, request).result["metrics"]
    tied = metrics.get("tied", 0)
    return Standing(round(metrics["rank"] - 1 - tied / 2), tied)


def _tests(reached: dict[str, Evaluation], seed: int) -> list[dict[str, Any]]:
    pairs = list(combinations(reached, 2))
    if not pairs:
        return []
    values = {name: evaluation.values(DECIDING) for name, evaluation in reached.items()}
    tests = together(paired_tests(np.array([values[a] - values[b] for a, b in pairs]), seed))
    return [
        {"better": first, "than": second, DECIDING: test}
        for (first, second), test in zip(pairs, tests, strict=True)
    ]
