"""How often the intervals of estimated effects hold the exact value: 95 % is what they say.

All 2^k coalitions of each user's demonstrations are taken once, in both measures; the estimate sees only its
own of them, and those told before it (`engine.lrgd.gradual`) only some of these. Mode `difference` is of
dropping, told from turning down; the estimates that it ends with are counted apart, as it ends where
intervals are narrow and those may hold less often.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from db.effect_results import FELT, NARROW
from engine.benchmarks.timing import bar
from engine.evaluation.statistics import estimate
from engine.llm.explain.effects import Known
from engine.llm.explain.reprompt import Reprompts
from engine.llm.loading.load import LoadedModel
from engine.llm.scoring.gates import WeightedPrompt
from engine.llm.scoring.measures import reading
from engine.llm.scoring.memory import PrefillCache
from engine.llm.scoring.ranking import Task, demo_head, prepare
from engine.lrgd.gradual import beside, gradually
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
    ended: dict[str, list[Effects]] = {measure: [] for measure in found}
    off: dict[str, list[dict[str, float]]] = {measure: [] for measure in found}
    for number, task in enumerate(tasks):
        say(f"user {number + 1} of {len(tasks)}")
        game, ones = _game(loaded, task, "reprompt" if mode == "difference" else mode)
        known = _game(loaded, task, "direct")[0] if mode == "difference" else None
        for column, measure in enumerate(found):
            true = exact(game.column(column), ones)
            other = None if known is None else known.column(column)
            told = _told(game.column(column), other, ones)
            for near in told:
                found[measure].setdefault(near.passes, []).append(_off(near, true))
            if known is not None:
                ended[measure].append(
                    next((near for near in told if Known({}, NARROW, FELT).narrow(near)), true)
                )
                off[measure].append(_off(ended[measure][-1], true))
    rows = [_row(measure, passes, users) for measure, by in found.items() for passes, users in by.items()]
    if mode == "difference":
        rows += [
            _row(measure, float(np.mean([last.passes for last in ended[measure]])), off[measure])
            for measure in found
        ]
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
                f"{row['measure']}, {row['passes']:.3g} passes: intervals that hold the exact effect",
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


def _told(game: Remembered, known: Remembered | None, ones: torch.Tensor) -> list[Effects]:
    """What is told of a game, the last word included."""
    told: list[Effects] = []
    if known is not None:
        beside(game, known, ones, lambda _: False, lambda near, _: told.append(near))
        return told
    last = gradually(game, ones, "kriging", lambda near, _: told.append(near))
    return [*told, last]


def _off(near: Effects, true: Effects) -> dict[str, float]:
    assert near.reach is not None
    off, largest = (near.effects - true.effects).abs(), float(true.effects.abs().max())
    return {
        "covered": float((off <= near.reach + ROUNDING).double().mean()),
        "error": float(off.square().mean().sqrt()) / max(largest, ROUNDING),
        "width": float(near.reach.mean()) / max(largest, ROUNDING),
    }


def _row(measure: str, passes: float, users: list[dict[str, float]]) -> dict[str, Any]:
    values = {name: np.array([user[name] for user in users]) for name in users[0]}
    return {
        "measure": measure,
        "passes": passes,
        "covered": estimate(values["covered"], 0),
        **{f"{name}_{part}": float(of(values[name])) for name in ("error", "width") for part, of in _PARTS},
    }


_PARTS = (("median", np.median), ("mean", np.mean))
