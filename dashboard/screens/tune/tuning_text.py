"""Tunings as pages show them: what can be trained, and what a `tune` job has so far, in words.

Boundary: a job's payload, partial and result in; plain text, numbers and tables out. No Streamlit, no store.
Fields may be missing while a job runs: what is not known yet is a dash, never a zero.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from dashboard.state.work import Work
from dashboard.text.formats import (
    count,
    number,
    plural,
    seconds,
)
from dashboard.text.literal import plain
from dashboard.text.values import sentence as sentence_case
from db.choices import BASELINES, LAYOUTS, TUNE_KINDS, Choice
from db.jobs import ERROR, STOPPED
from db.requests import TuneRequest
from db.requests.fields import field_of


@dataclass(frozen=True)
class Measure:
    """What the curve of a kind counts: the names of its lines, their unit, and which way is better."""

    loss: str
    validation: str
    reads: str
    unit: str
    less_is_better: bool


ANSWERS = Measure("training", "held-out answers", "tokens", "nats per token", less_is_better=True)
RANKS = Measure("training", "held-out NDCG", "interactions", "", less_is_better=False)


@dataclass(frozen=True)
class What:
    """Something that can be trained. `measure` None: it counts, in seconds and without a curve."""

    label: str
    about: str
    kind: str
    layout: str
    measure: Measure | None = None

    @property
    def reading(self) -> str:
        """How to read its curve, in one sentence."""
        if self.measure is None:
            return "Counted from the interactions; nothing is trained."
        better = "lower" if self.measure.less_is_better else "higher"
        return (
            f"Grey: loss while training. Blue: on held-out interactions, {better} is better. "
            "Ringed: the best, which is kept."
        )


def _recommender(name: str) -> What:
    row = TUNE_KINDS[name]
    trained = name in BASELINES and BASELINES[name].trained
    return What(sentence_case(row.label), _about(row), name, USUAL, RANKS if trained else None)


def _about(row: Choice) -> str:
    return f"{row.about}{f' ({row.paper})' if row.paper else ''}."


USUAL = str(field_of(TuneRequest, "layout").default)
WHAT = {  # the layouts of a language model by their name, then everything else that can be tuned
    **{name: What(f"LLM {row.label}", _about(row), "llm", name, ANSWERS) for name, row in LAYOUTS.items()},
    **{name: _recommender(name) for name in TUNE_KINDS if name != "llm"},
}


@dataclass(frozen=True)
class Tuning(Work):
    """One `tune` job: what was asked and what it has, whole or so far."""

    @property
    def found(self) -> Mapping[str, Any]:
        """The result, else what a running, stopped or failed job has; curve and numbers at the top level."""
        stored = self.job.result or self.job.partial or {}
        report = stored.get("report") or {}
        # A fit that was loaded took no time now; how long its training took is in its report.
        training = {name: report[name] for name in ("seconds",) if name in report}
        return {**report, **stored, **training}

    @property
    def what(self) -> What:
        kind, layout = self.asked.get("kind", "llm"), self.asked.get("layout", "recicl")
        return WHAT.get(layout if kind == "llm" else kind, WHAT[USUAL])

    @property
    def resumable(self) -> bool:
        """Whether it ended early with a checkpoint, from which it can resume."""
        return self.job.state in (STOPPED, ERROR) and len(self.curve) > 0

    @property
    def model(self) -> str | None:
        """The name the tuned model is registered under, once it is."""
        return self.found.get("model") if self.job.state == "COMPLETED" else None

    @property
    def title(self) -> str:
        """Plain text: the model's name, or what was trained on what."""
        name = self.found.get("model") or self.asked.get("name")
        return plain(name or f"{self.what.label} on {self.asked.get('dataset', '?')}")

    @property
    def curve(self) -> list[Mapping[str, Any]]:
        return [
            point for point in self.found.get("curve") or [] if isinstance(point.get("tokens"), int | float)
        ]

    def best(self) -> Mapping[str, Any] | None:
        """The point of the curve with the best validation."""
        measure = self.what.measure
        points = [point for point in self.curve if is_number(point.get("validation"))]
        if measure is None or not points:
            return None
        choose = min if measure.less_is_better else max
        return choose(points, key=lambda point: point["validation"])


