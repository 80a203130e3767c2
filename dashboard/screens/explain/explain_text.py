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

Result = Mapping[str, Any]
CHOSEN_BY = {"asked": "As requested", "probe": "Chosen on the last known interaction"}
SURE, PARTLY = 0.9, 0.5  # rank correlations
STABLE = 0.5  # of the mean: a deviation below it leaves the sign alone
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
    """A row per demonstration in prompt order: the effect, exact removal as tick, new prompt as ring."""
    known = {entry["id"]: entry for entry in effects["demonstrations"]}
    rows = []
    for name, label in names(demonstrations).items():
        entry = known.get(name)
        if entry is None:
            continue
        marks = [f"effect {signed(entry['effect'], 3)} nats"]
        if entry.get("removal") is not None:
            marks.append(f"exact removal {signed(entry['removal'], 3)}")
        if entry.get("reprompt") is not None:
            marks.append(f"new prompt without it {signed(entry['reprompt'], 3)}")
        value = entry["effect"]
        rows.append(
            Dot(
                label,
                value,
                min(0.0, value),
                max(0.0, value),
                colour(value),
                ", ".join(marks),
                tick=entry.get("removal"),
                ring=entry.get("reprompt"),
            )
        )
    return rows


def effect_table(effects: Result, demonstrations: Sequence[Result]) -> pd.DataFrame:
    """Everything measured of each demonstration; Markdown."""
    known = {entry["id"]: entry for entry in effects["demonstrations"]}
    rows = [(demo, known[demo["id"]]) for demo in demonstrations if demo["id"] in known]
    return pd.DataFrame(
        {
            "": [str(at) for at in range(1, len(rows) + 1)],
            "demonstration": [
                f"{md(words.short(demo, 200))} :gray[{md(words.source_line(demo))}]" for demo, _ in rows
            ],
            "weight": [number(demo.get("weight", 1.0)) for demo, _ in rows],
            "effect": [f"**{signed(entry['effect'])}**" for _, entry in rows],
            "exact removal": [signed(entry.get("removal")) for _, entry in rows],
            "new prompt without it": [signed(entry.get("reprompt")) for _, entry in rows],
            "attention": [
                "–" if entry.get("mass") is None else f"{entry['mass'] * 100:.1f} %" for _, entry in rows
            ],
        }
    )


def estimator(effects: Result) -> str:
    """How the effects were measured and how exactly, in one or two sentences. Plain text."""
    nodes = effects.get("nodes")
    losses = plural(nodes, "loss", "losses") if isinstance(nodes, int) else "several losses"
    how = {
        "exact": f"Shapley values from the {losses} of all subsets of these demonstrations.",
        "strata": f"Shapley values from the {losses} of the smallest and largest subsets.",
        "path": f"An integral over the probability of inclusion, from {losses} (Owen).",
        "aumann": f"An integral while all weights grow from 0 to 1, from {losses} (Aumann-Shapley).",
    }.get(str(effects.get("estimator")), f"Measured from {losses}.")
    return f"{how} {certified(effects)}"


def certified(effects: Result) -> str:
    """The bound on the error of each effect. Plain text."""
    bound = effects.get("certified_error")
    if bound is None:
        bound = effects.get("completeness_error")
        if bound is None:
            return "The result holds no error bound."
        return f"The effects add up to the whole gain to within {_nats(abs(bound))}."
    share = effects.get("completeness_error_relative")
    whole = (
        f", and their sum to {abs(share) * 100:.1f} % of the whole gain"
        if share is not None and abs(share) >= 0.0005
        else ""
    )
    return f"Each effect is certified to within {_nats(abs(bound))}{whole}."


def _nats(value: float) -> str:
    return "less than 0.01 nats" if value < 0.01 else f"{value:.2f} nats"


def agreement(effects: Result) -> list[tuple[str, str, str]]:
    """Label, value and note of the numbers that say how far to trust the effects."""
    cells = [
        (
            "Estimator",
            str(effects.get("estimator", "–")),
            plural(int(effects.get("nodes") or 0), "loss", "losses"),
        )
    ]
    bound = effects.get("certified_error", effects.get("completeness_error"))
    cells.append(("Certified error", "–" if bound is None else f"{abs(bound):.3f}", "nats, at most"))
    for label, field in (("Exact removal", "spearman_removal"), ("New prompt", "spearman_reprompt")):
        rho = effects.get(field)
        cells.append((label, signed(rho) if rho is not None else "–", "rank correlation"))
    return cells


def disagreement(effects: Result, demonstrations: Sequence[Result]) -> str:
    """Where exact removal and new prompts disagree with the effects. Plain text."""
    removal, reprompt = effects.get("spearman_removal"), effects.get("spearman_reprompt")
    if removal is None and reprompt is None:
        few = len(effects["demonstrations"]) < 3
        return (
            "Too few demonstrations for a rank correlation. Compare the marks one by one."
            if few
            else "The effects were not checked by removal."
        )
    parts = []
    if removal is not None:
        parts.append(f"The order by effect {_agrees(removal)} the order by exact removal.")
    if reprompt is not None:
        parts.append(f"It {_agrees(reprompt)} the order by new prompts without each demonstration.")
    if removal is not None and reprompt is not None and removal - reprompt > 1 - PARTLY:
        parts.append(
            "Where only the second disagrees, the model is sensitive to positions: a shorter prompt shifts "
            "everything after the gap."
        )
    flipped = [
        label
        for label, entry in zip(
            spoken(demonstrations).values(), _in_order(effects, demonstrations), strict=False
        )
        if entry and entry.get("reprompt") is not None and _opposed(entry["effect"], entry["reprompt"])
    ]
    if flipped:
        parts.append(f"Opposite signs: {', '.join(flipped)}.")
    return " ".join(parts)


def _in_order(effects: Result, demonstrations: Sequence[Result]) -> list[Result | None]:
    known = {entry["id"]: entry for entry in effects["demonstrations"]}
    return [known.get(demo["id"]) for demo in demonstrations]


def _opposed(effect: float, reprompt: float) -> bool:
    return effect * reprompt < 0 and min(abs(effect), abs(reprompt)) >= NOTICEABLE


def _agrees(rho: float) -> str:
    verb = "agrees with" if rho >= SURE else "partly agrees with" if rho >= PARTLY else "does not agree with"
    return f"{verb} ({signed(rho)})"


def spread_dots(
    kind: Result, unperturbed: Mapping[str, float], demonstrations: Sequence[Result]
) -> list[Dot]:
    """A row per demonstration: mean and deviation, robust effect as a tick, unperturbed one as a ring."""
    rows = []
    for name, label in names(demonstrations).items():
        stats = kind["effects"].get(name)
        if stats is None:
            continue
        mean, std = stats["mean"], stats.get("std") or 0.0
        hover = f"{signed(mean, 3)} ± {std:.3f} nats"
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


def spread_sentence(kind: Result, demonstrations: Sequence[Result]) -> str:
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
        whole = f" Total effect: {signed(total['mean'])} ± {number(total.get('std') or 0.0)} nats"
        robust = total.get("robust")
        whole += f", robust {signed(robust)}." if robust is not None else "."
    draws = f" over {plural(kind['draws'], 'draw')}" if kind.get("draws", 0) > 1 else ""
    if not unstable:
        return f"Under {label}{draws}, every effect keeps its sign.{whole}"
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
