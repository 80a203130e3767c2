"""What is known about one run's effects, in words and rows: how measured, how sure, how steady.

Boundary: results of `effects`, `spread` and `forward` in; sentences, dots and tables out. No Streamlit.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from dashboard.charts.dots import Dot
from dashboard.text import words
from dashboard.text.formats import (
    number,
    ordinal,
    plural,
    signed,
)
from dashboard.text.literal import md, plain

Result = Mapping[str, Any]
SURE, PARTLY = 0.9, 0.5  # rank correlations
STEADY = 0.5  # of the mean: a spread below it leaves the sign alone
LABEL_LETTERS = 30
NOTICEABLE = words.NOTICEABLE


def names(demonstrations: Sequence[Result]) -> dict[str, str]:
    """`1  Rose Perfume` by id, as the desk counts them. Plain text."""
    return {
        each["id"]: f"{row}  {plain(each['answer']['title'], LABEL_LETTERS)}"
        for row, each in enumerate(demonstrations, start=1)
    }


def spoken(demonstrations: Sequence[Result]) -> dict[str, str]:
    """`number 1 (Rose Perfume)` by id. Plain text."""
    return {
        each["id"]: f"number {row} ({plain(each['answer']['title'], LABEL_LETTERS)})"
        for row, each in enumerate(demonstrations, start=1)
    }


def colour(value: float) -> str:
    """Helps, hurts, or neither to two digits."""
    return "same" if not round(value, 2) else "up" if value > 0 else "down"


def effect_dots(effects: Result, demonstrations: Sequence[Result]) -> list[Dot]:
    """A row per demonstration in desk order: the effect, exact removal as a tick, reprompting as a ring."""
    known = {each["id"]: each for each in effects["demonstrations"]}
    rows = []
    for name, label in names(demonstrations).items():
        entry = known.get(name)
        if entry is None:
            continue
        told = [f"effect {signed(entry['effect'], 3)} nats"]
        if entry.get("removal") is not None:
            told.append(f"taken out {signed(entry['removal'], 3)}")
        if entry.get("reprompt") is not None:
            told.append(f"prompt without it {signed(entry['reprompt'], 3)}")
        value = entry["effect"]
        rows.append(
            Dot(
                label,
                value,
                min(0.0, value),
                max(0.0, value),
                colour(value),
                ", ".join(told),
                tick=entry.get("removal"),
                ring=entry.get("reprompt"),
            )
        )
    return rows


def effect_table(effects: Result, demonstrations: Sequence[Result]) -> pd.DataFrame:
    """Everything measured of each demonstration; Markdown."""
    known = {each["id"]: each for each in effects["demonstrations"]}
    rows = [(each, known[each["id"]]) for each in demonstrations if each["id"] in known]
    return pd.DataFrame(
        {
            "": [str(at) for at in range(1, len(rows) + 1)],
            "demonstration": [
                f"{md(words.short(each, 40))} :gray[{md(words.source_line(each))}]" for each, _ in rows
            ],
            "weight": [number(each.get("weight", 1.0)) for each, _ in rows],
            "effect": [f"**{signed(entry['effect'])}**" for _, entry in rows],
            "taken out": [signed(entry.get("removal")) for _, entry in rows],
            "prompt without it": [signed(entry.get("reprompt")) for _, entry in rows],
            "attention": [
                "–" if entry.get("mass") is None else f"{entry['mass'] * 100:.1f} %" for _, entry in rows
            ],
        }
    )


def estimator(effects: Result) -> str:
    """How the effects were measured and how exactly, in one or two sentences. Plain text."""
    nodes = effects.get("nodes")
    many = plural(nodes, "weighting") if isinstance(nodes, int) else "several weightings"
    how = {
        "exact": f"Shapley values from all {many} of these demonstrations.",
        "strata": f"Shapley values from the smallest and largest groups of them, {many} in all.",
        "path": f"An integral over the chance of being in the prompt (Owen), {many} in all.",
        "aumann": f"The loss followed while all weights grow from 0 to 1, {many} (Aumann-Shapley).",
    }.get(str(effects.get("estimator")), f"Measured at {many}.")
    return f"{how} {certified(effects)}"


def certified(effects: Result) -> str:
    """The bound on the error of each effect. Plain text."""
    bound = effects.get("certified_error")
    if bound is None:
        bound = effects.get("completeness_error")
        if bound is None:
            return "No bound on their error is stored."
        return f"They add up to the whole gain to within {_nats(abs(bound))}."
    share = effects.get("completeness_error_relative")
    whole = (
        f", their sum to {abs(share) * 100:.1f} % of the whole gain"
        if share is not None and abs(share) >= 0.0005
        else ""
    )
    return f"Certified to {_nats(abs(bound))} each{whole}."


def _nats(value: float) -> str:
    return "less than 0.01 nats" if value < 0.01 else f"{value:.2f} nats"


def agreement(effects: Result) -> list[tuple[str, str, str]]:
    """Label, value and note of the numbers that say how far to trust the effects."""
    cells = [
        ("Estimator", str(effects.get("estimator", "–")), plural(int(effects.get("nodes") or 0), "node"))
    ]
    bound = effects.get("certified_error", effects.get("completeness_error"))
    cells.append(("Certified error", "–" if bound is None else f"{abs(bound):.3f}", "nats, at most"))
    for label, field in (("Against removal", "spearman_removal"), ("Against reprompt", "spearman_reprompt")):
        rho = effects.get(field)
        cells.append((label, signed(rho) if rho is not None else "–", "rank correlation"))
    return cells


def disagreement(effects: Result, demonstrations: Sequence[Result]) -> str:
    """Where taking out and reprompting tell another story than the effects. Plain text."""
    removal, reprompt = effects.get("spearman_removal"), effects.get("spearman_reprompt")
    if removal is None and reprompt is None:
        few = len(effects["demonstrations"]) < 3
        return (
            "Too few demonstrations for a rank correlation: compare the marks one by one."
            if few
            else "Nothing was taken out to compare with."
        )
    parts = []
    if removal is not None:
        parts.append(f"The order by effect {_agrees(removal)} the order by taking each one out.")
    if reprompt is not None:
        parts.append(f"It {_agrees(reprompt)} the order by writing the prompt without it.")
    if removal is not None and reprompt is not None and removal - reprompt > 1 - PARTLY:
        parts.append(
            "Where only the second disagrees, the model reacts to where words stand: a shorter prompt moves "
            "all that follows."
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
    known = {each["id"]: each for each in effects["demonstrations"]}
    return [known.get(each["id"]) for each in demonstrations]


def _opposed(one: float, other: float) -> bool:
    return one * other < 0 and min(abs(one), abs(other)) >= NOTICEABLE


def _agrees(rho: float) -> str:
    verb = "agrees with" if rho >= SURE else "partly agrees with" if rho >= PARTLY else "does not agree with"
    return f"{verb} ({signed(rho)})"


def spread_dots(
    kind: Result, undisturbed: Mapping[str, float], demonstrations: Sequence[Result]
) -> list[Dot]:
    """A row per demonstration: mean and deviation, the robust effect as a tick, the plain one as a ring."""
    rows = []
    for name, label in names(demonstrations).items():
        told = kind["effects"].get(name)
        if told is None:
            continue
        mean, std = told["mean"], told.get("std") or 0.0
        hover = f"{signed(mean, 3)} ± {std:.3f} nats"
        if told.get("robust") is not None:
            hover += f", robust {signed(told['robust'], 3)}"
        rows.append(
            Dot(
                label,
                mean,
                mean - std,
                mean + std,
                colour(mean),
                hover,
                tick=told.get("robust"),
                ring=undisturbed.get(name),
            )
        )
    return rows


def spread_sentence(kind: Result, demonstrations: Sequence[Result]) -> str:
    """Whose effect stands firm under a perturbation and whose does not. Plain text."""
    label = str(kind.get("label") or kind.get("name")).lower()
    measured = [
        (name, kind["effects"][each["id"]])
        for each, name in zip(demonstrations, spoken(demonstrations).values(), strict=True)
        if each["id"] in kind["effects"]
    ]
    shaky = [name for name, told in measured if (told.get("std") or 0.0) > STEADY * abs(told["mean"])]
    total = kind.get("total") or {}
    whole = ""
    if total.get("mean") is not None:
        whole = f" All together take off {signed(total['mean'])} ± {number(total.get('std') or 0.0)} nats"
        robust = total.get("robust")
        whole += f", {signed(robust)} robust." if robust is not None else "."
    draws = f" over {plural(kind['draws'], 'draw')}" if kind.get("draws", 0) > 1 else ""
    if not shaky:
        return f"Under {label}{draws} every effect keeps its sign.{whole}"
    few = ", ".join(shaky[:3]) + (f" and {len(shaky) - 3} more" if len(shaky) > 3 else "")
    return f"Under {label}{draws} do not rely on {few}: the spread is more than half of the effect.{whole}"


def forward_sentence(found: Result, target: Result) -> str:
    """What reading the demonstrations again does, and how often the past advises it. Plain text."""
    curve = {point["iteration"]: point for point in found.get("curve") or []}
    if 0 not in curve or len(curve) < 2:
        return "They were read once only."
    chosen, who = found.get("chosen"), words.TARGETS.get(str(target.get("kind")), "the target")
    by = {"asked": "As asked", "probe": "The last known purchase advises"}.get(
        str(found.get("chosen_by")), "With no past purchase to try it on"
    )
    if not isinstance(chosen, int) or chosen not in curve:
        chosen, by = max(curve), "At the end"
    if chosen == 0:
        best = min(curve.values(), key=lambda point: point["loss"])
        lost = curve[0]["loss"] - best["loss"]
        missed = f" It would have taken {lost:.2f} nats off the loss of {who}." if lost >= NOTICEABLE else ""
        return f"{by}: do not read again.{missed}"
    first, last = curve[0], curve[chosen]
    change = first["loss"] - last["loss"]
    way = (
        "stays the same"
        if abs(change) < 0.005
        else f"{'falls' if change > 0 else 'rises'} by {abs(change):.2f} nats"
    )
    ranks = ""
    if first.get("rank") is not None and last.get("rank") is not None:
        moved = "stays" if first["rank"] == last["rank"] else f"goes from {ordinal(first['rank'])} to"
        ranks = f" and it {moved} {ordinal(last['rank'])}"
    return f"{by}: read again {plural(chosen, 'time')}, and the loss of {who} {way}{ranks}."
