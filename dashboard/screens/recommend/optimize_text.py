"""Optimizations as pages show them: what was asked, the path that was taken, the verdict, in words.

Boundary: an `optimize` job's payload, partial and result in; plain text, steps and tables out. No Streamlit,
no store. A result names demonstrations by id and describes them in its `pool`.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from dashboard.state.view import WEIGHT_MOST, View
from dashboard.state.work import Work
from dashboard.text import values
from dashboard.text.domain import Domain
from dashboard.text.formats import (
    count,
    number,
    plural,
    seconds,
    signed,
)
from dashboard.text.literal import md, plain
from db.jobs import Job
from db.requests import Chosen

ACTIONS = {
    "zero-shot": "no demonstrations",
    "start": "first set",
    "add": "one added",
    "swap": "one replaced",
    "back": "back to the plain set",
    "drop": "one dropped",
    "order": "reordered",
    "weights": "weights optimized",
    "guard": "set applied",
}
STAGES = {0: "start", 1: "choosing", 2: "weighting", 3: "verdict"}
VERDICTS = {
    "two-stage": "Chosen and weighted",
    "stage 1": "Chosen, weights left at 1",
    "zero-shot": "No demonstrations",
}
GAINS = {
    "gain_stage1": "Chosen, held out",
    "gain_stage2": "Chosen and weighted, held out",
    "over_stage1": "Gain of the weights",
}
SAME = 0.005  # weights nearer than this are shown as equal


@dataclass(frozen=True)
class Step:
    """One step of the path: the set in prompt order with its weights, and what it is worth in the measure.

    `objective` is on the past interactions used to choose, `held_out` on the others (None: not measured).
    """

    stage: int
    action: str
    ids: tuple[str, ...]
    weights: tuple[float, ...]
    objective: float | None
    held_out: float | None
    tried: int | None
    note: str


@dataclass(frozen=True)
class Optimization(Work):
    """One `optimize` job: what was asked, what it found."""

    @property
    def found(self) -> Mapping[str, Any]:
        """The result, else what a running or stopped job reported."""
        return self.job.result or self.job.partial or {}

    @property
    def path(self) -> list[Step]:
        return steps(self.found)

    @property
    def pool(self) -> dict[str, Mapping[str, Any]]:
        return {each["id"]: each for each in self.found.get("pool") or []}

    @property
    def chosen(self) -> tuple[Chosen, ...]:
        """What the guard applies."""
        return tuple(Chosen(each["id"], on_desk(each["weight"])) for each in self.found.get("chosen") or [])

    @property
    def verdict(self) -> str:
        """Plain text."""
        told = str((self.found.get("guard") or {}).get("verdict", ""))
        return VERDICTS.get(told, plain(told or "no verdict", 40))


def steps(found: Mapping[str, Any]) -> list[Step]:
    """The path of a result, from no demonstrations to what is applied."""
    return [_step(each) for each in found.get("path") or []]


def _step(entry: Mapping[str, Any]) -> Step:
    ids = tuple(entry.get("demonstrations") or ())
    weights = tuple(float(each) for each in entry.get("weights") or (1.0,) * len(ids))
    return Step(
        int(entry.get("stage", 0)),
        str(entry.get("action", "")),
        ids,
        weights,
        entry.get("objective"),
        entry.get("held_out"),
        entry.get("tried"),
        str(entry.get("note") or ""),
    )


def on_desk(weight: float) -> float:
    """An optimized weight as the desk can hold it."""
    return round(min(WEIGHT_MOST, max(0.0, float(weight))), 2)


def chosen_at(step: Step) -> tuple[Chosen, ...]:
    """The set of one step, for the desk."""
    return tuple(Chosen(name, on_desk(weight)) for name, weight in zip(step.ids, step.weights, strict=True))


def concerns(job: Job, view: View) -> bool:
    """Whether a job optimizes for the user, model and target of this view."""
    asked = job.payload
    return (
        asked.get("dataset"),
        asked.get("user"),
        asked.get("model", "embedded"),
        asked.get("target", "test"),
    ) == (
        view.dataset,
        view.user,
        view.model,
        view.options.target,
    )


def step_name(at: int, step: Step) -> str:
    """Step 3: one more. Plain text."""
    return f"{at}: {ACTIONS.get(step.action, plain(step.action, 30))}"


def told(found: Mapping[str, Any]) -> str:
    """The guard's verdict and reason as one sentence. Plain text."""
    reason = str((found.get("guard") or {}).get("reason") or "").strip()
    return plain(reason or "The guard gave no reason.", 400)


