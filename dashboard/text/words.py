"""The sentences that say in words what the numbers say, made from the numbers."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from dashboard.text import values
from dashboard.text.formats import (
    day,
    ordinal,
    plural,
    rank,
    signed,
)
from dashboard.text.literal import plain
from db.choices import EFFECT_MODES
from db.effect_results import UNITS, groups

NOTICEABLE = 0.05  # nats: smaller effects are not mentioned
TARGETS = {
    "test": "the actual next item",
    "probe": "the past item used as target",
}


MODES = {mode: row.label for mode, row in EFFECT_MODES.items()}
"""What leaving one out means, in a few words."""


def short(view: Mapping[str, Any], letters: int = 34) -> str:
    """A demonstration in a few words: its last history item and its answer."""
    answer = plain(view["answer"]["title"], letters)
    history = view.get("history") or []
    return f"{plain(history[-1]['title'], letters)} → {answer}" if history else f"→ {answer}"


def source_line(view: Mapping[str, Any]) -> str:
    """neighbour · 2 shared · 1187 · 3 Mar 2021, or own window · 3 Mar 2021, as plain text."""
    parts = [values.source(view["source"])]
    if view["source"] != "proximal":
        if view.get("shared"):
            parts.append(f"{view['shared']} shared")
        if view["user"]:
            parts.append(plain(view["user"], 24))
    if view.get("timestamp") is not None:
        parts.append(day(view["timestamp"]))
    return " · ".join(parts)


def movement(before: Mapping[str, Any], after: Mapping[str, Any], total: int) -> str:
    """Rises from 7th to 1st of 20. before, after: `{rank, tied}` of the target."""
    if before["rank"] == after["rank"] and before.get("tied") == after.get("tied"):
        return f"stays {rank(after)} of {total}"
    way = {True: "rises", False: "falls"}[after["rank"] < before["rank"]]
    if before["rank"] == after["rank"]:
        way = "goes"
    return f"{way} from {rank(before)} to {rank(after)} of {total}"


def recommend(result: Mapping[str, Any], effects: Mapping[str, Any] | None) -> str:
    """What the demonstrations did to this user's list, and which of them did it."""
    metrics, total = result["metrics"], len(result["items"])
    who = TARGETS.get(result["target"]["kind"], "the target")
    title = plain(result["target"]["title"], 60)
    demonstrations = result["demonstrations"]
    if not demonstrations:
        place = f"{rank(metrics)} of {total}"
        return f"Without demonstrations, {who}, {title}, is {place}."
    moved = movement(metrics["zero_shot"], metrics, total)
    share, loss = share_change(result), loss_change(result)
    first = f"With {plural(len(demonstrations), 'demonstration')}, {who}, {title}, {moved}{share}{loss}."
    second = shares(demonstrations, effects) if effects else ""
    return f"{first} {second}".strip()


def loss_change(result: Mapping[str, Any]) -> str:
    """What becomes of the target's loss; empty where nothing was likely or unlikely, as in free text."""
    if result["loss"] is None:
        return ""
    taken = result["loss_zero_shot"] - result["loss"]
    if abs(taken) < 0.005:
        return ", and its loss does not change"
    return f", and its loss {'falls' if taken > 0 else 'rises'} by {abs(taken):.2f} nats"


def share_change(result: Mapping[str, Any]) -> str:
    """What becomes of the target's share among the candidates; empty where a run does not say."""
    margins = [result.get(name) for name in ("margin_zero_shot", "margin")]
    if None in margins:
        return ""
    before, after = (math.exp(float(margin or 0.0)) for margin in margins)
    if _percent(before) == _percent(after):
        return f", its share among the candidates stays at {_percent(after)}"
    verb = "grows" if after > before else "falls"
    return f", its share among the candidates {verb} from {_percent(before)} to {_percent(after)}"


def _percent(share: float) -> str:
    """A share between nothing and all is never rounded to either."""
    if 0.0 < share < 1.0 and f"{share:.0%}" in ("0%", "100%"):
        return "under 1%" if share < 0.5 else "over 99%"
    return f"{share:.0%}"