def is_number(value: object) -> bool:
    """Whether this is a finite number: a run that has not validated yet has none, or an infinite one."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def amount(value: float | None) -> str:
    """How much was read: 940, 12,300, 4.2 M."""
    if value is None:
        return "–"
    return f"{value / 1e6:.1f} M" if value >= 1e6 else count(int(value))


def trained_on(asked: Mapping[str, Any]) -> str:
    """Which interactions were looked at, in a few words."""
    until = asked.get("until")
    if until is None:
        return "all but each user's two newest interactions"
    return f"the first {until} of {asked.get('periods', 10)} periods of time"


def numbers(tuning: Tuning) -> list[tuple[str, str, str]]:
    """Label, value and note of the row of numbers under the curve."""
    found, measure = tuning.found, tuning.what.measure
    best, last = tuning.best(), tuning.curve[-1] if tuning.curve else {}
    spent = found.get("seconds", last.get("seconds"))
    if measure is None:
        return [("Time", seconds(spent), "to fit")]
    rate = found.get("tokens_per_second")
    if rate is None and is_number(last.get("seconds")) and last["seconds"]:
        rate = last["tokens"] / last["seconds"]
    start = next((point for point in tuning.curve if is_number(point.get("validation"))), {})
    floor = found.get("flop_floor_ratio")
    unit = "nats" if measure.less_is_better else "NDCG, whole catalogue"
    since = f"{unit}, {number(start['validation'], 3)} at first" if start and start is not best else unit
    asked = tuning.asked.get("minutes") if tuning.open else None
    return [
        ("Best on held-out", number(best["validation"], 3) if best else "–", since),
        (
            f"{measure.reads.capitalize()} read",
            amount(found.get("tokens", last.get("tokens"))),
            _steps(found),
        ),
        (
            "Speed",
            f"{count(round(rate))}/s" if is_number(rate) and rate else "–",
            _floor(floor, measure.reads),
        ),
        ("Time", seconds(found.get("spent", spent)), f"of at most {asked:g} min" if asked else "all phases"),
    ]


def _steps(found: Mapping[str, Any]) -> str:
    steps = found.get("steps", (found.get("curve") or [{}])[-1].get("step"))
    return plural(steps, "step") if steps is not None else ""


def _floor(ratio: float | None, reads: str) -> str:
    return f"{ratio:.1f} x the flop floor" if is_number(ratio) and ratio else f"{reads} per second"


def sentence(tuning: Tuning) -> str:
    """What the tuning did, in words made from its numbers. Plain text."""
    found, measure, best = tuning.found, tuning.what.measure, tuning.best()
    state = tuning.job.state
    if measure is None:
        if state != "COMPLETED":
            return "It is counted, not trained: it takes seconds and has no curve."
        where = "loaded from an earlier, equal fit" if found.get("loaded") else f"fitted in {_spent(found)}"
        return f"It was {where}, on {plain(found.get('fitted_on') or trained_on(tuning.asked))}."
    if best is None:
        return "Nothing was measured yet." if tuning.open else "It ended before anything was measured."
    first = next(point for point in tuning.curve if is_number(point.get("validation")))
    unit = f" {measure.unit}" if measure.unit else ""
    name = "NDCG over the whole catalogue on held-out interactions"
    if measure.less_is_better:
        name = "loss on held-out answers"
    if best is not first and number(best["validation"], 3) == number(first["validation"], 3):
        moved = f"the {name} has stayed at {number(first['validation'], 3)}{unit}"
    elif best is first and len(tuning.curve) > 1:
        moved = f"the {name} has not become better than {number(first['validation'], 3)}{unit}"
    elif best is first:
        moved = f"the {name} was {number(first['validation'], 3)}{unit}"
    else:
        way = "fell" if measure.less_is_better else "rose"
        moved = (
            f"the {name} {way} from {number(first['validation'], 3)} to {number(best['validation'], 3)}{unit}"
            f", best after {amount(best['tokens'])} {measure.reads}"
        )
    why = found.get("stopped_because")
    ended = f" It ended because {plain(why)}." if why and state == "COMPLETED" else ""
    untrained = len(tuning.curve) == 1 and first.get("step") == 0
    spent = "Before the training" if untrained else f"In {_spent(found)} of training"
    return f"{spent}, {moved}.{ended}"


def _spent(found: Mapping[str, Any]) -> str:
    points = found.get("curve") or [{}]
    return seconds(found.get("seconds", points[-1].get("seconds")))


def _total(found: Mapping[str, Any]) -> str:
    """All phases together; an older engine stored the training's time alone."""
    return seconds(found["spent"]) if is_number(found.get("spent")) else _spent(found)


def table(tunings: Sequence[Tuning], now: float) -> pd.DataFrame:
    """One row per tuning, newest first; plain text and numbers."""
    best = [tuning.best() for tuning in tunings]
    return pd.DataFrame(
        {
            "tuning": [tuning.title for tuning in tunings],
            "state": [tuning.state for tuning in tunings],
            "what": [tuning.what.label for tuning in tunings],
            "data set": [plain(tuning.asked.get("dataset")) for tuning in tunings],
            "best on held-out": [_cell(tuning, point) for tuning, point in zip(tunings, best, strict=True)],
            "time": ["–" if tuning.open else _total(tuning.found) for tuning in tunings],
            "filed": [tuning.filed(now) for tuning in tunings],
        }
    )


def _cell(tuning: Tuning, best: Mapping[str, Any] | None) -> str:
    if best is None or tuning.what.measure is None or tuning.open:
        return "–"
    return f"{number(best['validation'], 3)} {tuning.what.measure.unit or 'NDCG'}"


def recipe(tuning: Tuning) -> pd.DataFrame:
    """Everything the result depends on, one row per setting, Markdown-free plain text."""
    stored = tuning.found.get("recipe")
    stored = stored if isinstance(stored, Mapping) else {}
    rows = dict(_flat({**stored.get("request", {}), **{k: v for k, v in stored.items() if k != "request"}}))
    rows = {**dict(_flat(tuning.asked)), **rows}
    for name in ("samples", "trained_parameters", "data_fingerprint", "folder", "scoring", "fitted_on"):
        if tuning.found.get(name) is not None:
            rows[name] = _text(tuning.found[name])
    return pd.DataFrame(
        {"setting": [plain(name.replace("_", " ")) for name in rows], "value": list(rows.values())}
    )


def _flat(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Nested settings as `outer, inner`, with their values as text; curves are drawn, not listed."""
    rows: list[tuple[str, str]] = []
    for name, value in values.items():
        if isinstance(value, Mapping):
            rows += _flat(value, f"{prefix}{name}, ")
        elif name != "curve":
            rows.append((f"{prefix}{name}", _text(value)))
    return rows


def _text(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return count(value) if abs(value) >= 10_000 else str(value)
    if isinstance(value, list | tuple):
        return ", ".join(_text(part) for part in value)
    return plain(value if isinstance(value, str) else json.dumps(value))