def numbers(found: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Label, value and note of the row of numbers: gains in NDCG@10 where nothing was chosen."""
    guard = found.get("guard") or {}
    cells = [
        (label, signed(value["mean"], 3), between(value))
        for field, label in GAINS.items()
        if (value := guard.get(field)) and value.get("mean") is not None
    ]
    tried = sum(step.get("tried") or 0 for step in found.get("path") or [])
    took = seconds(found.get("seconds"))
    return [*cells, ("Sets tried", count(tried), f"{took}, cached" if found.get("cached") else took)]


def between(value: Mapping[str, Any]) -> str:
    """The bounds of a gain in NDCG@10, as far as there are any, with how sure each end is."""
    low, high = value.get("low"), value.get("high")
    if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)):
        return "NDCG@10, no interval"
    sure = f", each end {100 * value['sure']:.0f} % sure" if value.get("sure") else ""
    return f"{signed(low)} to {signed(high)} NDCG@10{sure}"


def probes_told(found: Mapping[str, Any], words: Domain) -> str:
    """Which past interactions served as targets, in words. Plain text."""
    probes = found.get("probes") or []
    if not probes:
        return f"No past {words.event} could serve as a target."
    own = sum(each.get("kind") == "own" for each in probes)
    similar = len(probes) - own
    held = [each for each in probes if each.get("held_out")]
    parts = [f"{plural(own, f'earlier {words.event}')} of this user"] if own else []
    parts += [f"{words.events(similar)} of similar users"] if similar else []
    them = "it" if len(held) == 1 else "them"
    kept = (
        f" {plural(len(held), 'was', 'were')} held out: the choice did not use {them}, the verdict rests on "
        f"{them}."
        if held
        else " None was held out."
    )
    return f"Judged on {' and '.join(parts)}, all before the {words.event} to predict.{kept}"


def probes_table(found: Mapping[str, Any]) -> pd.DataFrame:
    """One row per probe; plain text and numbers."""
    probes = found.get("probes") or []
    return pd.DataFrame(
        {
            "target": [plain(each.get("target"), 120) for each in probes],
            "of": ["this user" if each.get("kind") == "own" else plain(each.get("user")) for each in probes],
            "used to": ["judge" if each.get("held_out") else "choose" for each in probes],
            "after": [
                " · ".join(plain(title) for title in reversed(each.get("history") or [])) for each in probes
            ],
            "weight": [each.get("weight") for each in probes],
        }
    )


def set_table(step: Step, before: Step | None, pool: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """The set of a step in prompt order as a table in Markdown, with what changed since the step before."""
    old = dict(zip(before.ids, before.weights, strict=True)) if before else {}
    rows = list(zip(step.ids, step.weights, strict=True))
    return pd.DataFrame(
        {
            "": [str(at) for at in range(1, len(rows) + 1)],
            "demonstration": [_described(pool.get(name), name) for name, _ in rows],
            "weight": [_weight(weight, old.get(name), before is not None) for name, weight in rows],
        }
    )


def _described(view: Mapping[str, Any] | None, name: str) -> str:
    if view is None:
        return md(name, 20)
    answer, history = title_of(view.get("answer")), view.get("history") or []
    last = f"… {md(title_of(history[-1]), 40)} → " if history else "→ "
    return f"{last}**{md(answer, 60)}** :gray[{md(values.source(view.get('source')), 24)}]"


def title_of(item: object) -> str:
    """A pool names its items by title, or as `{item, title}`."""
    return str(item.get("title", "")) if isinstance(item, Mapping) else str(item or "")


def _weight(weight: float, old: float | None, compared: bool) -> str:
    text = number(weight)
    if not compared:
        return text
    if old is None:
        return f"{text} :blue[new]"
    if abs(weight - old) < SAME:
        return text
    return f"{number(old)} → :{'blue' if weight > old else 'orange'}[**{text}**]"


def left_out(step: Step, before: Step | None, pool: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """What the step before had and this one has not, as Markdown."""
    gone = [name for name in (before.ids if before else ()) if name not in step.ids]
    return [_described(pool.get(name), name) for name in gone]