def shares(demonstrations: Sequence[Mapping[str, Any]], effects: Mapping[str, Any]) -> str:
    """Which demonstration helps most and which hurts most, as far as their intervals tell them apart."""
    named = {view["id"]: (row, view) for row, view in enumerate(demonstrations, start=1)}
    rows = [entry for entry in effects["demonstrations"] if entry["id"] in named]
    if not rows:
        return ""
    unit = UNITS[effects["measure"]]
    values = {entry["id"]: entry["effect"] for entry in rows}
    told_apart = groups(rows)
    if len(told_apart) == 1 and len(rows) > 1 and max(map(abs, values.values())) >= NOTICEABLE:
        return "Which demonstration helps most cannot be told: their 95 % intervals overlap."
    helped = sum(value for value in values.values() if value > 0)
    parts = []
    best, worst = (_level(values, group) for group in (told_apart[0], told_apart[-1]))
    if max(values[name] for name in best) >= NOTICEABLE:
        if len(best) == 1:
            value = values[best[0]]
            share = f", {value / helped:.0%} of all positive effects" if len(rows) > 1 else ""
            parts.append(f"{_named(*named[best[0]])} helps most: {signed(value)} {unit}{share}.")
        else:
            parts.append(f"{_numbers(best, named)} help most, {_tied(values, best, unit)}.")
    if min(values[name] for name in worst) <= -NOTICEABLE:
        if len(worst) == 1:
            parts.append(f"{_named(*named[worst[0]])} hurts most: {signed(values[worst[0]])} {unit}.")
        else:
            parts.append(f"{_numbers(worst, named)} are lowest, {_tied(values, worst, unit)}.")
    return " ".join(parts) or "No single demonstration has a noticeable effect."


def _level(values: Mapping[str, float], group: Sequence[str]) -> list[str]:
    """The group with all others that show the same number as one of its members."""
    shown = {round(values[name], 2) for name in group}
    return [name for name in values if name in group or round(values[name], 2) in shown]


def _tied(values: Mapping[str, float], names: Sequence[str], unit: str) -> str:
    """Why several are not ranked: the same effect, or intervals that overlap."""
    shown = {round(values[name], 2) for name in names}
    if len(shown) == 1:
        return f"{signed(shown.pop())} {unit} each"
    return "and are not ranked, as their intervals overlap"


def _numbers(names: Sequence[str], named: Mapping[str, tuple[int, Any]]) -> str:
    """Numbers 1, 2 and 4."""
    *some, last = [str(number) for number in sorted(named[name][0] for name in names)]
    return f"Numbers {', '.join(some)} and {last}"


def places(effects: Mapping[str, Any]) -> dict[str, int]:
    """The number of each demonstration by its id."""
    return {entry["id"]: place for place, entry in enumerate(effects["demonstrations"], start=1)}


def redundancy(effects: Mapping[str, Any]) -> str:
    """The pair of demonstrations that teaches the same; empty where no pair plainly does."""
    pair = effects.get("redundant")
    if not pair:
        return ""
    number, unit = places(effects), UNITS[effects["measure"]]
    first, second = sorted((number[pair["first"]], number[pair["second"]]))
    return (
        f"Numbers {first} and {second} teach the same: beside one of them the other adds "
        f"{abs(pair['interaction']):.2f} {unit} less, on average."
    )


def opposed(effects: Mapping[str, Any]) -> str:
    """Which demonstrations do one thing when turned down and the other when dropped; empty for none."""
    number = places(effects)
    parts = [
        f"number {number[entry['id']]}: turned down {signed(entry['removal']['effect'])}, dropped "
        f"{signed(entry['effect'])}"
        for entry in effects["demonstrations"]
        if entry.get("disagrees")
    ]
    return f"The two ways of leaving out disagree in sign: {'; '.join(parts)}." if parts else ""


