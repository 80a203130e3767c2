"""The results of two studies as rows and tables: `strategies` (ways of choosing) and `faithfulness` (scores).

Boundary: a result in, dots, Markdown tables and numbers out; any part of it may be missing. No Streamlit.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from dashboard.charts.dots import Dot
from dashboard.screens.studies.study_text import MEASURES
from dashboard.text.estimates import NO_BREAK, cell_text, is_estimate, p_cell, p_text, sure
from dashboard.text.formats import (
    count,
    number,
    plural,
    seconds,
)
from dashboard.text.literal import md, plain
from db.choices import COMPARED
from db.effect_results import UNITS

NONE = "none"
RIVALS_OF = {"p_random": "against random", "p_bm25": "against BM25", "p_zero_shot": "against none"}
COLOURS = {"effect": "up", "rival": "same", "truth": "text"}
AGREEMENTS = ("spearman", "pearson", "top1", "pairs")
VERDICTS = {
    "two-stage": "chosen and weighted",
    "stage 1": "chosen, all weights 1",
    "zero-shot": "no demonstrations",
}
BAR_COLOURS = {"holds": "blue", "does not hold": "orange"}
Result = Mapping[str, Any]


def label_of(name: str, entry: Result) -> str:
    """A strategy or score in words. Plain text."""
    known = COMPARED[name].label if name in COMPARED else name.replace("_", " ")
    return plain(entry.get("label") or known, 60)


def _ranked(result: Result, measure: str) -> list[tuple[str, Result]]:
    entries = [
        (name, strategy)
        for name, strategy in (result.get("strategies") or {}).items()
        if is_estimate(strategy.get(measure))
    ]
    return sorted(entries, key=lambda entry: -entry[1][measure]["mean"])


def against_none(result: Result, name: str, measure: str) -> Result | None:
    """The paired test of a strategy against no demonstrations."""
    for test in result.get("tests") or []:
        if (test.get("better"), test.get("than")) == (name, NONE) and is_estimate(test.get(measure)):
            return test[measure]
    return None


def strategy_dots(result: Result, measure: str) -> tuple[list[Dot], float | None]:
    """A dot per strategy, best first, and the mean without demonstrations."""
    rows = []
    for name, strategy in _ranked(result, measure):
        test, mean = against_none(result, name, measure), strategy[measure]
        colour, hover = "same", ""
        if test is not None and test.get("p") is not None:
            corrected = test.get("p_holm")
            hover = f"against none {p_text(test['p'])}"
            hover += "" if corrected is None else f", Holm {p_cell(corrected).strip('*')}"
            if sure(test):
                colour = "up" if test["mean"] > 0 else "down"
        rows.append(
            Dot(label_of(name, strategy), mean["mean"], mean.get("low"), mean.get("high"), colour, hover)
        )
    none = (result.get("strategies") or {}).get(NONE) or {}
    line = none[measure]["mean"] if is_estimate(none.get(measure)) else None
    return rows, line


def strategy_table(result: Result) -> pd.DataFrame:
    """Both metrics, the test against no demonstrations and what was shown, per strategy, best NDCG@10 first.

    Markdown. As wide as a card of a small screen; `strategy_details` holds the rest.
    """
    ranked = _ranked(result, "ndcg10")
    best = [max((e[m]["mean"] for _, e in ranked if is_estimate(e.get(m))), default=None) for m in METRICS]
    lines = _heads(ranked)
    for measure, top in zip(METRICS, best, strict=True):
        lines[MEASURES[measure]] = [
            cell_text(e[measure], best=e[measure]["mean"] == top) if is_estimate(e.get(measure)) else "–"
            for _, e in ranked
        ]
    lines |= _p_columns(ranked, ("p_zero_shot",))
    if any(strategy.get("target_shown") is not None for _, strategy in ranked):
        lines["target shown"] = [share(strategy.get("target_shown")) for _, strategy in ranked]
    return pd.DataFrame(lines)


def strategy_details(result: Result) -> pd.DataFrame:
    """The tests against other strategies and what choosing took, per strategy in the same order; Markdown."""
    ranked = _ranked(result, "ndcg10")
    lines = {**_heads(ranked), **_p_columns(ranked, ("p_random", "p_bm25"))}
    lines["shown"] = [number(strategy.get("shown"), 1) for _, strategy in ranked]
    lines["choosing"] = [seconds(strategy.get("seconds")) for _, strategy in ranked]
    return pd.DataFrame(lines)


def _heads(ranked: Sequence[tuple[str, Result]]) -> dict[str, list[str]]:
    return {"": [md(label_of(name, strategy)) for name, strategy in ranked]}


def _p_columns(ranked: Sequence[tuple[str, Result]], fields: Sequence[str]) -> dict[str, list[str]]:
    return {
        RIVALS_OF[field]: [
            p_pair(strategy.get(field), strategy.get(f"{field}_holm")) for _, strategy in ranked
        ]
        for field in fields
    }


METRICS = ("ndcg10", "hr1")


def share(value: float | None) -> str:
    """A share of users."""
    return "–" if value is None else f"{value:.0%}"


def p_pair(p: float | None, corrected: float | None) -> str:
    """p as it is, and after Holm's correction; small ones bold. Results of earlier versions have only p."""
    if p is None or corrected is None:
        return p_cell(p).strip("*")
    return f"{p_cell(p).strip('*')} :gray[Holm] {p_cell(corrected)}".replace(" ", NO_BREAK)


