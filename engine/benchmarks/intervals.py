"""How often the intervals of estimated effects hold the exact value: 95 % is what they say.

All 2^k coalitions of each user's demonstrations are taken once, in both measures; the estimate sees only its
own of them, and those told before it (`engine.lrgd.gradual`) only some of these.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from engine.benchmarks.timing import bar
from engine.evaluation.statistics import estimate
from engine.llm.explain.reprompt import Reprompts
from engine.llm.loading.load import LoadedModel
from engine.llm.scoring.gates import WeightedPrompt
from engine.llm.scoring.measures import reading
from engine.llm.scoring.memory import PrefillCache
from engine.llm.scoring.ranking import Task, demo_head, prepare
from engine.lrgd.gradual import gradually
from engine.lrgd.kriging import SURE
from engine.lrgd.objective import Effects, Remembered
from engine.lrgd.shapley import exact

LEAST = 0.9
ROUNDING = 1e-6  # what equal numbers may differ by


def intervals(
    loaded: LoadedModel,
    tasks: Sequence[Task],
    mode: str = "direct",
    say: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Per measure and number of costs: share of intervals that hold (`covered`), error and half width by the
    largest effect."""
    found: dict[str, dict[int, list[dict[str, float]]]] = {"margin": {}, "loss": {}}
    for number, task in enumerate(tasks):
        say(f"user {number + 1} of {len(tasks)}")
        game, ones = _game(loaded, task, mode)
        for column, measure in enumerate(found):
            true = exact(game.column(column), ones)
            nearer: list[Effects] = []
            last = gradually(game.column(column), ones, "kriging", lambda near, _, to=nearer: to.append(near))
            for near in (*nearer, last):
                found[measure].setdefault(near.passes, []).append(_off(near, true))
    rows = [_row(measure, passes, users) for measure, by in found.items() for passes, users in by.items()]
    return {
        "bench": "intervals",
        "model": loaded.name,
        "mode": mode,
        "k": len(tasks[0].demos),
        "users": len(tasks),
        "nominal": SURE,
        "rows": rows,
        "bars": [
            bar(
                f"{row['measure']}, {row['passes']} passes: intervals that hold the exact effect",
                LEAST,
                row["covered"]["mean"],
            )
            for row in rows
        ],
    }


def _game(loaded: LoadedModel, task: Task, mode: str) -> tuple[Remembered, torch.Tensor]:
    """Costs of the task's coalitions in both measures, each computed once."""
    cache = PrefillCache()
    question, fitted, _, _ = prepare(loaded, task)
    head = demo_head(loaded, fitted, cache)
    ask = reading(loaded, question, "margin", cache)
    gated = WeightedPrompt(loaded, fitted, head, ask, "total" if mode == "total" else "direct")
    played = Reprompts(loaded, fitted, head, ask) if mode == "reprompt" else gated
    return Remembered(played, ask.columns), torch.ones(len(fitted.kept), dtype=gated.dtype)


def _off(near: Effects, true: Effects) -> dict[str, float]:
    assert near.reach is not None
    off, largest = (near.effects - true.effects).abs(), float(true.effects.abs().max())
    return {
        "covered": float((off <= near.reach + ROUNDING).double().mean()),
        "error": float(off.square().mean().sqrt()) / max(largest, ROUNDING),
        "width": float(near.reach.mean()) / max(largest, ROUNDING),
    }


def _row(measure: str, passes: int, users: list[dict[str, float]]) -> dict[str, Any]:
    values = {name: np.array([user[name] for user in users]) for name in users[0]}
    return {
        "measure": measure,
        "passes": passes,
        "covered": estimate(values["covered"], 0),
        **{f"{name}_{part}": float(of(values[name])) for name in ("error", "width") for part, of in _PARTS},
    }


_PARTS = (("median", np.median), ("mean", np.mean))
