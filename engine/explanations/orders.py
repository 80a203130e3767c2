"""The order map: the same demonstrations in other orders, and the target at every place of a listwise prompt.

Each order is a prompt of its own, ranked like any other: nothing here is a decomposition. Where all orders
are too many, rotations of shuffled orders are taken: every demonstration stands at every place equally often.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from db.effect_results import UNITS
from db.errors import DualensError
from engine.evaluation.metrics import metrics, standing
from engine.explanations.asking import MEASURE, Asked, signed
from engine.progress import Report, counted, part

if TYPE_CHECKING:
    from engine.llm.scoring.ranking import RankResult, Task

MOST = 24  # orders
ALL_UP_TO = 4  # demonstrations, of which these are all
AT_ONCE = 4  # rankings read side by side
PLACES = 20  # of the target in a listwise prompt
NOTICED = 0.005  # two margins that differ by less are written alike
SAME = 0.05  # of a log-share; less is not told


def explained(asked: Asked, report: Report) -> dict[str, Any]:
    """`orders[]`: which demonstration stands where, with margin, loss and rank; the first is the run's.
    `cells` [k][places]: mean margin with a demonstration there, minus that of all orders. `places`: the
    listwise prompt, or None with the reason in `notes`."""
    task, places = _kept(asked)
    count = len(places)
    chosen = orders(count, asked.inputs.request.seed)
    ranked = _ranked(asked, [_ordered(task, order) for order in chosen], part(report, 0.0, 0.6))
    rows = [
        {"order": [places[at] for at in order], **_numbers(result, task)}
        for order, result in zip(chosen, ranked, strict=True)
    ]
    listwise, note = _listwise(asked, task, part(report, 0.6, 1.0))
    result = {
        "measure": MEASURE,
        "orders": rows,
        "all": count <= ALL_UP_TO,
        "shown": places,
        "cells": cells(chosen, [row["margin"] for row in rows]),
        "places": listwise,
        "notes": [note] if note else [],
    }
    return {**result, "said": said(asked, result)}


def orders(count: int, seed: int, most: int = MOST) -> list[tuple[int, ...]]:
    """Orders of `count` demonstrations, the first as it stands; all of them up to `ALL_UP_TO`.

    Otherwise rotations, first of the order itself, then of shuffled ones: one round, and more of them while
    they fit into `most`, so that each demonstration stands at each place equally often.
    """
    everyone = tuple(range(count))
    if count <= ALL_UP_TO:
        return list(itertools.permutations(everyone))
    drawn, rng = [], random.Random(f"orders {seed}")
    base = list(everyone)
    while not drawn or len(drawn) + count <= most:
        drawn += [tuple(base[turn:] + base[:turn]) for turn in range(count)]
        base = rng.sample(everyone, count)
    return drawn


def cells(orders: Sequence[Sequence[int]], values: Sequence[float]) -> list[list[float | None]]:
    """[demonstration][place]: mean value of the orders that have it there, minus the mean of all."""
    count, whole = len(orders[0]), sum(values) / len(values)
    found: list[list[float | None]] = []
    for demo in range(count):
        row: list[float | None] = []
        for place in range(count):
            here = [value for order, value in zip(orders, values, strict=True) if order[place] == demo]
            row.append(sum(here) / len(here) - whole if here else None)
        found.append(row)
    return found


def said(asked: Asked, result: dict[str, Any]) -> str:
    """Both pictures in words."""
    rows, unit = result["orders"], UNITS[MEASURE]
    margins = [row["margin"] for row in rows]
    if len(rows) == 1:
        told = "One demonstration has one order."
    else:
        better = sum(value >= margins[0] + NOTICED for value in margins)
        ranks = sorted({round(row["rank"]) for row in rows})
        held = f"always {ranks[0]}" if len(ranks) == 1 else f"from {ranks[0]} to {ranks[-1]}"
        over = f"{'all ' if result['all'] else ''}{len(rows)} orders"
        told = (
            f"Over {over} the target's margin runs from {signed(min(margins))} to {signed(max(margins))} "
            f"{unit} and its rank is {held}; {better} of them are better than the run's. "
            f"{_best_place(asked, result)}"
            if max(margins) - min(margins) >= SAME
            else f"None of the {len(rows)} orders changes the target's margin by {SAME}; its rank is {held}."
        )
    return f"{told.strip()} {_bias(result['places'])}".strip()


def _best_place(asked: Asked, result: dict[str, Any]) -> str:
    flat = [
        (value, demo, place)
        for demo, row in enumerate(result["cells"])
        for place, value in enumerate(row)
        if value is not None
    ]
    value, demo, place = max(flat, key=lambda cell: abs(cell[0]))
    if abs(value) < SAME:
        return "No place of any demonstration changes it by 0.05."
    name = asked.named(result["shown"][demo])
    where = "last" if place == len(result["shown"]) - 1 else "first" if not place else f"at place {place + 1}"
    return f"The largest change: {name} {where}, {signed(value)} on average."


def _bias(places: dict[str, Any] | None) -> str:
    if places is None:
        return ""
    best, worst = (choose(places["rows"], key=lambda row: row["margin"]) for choose in (max, min))
    apart = best["margin"] - worst["margin"]
    if apart < SAME:
        return "Where the target stands in a listwise prompt makes no difference of 0.05."
    return (
        f"In a listwise prompt the target does best at place {best['place']} and worst at place "
        f"{worst['place']} of {places['size']}, {apart:.2f} {UNITS[MEASURE]} apart."
    )


def tables(result: dict[str, Any]) -> list[tuple[list[str], list[list[Any]]]]:
    """The orders, and the target's places."""
    rows = [
        [" ".join(str(at + 1) for at in row["order"]), row["margin"], row["loss"], row["rank"]]
        for row in result["orders"]
    ]
    found = [(["order", "margin", "loss (nats)", "rank"], rows)]
    if result["places"] is not None:
        places = [[row["place"], row["margin"], row["without"]] for row in result["places"]["rows"]]
        found.append((["target at place", "margin", "without demonstrations"], places))
    return found


