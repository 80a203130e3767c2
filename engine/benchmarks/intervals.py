"""How often the intervals of estimated effects hold the exact value: 95 % is what they say.

All 2^k coalitions of each user's demonstrations are taken once, in both measures; the estimate sees only its
own of them.
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
from engine.lrgd.kriging import SURE, kriging
from engine.lrgd.objective import Remembered
from engine.lrgd.shapley import exact

LEAST = 0.9
ROUNDING = 1e-6  # what equal numbers may differ by


def intervals(
    loaded: LoadedModel,
    tasks: Sequence[Task],
    mode: str = "direct",
    say: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Per measure: share of intervals that hold (`covered`), error and half width by the largest effect."""
    found: dict[str, list[dict[str, float]]] = {"margin": [], "loss": []}
    passes = 0
    for number, task in enumerate(tasks):
        say(f"user {number + 1} of {len(tasks)}")
        game, ones = _game(loaded, task, mode)
        for column, measure in enumerate(found):
            true = exact(game.column(column), ones)
            near = kriging(game.column(column), ones)
            assert near.reach is not None
            passes = near.passes
            off, largest = (near.effects - true.effects).abs(), float(true.effects.abs().max())
            found[measure].append(
                {
                    "covered": float((off <= near.reach + ROUNDING).double().mean()),
                    "error": float(off.square().mean().sqrt()) / max(largest, ROUNDING),
                    "width": float(near.reach.mean()) / max(largest, ROUNDING),
                }
            )
    rows = [_row(measure, users) for measure, users in found.items()]
    return {
        "bench": "intervals",
        "model": loaded.name,
        "mode": mode,
        "k": len(tasks[0].demos),
        "users": len(tasks),
        "nominal": SURE,
        "passes": passes,
        "rows": rows,
        "bars": [
            bar(f"{row['measure']}: intervals that hold the exact effect", LEAST, row["covered"]["mean"])
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


def _row(measure: str, users: list[dict[str, float]]) -> dict[str, Any]:
    values = {name: np.array([user[name] for user in users]) for name in users[0]}
    return {
        "measure": measure,
        "covered": estimate(values["covered"], 0),
        **{f"{name}_{part}": float(of(values[name])) for name in ("error", "width") for part, of in _PARTS},
    }


_PARTS = (("median", np.median), ("mean", np.mean))
