"""How the demonstrations' help builds up: as they are added one by one, and as their weights grow together.

Added: prompts of their own, with the demonstrations nearest to the query first, which are the best matches.
Weights: one prompt whose demonstrations are all turned up from nothing to twice their weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

from db.effect_results import UNITS
from engine.evaluation.metrics import metrics, standing
from engine.explanations.asking import MEASURE, Asked, signed
from engine.progress import Report, counted

AT_ONCE = 4  # prompts read side by side
STEPS = 16  # of the weights from 0 to their own, and as many up to twice them
FELT = 0.05


def explained(asked: Asked, report: Report) -> dict[str, Any]:
    """`added[]`: how many, the place of the one added last, margin, loss and rank. `path[]`: `weight` (times
    the demonstrations' own), margin and loss, by turning down."""
    added, kept = _added(asked, report)
    report(0.7, "turning weights up")
    result = {"measure": MEASURE, "added": added, "path": _path(asked), "notes": _notes(asked, kept)}
    return {**result, "said": said(asked, result)}


def said(asked: Asked, result: dict[str, Any]) -> str:
    """Which addition moves the margin most, and where along the weights it happens."""
    unit, added = UNITS[MEASURE], result["added"]
    steps = [(after["margin"] - before["margin"], after) for before, after in pairwise(added)]
    change, last = max(steps, key=lambda step: abs(step[0]))
    whole = added[-1]["margin"] - added[0]["margin"]
    order = "first" if last["count"] == 1 else f"after {counted(last['count'] - 1, 'other')}"
    first = (
        f"All of them change the target's margin by {signed(whole)} {unit}; the largest step is "
        f"{asked.named(last['place'])}, {signed(change)} as it is added {order}."
        if abs(change) >= FELT
        else f"No demonstration changes the target's margin by {FELT} {unit} as it is added."
    )
    return f"{first} {_along(result['path'])}"


def _along(path: Sequence[dict[str, Any]]) -> str:
    """Where along the weights half of the change is reached, and what lies beyond weight 1."""
    start, own, double = (
        next(point for point in path if point["weight"] == weight)["margin"] for weight in (0.0, 1.0, 2.0)
    )
    if abs(own - start) < FELT:
        return f"Turning all weights up from 0 to 1 changes the margin by {signed(own - start)}."
    half = next(point["weight"] for point in path if abs(point["margin"] - start) >= abs(own - start) / 2)
    beyond = double - own
    more = f"twice the weight adds {signed(beyond)}" if abs(beyond) >= FELT else "more weight changes little"
    return f"Half of what the weights do is reached by weight {half:g}; {more}."


def tables(result: dict[str, Any]) -> list[tuple[list[str], list[list[Any]]]]:
    """The learning curve and the path."""
    added = [[row["count"], row["margin"], row["loss"], row["rank"]] for row in result["added"]]
    path = [[row["weight"], row["margin"], row["loss"]] for row in result["path"]]
    return [
        (["demonstrations", "margin", "loss (nats)", "rank"], added),
        (["weight", "margin", "loss (nats)"], path),
    ]


def _added(asked: Asked, report: Report) -> tuple[list[dict[str, Any]], int]:
    from engine.llm.scoring.ranking import prepare, rank_all

    _, fitted, _, _ = prepare(asked.loaded, asked.task)
    kept, task = fitted.kept, asked.task
    weights = task.weights or (1.0,) * len(task.demos)
    tasks = []
    for count in range(len(kept) + 1):
        places = kept[len(kept) - count :]
        demos, own = tuple(task.demos[b] for b in places), tuple(weights[b] for b in places)
        tasks.append(replace(task, demos=demos, weights=own))
    rows: list[dict[str, Any]] = []
    for start in range(0, len(tasks), AT_ONCE):
        report(0.6 * start / len(tasks), f"{counted(start, 'demonstration')} added")
        for ranked in rank_all(asked.loaded, tasks[start : start + AT_ONCE], asked.cache):
            count = len(rows)
            assert task.target is not None
            rows.append(
                {
                    "count": count,
                    "place": kept[len(kept) - count] if count else None,
                    "margin": ranked.margin,
                    "loss": ranked.loss,
                    "rank": metrics(standing(ranked.scores, task.target))["rank"],
                }
            )
    return rows, len(kept)


def _path(asked: Asked) -> list[dict[str, Any]]:
    import torch

    from engine.llm.scoring.gates import WeightedPrompt
    from engine.llm.scoring.measures import SIGNS, reading
    from engine.llm.scoring.ranking import demo_head, kept_weights, prepare

    question, fitted, _, _ = prepare(asked.loaded, asked.task)
    ask = reading(asked.loaded, question, MEASURE, asked.cache)
    head = demo_head(asked.loaded, fitted, asked.cache, asked.task.edits)
    prompt = WeightedPrompt(asked.loaded, fitted, head, ask)
    weights = torch.tensor(kept_weights(asked.task, fitted), dtype=prompt.dtype, device=asked.loaded.device)
    times = [step / STEPS for step in range(2 * STEPS + 1)]
    alpha = torch.tensor(times, dtype=prompt.dtype, device=asked.loaded.device)[:, None] * weights
    return [
        {"weight": weight, "margin": SIGNS[MEASURE] * cost, "loss": loss}
        for weight, (cost, loss) in zip(times, prompt.costs(alpha).tolist(), strict=True)
    ]


def _notes(asked: Asked, kept: int) -> list[str]:
    left = len(asked.task.demos) - kept
    return [f"{counted(left, 'demonstration')} did not fit into the prompt and are left out."] if left else []
