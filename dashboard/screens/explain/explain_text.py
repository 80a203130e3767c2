"""What is known about one run's effects, in words and rows: how measured, how sure, how stable.

Boundary: results of `effects`, `spread` and `forward` in; sentences, dots and tables out. No Streamlit.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from dashboard.charts.dots import Dot
from dashboard.text import words
from dashboard.text.formats import (
    number,
    plural,
    rank,
    signed,
)
from dashboard.text.literal import md, plain
from db.effect_results import UNITS

Result = Mapping[str, Any]
CHOSEN_BY = {"asked": "As requested", "probe": "Chosen on the last known interaction"}
SURE, PARTLY = 0.9, 0.5  # rank correlations
STABLE = 0.5  # of the mean, which a deviation may reach
LABEL_LETTERS = 30
NOTICEABLE = words.NOTICEABLE


def names(demonstrations: Sequence[Result]) -> dict[str, str]:
    """`1  Rose Perfume` by id, in prompt order; charts shorten them to fit. Plain text."""
    return {
        demo["id"]: f"{row}  {plain(demo['answer']['title'])}"
        for row, demo in enumerate(demonstrations, start=1)
    }


def spoken(demonstrations: Sequence[Result]) -> dict[str, str]:
    """`number 1 (Rose Perfume)` by id. Plain text."""
    return {
        demo["id"]: f"number {row} ({plain(demo['answer']['title'], LABEL_LETTERS)})"
        for row, demo in enumerate(demonstrations, start=1)
    }


def colour(value: float) -> str:
    """Helps, hurts, or neither to two digits."""
    return "same" if not round(value, 2) else "up" if value > 0 else "down"


def effect_dots(effects: Result, demonstrations: Sequence[Result]) -> list[Dot]:
    """A row per demonstration in prompt order: the effect, and that one alone left out as tick."""
    known = {entry["id"]: entry for entry in effects["demonstrations"]}
    rows = []
    for name, label in names(demonstrations).items():
        entry = known.get(name)
        if entry is None:
            continue
        marks = [f"effect {signed(entry['effect'], 3)} {UNITS[effects['measure']]}"]
        low, high = entry.get("interval") or (entry["effect"],) * 2
        if low < high:
            marks.append(f"95 % interval {signed(low, 3)} to {signed(high, 3)}")
        if entry.get("leave_one_out") is not None:
            marks.append(f"that one alone left out {signed(entry['leave_one_out'], 3)}")
        value = entry["effect"]
        rows.append(
            Dot(
                label,
                value,
                low,
                high,
                colour(value),
                ", ".join(marks),
                tick=entry.get("leave_one_out"),
            )
        )
    return rows


def effect_table(effects: Result, demonstrations: Sequence[Result]) -> pd.DataFrame:
    """Everything measured of each demonstration; Markdown."""
    known = {entry["id"]: entry for entry in effects["demonstrations"]}
    rows = [(demo, known[demo["id"]]) for demo in demonstrations if demo["id"] in known]
    proxy = effects.get("proxy")
    near = {row["id"]: row["effect"] for row in proxy["demonstrations"]} if proxy else {}
    beside = {md(proxy["model"], 24): [signed(near.get(demo["id"])) for demo, _ in rows]} if proxy else {}
    return pd.DataFrame(
        {
            "": [str(at) for at in range(1, len(rows) + 1)],
            "demonstration": [
                f"{md(words.short(demo, 200))} :gray[{md(words.source_line(demo))}]" for demo, _ in rows
            ],
            "weight": [number(demo.get("weight", 1.0)) for demo, _ in rows],
            "effect": [f"**{signed(entry['effect'])}**" for _, entry in rows],
            "95 %": [_interval(entry) for _, entry in rows],
            **beside,
            "left out alone": [signed(entry.get("leave_one_out")) for _, entry in rows],
            "second reading": [signed(entry.get("loss_effect")) for _, entry in rows],
            "attention": [
                "–" if entry.get("mass") is None else f"{entry['mass'] * 100:.1f} %" for _, entry in rows
            ],
        }
    )


def _interval(entry: Result) -> str:
    interval = entry.get("interval")
    if interval is None:
        return "–"
    low, high = interval
    return "exact" if low == high else f"{signed(low)} to {signed(high)}"


def estimator(effects: Result) -> str:
    """How the effects were measured and how exactly, in one or two sentences. Plain text."""
    passes = effects.get("passes")
    losses = plural(passes, "pass", "passes") if isinstance(passes, int) else "several passes"
    how = {
        "exact": f"Shapley values from the {losses} of all subsets of these demonstrations.",
        "kriging": f"Shapley values from the {losses} of some subsets, continued to all others.",
        "difference": (
            "Shapley values from those of turning down and from how the two differ in the "
            f"{losses} of some subsets."
        ),
        "leave_one_out": f"What is lost when each one alone is left out, from {losses}.",
        "aumann": f"An integral while all weights grow from 0 to 1, from {losses} (Aumann-Shapley).",
    }.get(str(effects.get("estimator")), f"Measured from {losses}.")
    return f"{how} {width(effects)}"


def width(effects: Result) -> str:
    """How wide the 95 % intervals are. Plain text."""
    wide = words.widest(effects)
    if wide is None:
        return "How far off an effect may be is not known."
    if not wide:
        return "The effects are exact."
    within = "less than 0.01" if wide < 0.01 else f"{wide:.2f}"
    return f"With 95 % confidence each effect is right to within {within} {UNITS[effects['measure']]}."


def agreement(effects: Result) -> list[tuple[str, str, str]]:
    """Label, value and note of the numbers that say how far to trust the effects."""
    cells = [
        (
            "Estimator",
            str(effects.get("estimator", "–")),
            plural(int(effects.get("passes") or 0), "pass", "passes"),
        )
    ]
    wide = words.widest(effects)
    shown = "–" if wide is None else f"±{wide:.3f}" if wide else "exact"
    cells.append(("Widest interval", shown, f"{UNITS[effects['measure']]}, 95 %"))
    rho = effects.get("spearman_leave_one_out")
    cells.append(("Left out alone", signed(rho) if rho is not None else "–", "rank correlation"))
    return cells


def disagreement(effects: Result, demonstrations: Sequence[Result]) -> str:
    """Where leaving one out alone disagrees with the effects. Plain text."""
    rho = effects.get("spearman_leave_one_out")
    if rho is None:
        few = len(effects["demonstrations"]) < 3
        return (
            "Too few demonstrations for a rank correlation. Compare the marks one by one."
            if few
            else "The effects were not checked by leaving each one out alone."
        )
    parts = [f"The order by effect {_agrees(rho)} the order by leaving each one out alone."]
    flipped = [
        label
        for label, entry in zip(
            spoken(demonstrations).values(), _in_order(effects, demonstrations), strict=False
        )
        if entry
        and entry.get("leave_one_out") is not None
        and _opposed(entry["effect"], entry["leave_one_out"])
    ]
    if flipped:
        parts.append(f"Opposite signs: {', '.join(flipped)}.")
    return " ".join(parts)


def _in_order(effects: Result, demonstrations: Sequence[Result]) -> list[Result | None]:
    known = {entry["id"]: entry for entry in effects["demonstrations"]}
    return [known.get(demo["id"]) for demo in demonstrations]


def _opposed(effect: float, lost: float) -> bool:
    return effect * lost < 0 and min(abs(effect), abs(lost)) >= NOTICEABLE


def _agrees(rho: float) -> str:
    verb = "agrees with" if rho >= SURE else "partly agrees with" if rho >= PARTLY else "does not agree with"
    return f"{verb} ({signed(rho)})"


def spread_dots(
    kind: Result, unperturbed: Mapping[str, float], demonstrations: Sequence[Result], measure: str
) -> list[Dot]:
    """A row per demonstration: mean and deviation, robust effect as a tick, unperturbed one as a ring."""
    rows = []
    for name, label in names(demonstrations).items():
        stats = kind["effects"].get(name)
        if stats is None:
            continue
        mean, std = stats["mean"], stats.get("std") or 0.0
        hover = f"{signed(mean, 3)} ± {std:.3f} {UNITS[measure]}"
        if stats.get("robust") is not None:
            hover += f", robust {signed(stats['robust'], 3)}"
        rows.append(
            Dot(
                label,
                mean,
                mean - std,
                mean + std,
                colour(mean),
                hover,
                tick=stats.get("robust"),
                ring=unperturbed.get(name),
            )
        )
    return rows


def spread_sentence(kind: Result, demonstrations: Sequence[Result], measure: str) -> str:
    """Which effects are stable under a perturbation and which are not. Plain text."""
    label = str(kind.get("label") or kind.get("name")).lower()
    measured = [
        (name, kind["effects"][demo["id"]])
        for demo, name in zip(demonstrations, spoken(demonstrations).values(), strict=True)
        if demo["id"] in kind["effects"]
    ]
    unstable = [name for name, stats in measured if (stats.get("std") or 0.0) > STABLE * abs(stats["mean"])]
    total = kind.get("total") or {}
    whole = ""
    if total.get("mean") is not None:
        spread = number(total.get("std") or 0.0)
        whole = f" Total effect: {signed(total['mean'])} ± {spread} {UNITS[measure]}"
        robust = total.get("robust")
        whole += f", robust {signed(robust)}." if robust is not None else "."
    draws = f" over {plural(kind['draws'], 'draw')}" if kind.get("draws", 0) > 1 else ""
    if not unstable:
        return f"Under {label}{draws}, no effect deviates by more than half of itself.{whole}"
    few = ", ".join(unstable[:3]) + (f" and {len(unstable) - 3} more" if len(unstable) > 3 else "")
    return f"Under {label}{draws}, do not rely on {few}: the deviation exceeds half of the effect.{whole}"


def forward_sentence(result: Result) -> str:
    """What forward tuning does to the target's loss, at the iteration that the past chose. Plain text."""
    curve = {point["iteration"]: point for point in result.get("curve") or []}
    if 0 not in curve or len(curve) < 2:
        return "Nothing was iterated."
    chosen = result.get("chosen")
    by = CHOSEN_BY.get(str(result.get("chosen_by")), "Without an earlier interaction to choose on")
    if not isinstance(chosen, int) or chosen not in curve:
        chosen, by = max(curve), "At the last iteration"
    if chosen == 0:
        best = min(curve.values(), key=lambda point: point["loss"])
        lost = curve[0]["loss"] - best["loss"]
        missed = f" It would have lowered the target's loss by {lost:.2f} nats." if lost >= NOTICEABLE else ""
        return f"{by}, forward tuning is left out.{missed}"
    first, last = curve[0], curve[chosen]
    change = first["loss"] - last["loss"]
    way = (
        "stays the same"
        if abs(change) < 0.005
        else f"{'falls' if change > 0 else 'rises'} by {abs(change):.2f} nats"
    )
    ranks = ""
    if first.get("rank") is not None and last.get("rank") is not None:
        moved = "stays" if rank(first) == rank(last) else f"goes from {rank(first)} to"
        ranks = f"; the target {moved} {rank(last)}"
    return f"{by}, {plural(chosen, 'iteration')}: the target's loss {way}{ranks}."
