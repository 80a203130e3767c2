"""Controls: what remains of the demonstrations' help when what they should teach is taken out of them.

Placebo: the same windows, each with another one's answer. Shuffled: all their titles dealt out anew, so that
no window is anybody's. Random weights: a model of the same architecture that never learned anything. Each is
ranked like the run, beside the same prompt without demonstrations.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from db.effect_results import UNITS
from db.errors import DualensError
from engine.demos.strategies.placebo import permuted
from engine.explanations.asking import MEASURE, Asked, signed
from engine.explanations.identity import checked
from engine.progress import Report

if TYPE_CHECKING:
    from engine.llm.scoring.ranking import RankResult, Task
    from engine.prompts import Example

DRAWS = 4
NEAR = 0.05
KEPT = {
    "placebo": "where no answer follows its own history",
    "shuffled": "where the titles stand in no order of anybody's",
}
LABELS = {
    "run": "this run",
    "placebo": "answers permuted",
    "shuffled": "titles shuffled",
    "random": "random weights",
}


def explained(asked: Asked, report: Report) -> dict[str, Any]:
    """`rows[]`: name, label, draws, gain (mean, lowest, highest: margin with minus without demonstrations)
    and the mean margin. `identity`: the largest error of the dual model under random weights, or None."""
    task, notes = asked.task, []
    placebo, unchanged = placebos(asked)
    if unchanged:
        notes.append("All answers are alike, so there is no placebo: permuting them changes nothing.")
    shuffles = [shuffled(task.demos, seed) for seed in range(DRAWS)]
    report(0.1, "ranking controls")
    own, *others = _ranked(asked, [task, *(replace(task, demos=demos) for demos in (*placebo, *shuffles))])
    rows = [_row("run", [own])]
    if placebo:
        rows.append(_row("placebo", others[: len(placebo)]))
    rows.append(_row("shuffled", others[len(placebo) :]))
    report(0.7, "making a twin with random weights")
    error = None
    try:
        untrained, error = _untrained(asked)
        rows.append(_row("random", [untrained]))
    except (DualensError, ValueError, RuntimeError) as reason:
        notes.append(f"There is no twin with random weights: {reason}")
    result = {"measure": MEASURE, "rows": rows, "identity": error, "notes": notes}
    return {**result, "said": said(result)}


def placebos(asked: Asked) -> tuple[list[tuple[Example, ...]], bool]:
    """The demonstrations with their answers permuted, up to DRAWS ways; and whether that changes nothing."""
    demos, found = asked.task.demos, {}
    first: dict[str, int] = {}
    answers = [first.setdefault(demo.answer, place) for place, demo in enumerate(demos)]
    for seed in range(4 * DRAWS):
        places = permuted(answers, "controls", asked.inputs.request.seed, seed)
        moved = tuple(
            replace(demo, answer=demos[at].answer, liked=demos[at].liked, rating=demos[at].rating)
            for demo, at in zip(demos, places, strict=True)
        )
        if moved != demos and len(found) < DRAWS:
            found[tuple(demo.answer for demo in moved)] = moved
    return list(found.values()), not found


def shuffled(demos: Sequence[Example], seed: int) -> tuple[Example, ...]:
    """The demonstrations with all their titles dealt out anew: as many in each as before."""
    titles = [title for demo in demos for title in (*demo.history, demo.answer)]
    random.Random(f"controls {seed}").shuffle(titles)
    rest = iter(titles)
    return tuple(
        replace(demo, history=tuple(next(rest) for _ in demo.history), answer=str(next(rest)))
        for demo in demos
    )


def said(result: dict[str, Any]) -> str:
    """How much of the help is left in each control."""
    rows = {row["name"]: row for row in result["rows"]}
    unit, own = UNITS[MEASURE], rows["run"]["gain"]["mean"]
    parts = [f"The demonstrations change the target's margin by {signed(own)} {unit}."]
    told = [
        f"{signed(rows[name]['gain']['mean'])} with {LABELS[name]}"
        for name in ("placebo", "shuffled", "random")
        if name in rows
    ]
    parts.append(f"Of the controls: {', '.join(told)}.")
    if own >= NEAR:
        left = {name: rows[name]["gain"]["mean"] >= own / 2 for name in KEPT if name in rows}
        parts += [f"Most of it is {'left' if left[name] else 'gone'} {KEPT[name]}." for name in left]
    return " ".join(parts)


def tables(result: dict[str, Any]) -> list[tuple[list[str], list[list[Any]]]]:
    """A row per control."""
    rows = [
        [row["label"], row["draws"], *(row["gain"][end] for end in ("mean", "low", "high")), row["margin"]]
        for row in result["rows"]
    ]
    return [(["demonstrations", "draws", "gain", "lowest", "highest", "margin"], rows)]


def _ranked(asked: Asked, tasks: Sequence[Task]) -> list[RankResult]:
    from engine.llm.scoring.ranking import rank_all

    return rank_all(asked.loaded, tasks, asked.cache)


def _untrained(asked: Asked) -> tuple[RankResult, float]:
    """The ranking by the twin, and the largest error with which the dual model rebuilds its attention."""
    from engine.llm.loading.random_twin import random_twin
    from engine.llm.scoring.memory import PrefillCache
    from engine.llm.scoring.ranking import rank_candidates

    twin = random_twin(asked.loaded)
    check, _ = checked(asked, twin)
    error = max(max(layer.form_a, layer.form_b, layer.form_c) for layer in check.layers)
    return rank_candidates(twin, asked.task, PrefillCache()), error


def _row(name: str, ranked: Sequence[RankResult]) -> dict[str, Any]:
    gains = [(one.margin or 0.0) - (one.margin_zero_shot or 0.0) for one in ranked]
    return {
        "name": name,
        "label": LABELS[name],
        "draws": len(ranked),
        "gain": {"mean": sum(gains) / len(gains), "low": min(gains), "high": max(gains)},
        "margin": sum(one.margin or 0.0 for one in ranked) / len(ranked),
    }