def meaning(effects: Mapping[str, Any]) -> str:
    """Which question the effects answer, and what they add up to."""
    what = {"margin": "log of the target's share among the candidates", "loss": "loss of the target, in nats"}
    return f"Effects {MODES[effects['mode']]}, on the {what[effects['measure']]}."


def _named(row: int, view: Mapping[str, Any]) -> str:
    return f"Number {row} ({plain(view['answer']['title'], 34)})"


def faithfulness(effects: Mapping[str, Any]) -> str:
    """How far the effects agree with leaving each demonstration out alone."""
    pairs = [
        (entry["effect"], entry["leave_one_out"])
        for entry in effects["demonstrations"]
        if entry.get("leave_one_out") is not None
    ]
    if not pairs:
        return "Not checked by leaving each one out alone."
    unit = UNITS[effects["measure"]]
    worst = max(abs(effect - lost) for effect, lost in pairs)
    rho = effects.get("spearman_leave_one_out")
    if rho is None or len(pairs) < 3:
        return _trimmed(
            f"The effects differ from leaving each one out alone by at most {worst:.2f} {unit}. "
            f"{redundancy(effects)}"
        )
    shared = sum(effect > NOTICEABLE and lost < effect / 2 for effect, lost in pairs)
    why = redundancy(effects)
    if shared > 1:
        why += (
            " Where several teach the same, leaving out one changes little; their effects share the credit."
        )
    verdict = "agrees with" if rho >= 0.9 else "partly agrees with" if rho >= 0.5 else "does not agree with"
    return _trimmed(
        f"The order of the effects {verdict} leaving each one out alone (rank correlation {signed(rho)} over "
        f"{len(pairs)} demonstrations); the amounts are up to {worst:.2f} {unit} apart. {why}"
    )


def _trimmed(text: str) -> str:
    return " ".join(text.split())


def how_measured(effects: Mapping[str, Any]) -> str:
    """Which estimator, and how wide its intervals are."""
    name = str(effects.get("estimator", ""))
    method = "Measured exactly" if name == "exact" else f"Estimated ({plain(name, 20)})"
    wide = widest(effects)
    if wide is None:
        return f"{method}; how far off an effect may be is not known."
    return f"{method}." if not wide else f"{method}, each to within {wide:.2g} {UNITS[effects['measure']]}."


def widest(effects: Mapping[str, Any]) -> float | None:
    """Half the width of the widest 95 % interval; None where the estimator gives none."""
    intervals = [entry.get("interval") for entry in effects["demonstrations"]]
    if None in intervals:
        return None
    return max(((high - low) / 2 for low, high in intervals), default=0.0)


def peers(result: Mapping[str, Any], lists: Mapping[str, Mapping[str, Any]]) -> str:
    """Where the model and each conventional recommender place the target; lists: `{rank, tied}` by name."""
    metrics, total = result["metrics"], len(result["items"])
    own = f"The model ranks {plain(result['target']['title'], 60)} {rank(metrics)} of {total}"
    if result["demonstrations"]:
        own += f" ({rank(metrics['zero_shot'])} without demonstrations)"
    others = [f"{name} {rank(entry)}" for name, entry in lists.items()]
    return f"{own}; {', '.join(others)}." if others else f"{own}."


def catalogue(found: Mapping[str, Any], target: str) -> str:
    """Whether the target is among the best of the whole catalogue, and how many of them changed."""
    lists = (found["zero_shot"], found["items"])
    both = [next((row["rank"] for row in some if row["is_target"]), None) for some in lists]
    before, after = (ordinal(place) if place else "not among them" for place in both)
    moved = f"is {after}" if before == after else f"is {before} without demonstrations and {after} with"
    new = {row["item"] for row in found["items"]} - {row["item"] for row in found["zero_shot"]}
    share = f" The demonstrations bring in {len(new)} of the {len(found['items'])}." if new else ""
    return f"The target, {plain(target, 60)}, {moved}.{share}"