def _kept(asked: Asked) -> tuple[Task, list[int]]:
    """The task with the demonstrations that fit, and their places among all: none is dropped in any order."""
    from engine.llm.scoring.ranking import kept_weights, prepare

    _, fitted, _, _ = prepare(asked.loaded, asked.task)
    demos = tuple(asked.task.demos[b] for b in fitted.kept)
    weights = tuple(kept_weights(asked.task, fitted))
    return replace(asked.task, demos=demos, weights=weights), list(fitted.kept)


def _ordered(task: Task, order: Sequence[int]) -> Task:
    weights = task.weights or (1.0,) * len(order)
    return replace(task, demos=tuple(task.demos[b] for b in order), weights=tuple(weights[b] for b in order))


def _ranked(asked: Asked, tasks: Sequence[Task], report: Report) -> list[RankResult]:
    from engine.llm.scoring.ranking import rank_all

    ranked: list[RankResult] = []
    for start in range(0, len(tasks), AT_ONCE):
        report(start / len(tasks), f"order {start + 1} of {len(tasks)}")
        ranked += rank_all(asked.loaded, tasks[start : start + AT_ONCE], asked.cache)
    return ranked


def _numbers(result: RankResult, task: Task) -> dict[str, Any]:
    assert task.target is not None
    reached = metrics(standing(result.scores, task.target))
    return {"margin": result.margin, "loss": result.loss, "rank": reached["rank"]}


def _listwise(asked: Asked, task: Task, report: Report) -> tuple[dict[str, Any] | None, str]:
    """The target at evenly spread places of the list, the others in one order; or why there is none."""
    from engine.llm.scoring.ranking import Asked as Question
    from engine.llm.scoring.ranking import answers, asked_of, log_share, prepare

    if "listwise" not in task.template.scorings:
        return (
            None,
            f"The prompt template {task.template.reference!r} has no listwise prompt to put the target in.",
        )
    task = replace(task, scoring="listwise")
    try:
        question, fitted, zero, _ = prepare(asked.loaded, task)
    except DualensError as error:
        return None, f"There is no listwise prompt of this run: {error}"
    assert task.target is not None
    others = [place for place in question.orders[0] if place != task.target]
    size = len(others) + 1
    rows = []
    where = sorted(
        {round(at * (size - 1) / max(1, min(PLACES, size) - 1)) for at in range(min(PLACES, size))}
    )
    for done, at in enumerate(where):
        report(done / len(where), f"target at place {at + 1} of {counted(size, 'candidate')}")
        order = (*others[:at], task.target, *others[at:])
        placed = replace(question, orders=(order,))
        asked_for = [asked_of(placed, fitted, task), Question(placed, zero, lasting=True)]
        told, bare = answers(asked.loaded, asked_for, asked.cache)
        rows.append(
            {
                "place": at + 1,
                "margin": log_share(told.scores, task.target),
                "without": log_share(bare.scores, task.target),
                "rank": metrics(standing(told.scores, task.target))["rank"],
            }
        )
    return {"size": size, "rows": rows}, ""