def guard_sentence(result: Result) -> str:
    """How often the guard accepted the two-stage set, in one sentence. Plain text; empty without a guard."""
    verdicts = result.get("guard") or {}
    total = sum(verdicts.values())
    if not total:
        return ""
    order = [name for name in VERDICTS if name in verdicts] + [
        name for name in verdicts if name not in VERDICTS
    ]
    parts = [f"{VERDICTS.get(name, plain(name, 30))} for {count(verdicts[name])}" for name in order]
    return f"What the guard accepted for {plural(total, 'user')}: {', '.join(parts)}."


def truths(result: Result) -> dict[str, str]:
    """What scores are compared with, by name, in words; only those that were measured."""
    scores, rows = (result.get("scores") or {}).values(), result.get("truths") or {}
    measured = {name for score in scores for name in score if isinstance(score[name], Mapping)}
    order = [name for name in TRUTHS if name in measured] + sorted(measured - set(TRUTHS))
    return {name: plain((rows.get(name) or {}).get("label") or TRUTHS.get(name, name), 60) for name in order}


TRUTHS = {
    "exact": "Shapley value by removal",
    "reprompt": "Shapley value by reprompt",
    "removal": "leave-one-out by removal",
    "reprompt_loo": "leave-one-out by reprompt",
}


def score_dots(result: Result, truth: str, measure: str) -> list[Dot]:
    """A dot per score, best first."""
    rows = []
    for name, score in (result.get("scores") or {}).items():
        value = (score.get(truth) or {}).get(measure)
        if is_estimate(value):
            hover = plural(value["n"], "user") if value.get("n") is not None else ""
            colour = COLOURS.get(str(score.get("kind")), "same")
            label = plain(score.get("label") or name.replace("_", " "), 60)
            rows.append(Dot(label, value["mean"], value.get("low"), value.get("high"), colour, hover))
    return sorted(rows, key=lambda row: -row.mean)


def agreements(result: Result, truth: str) -> list[str]:
    """The measures of agreement with a truth that were taken."""
    scores = (result.get("scores") or {}).values()
    return [
        measure
        for measure in AGREEMENTS
        if any(is_estimate((score.get(truth) or {}).get(measure)) for score in scores)
    ]


def bars_table(result: Result) -> pd.DataFrame:
    """Each agreement that effects should reach, what was measured, and whether it holds; Markdown."""
    bars = result.get("bars") or []
    return pd.DataFrame(
        {
            "": [md(bar.get("what"), 160) for bar in bars],
            "required": [number(bar.get("bar")) for bar in bars],
            "measured": [
                cell_text(bar["found"]) if is_estimate(bar.get("found")) else number(bar.get("found"), 3)
                for bar in bars
            ],
            "verdict": [_verdict(bar) for bar in bars],
        }
    )


def _verdict(bar: Result) -> str:
    said = bar.get("verdict") or ("holds" if bar.get("holds") else "does not hold")  # of earlier versions
    return f":{BAR_COLOURS.get(said, 'gray')}[**{md(said)}**]"


def gain_numbers(result: Result) -> list[tuple[str, str, str]]:
    """Label, value and note of the row of numbers under the chart."""
    cells = []
    unit = UNITS.get(str(result.get("measure")), "nats")
    for name, row in (result.get("estimators") or {}).items():
        if is_estimate(row.get("covered")):
            users = f"{plain(name, 20)}: 95 % intervals that hold the exact value"
            cells.append(("Coverage", f"{row['covered']['mean']:.0%}", users))
    if is_estimate(result.get("gain")):
        gain = result["gain"]
        between = f"{number(gain.get('low'))} to {number(gain.get('high'))} {unit}"
        cells.append(("Mean gain", number(gain["mean"]), between))
    return cells


def scores_table(result: Result) -> pd.DataFrame:
    """All numbers as a long table to sort and download."""
    rows = [
        (score.get("label") or name, truth, measure, value)
        for name, score in (result.get("scores") or {}).items()
        for truth, measures in score.items()
        if isinstance(measures, Mapping)
        for measure, value in measures.items()
        if is_estimate(value)
    ]
    labels = truths(result)
    return pd.DataFrame(
        {
            "score": [plain(label, 60) for label, *_ in rows],
            "against": [labels.get(truth, truth) for _, truth, *_ in rows],
            "measure": [MEASURES.get(measure, measure.replace("_", " ")) for *_, measure, _ in rows],
            **{name: [value.get(name) for *_, value in rows] for name in ("mean", "low", "high", "n")},
        }
    )
