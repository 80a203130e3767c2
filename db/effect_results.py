"""What stored effects say, in pure functions of their JSON, for dashboard, command line and engine.

A result measures one mode: `direct` ("if you turn it down") or `reprompt` ("if you drop it"), or `total`. Its
fields: `measure`; `value_zero_shot` and `value`, whose difference is `effect_total`, what the effects add up
to; `demonstrations[]` with `id`, `effect`, `interval` ([low, high], 95 %, or null where the estimator knows
nothing of its error), `leave_one_out`, `loss_effect` (nats, the second reading) and `mass`;
`spearman_leave_one_out`, its rank correlation with the effects; `interactions` (of every two, or null) and
`redundant` (the pair that teaches the same, or null). Where dropping is to be told from them: `costs` of
`direct`, who takes part ("101": the first and the third) -> minus the margin or the loss, and the loss.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

Result = Mapping[str, Any]

UNITS = {"margin": "log-share", "loss": "nats"}
"""What each measure counts in."""

REDUNDANT = 0.5
"""Two demonstrations that help are redundant where their interaction takes away more than this much of the
smaller of their effects: of two equal ones it takes away twice as much, of strangers nothing."""

FELT = 0.05
"""Below this, in the measure's unit, nothing is said of an effect's sign or of a pair."""

NARROW = 0.1
"""Half an interval, as a share of the largest effect, from which an estimate is as good as needed."""

FEW_USERS = 10
"""Below so many users an interval of their mean agreement is no more than a hint."""


def groups(demonstrations: Sequence[Result]) -> list[list[str]]:
    """Ids from the largest effect to the smallest; those within one list cannot be told apart.

    A list ends where no interval behind it reaches any before it; without intervals nothing is told apart.
    """
    order = sorted(demonstrations, key=lambda row: -row["effect"])
    ends = [row.get("interval") or (-math.inf, math.inf) for row in order]
    found: list[list[str]] = []
    for place, row in enumerate(order):
        lowest = min((low for low, _ in ends[:place]), default=-math.inf)
        highest = max(high for _, high in ends[place:])
        if found and highest >= lowest:
            found[-1].append(row["id"])
        else:
            found.append([row["id"]])
    return found


def sign(row: Result) -> int:
    """1 where the effect is surely above 0, -1 where below, 0 where it may be either or hardly is."""
    low, high = row.get("interval") or (-math.inf, math.inf)
    if abs(row["effect"]) < FELT:
        return 0
    return 1 if low > 0 else -1 if high < 0 else 0


def together(removal: Result, reprompt: Result) -> dict[str, Any]:
    """Both answers of one run: what dropping each does, and beside it what turning it down does.

    The result of `reprompt`, with `removal` beside it: its totals, and for each demonstration `removal`
    (effect, interval, leave_one_out) and `disagrees`: whether the two surely differ in sign.
    """
    turned = {row["id"]: row for row in removal["demonstrations"]}
    rows = []
    for row in reprompt["demonstrations"]:
        other = turned[row["id"]]
        beside = {name: other[name] for name in ("effect", "interval", "leave_one_out")}
        rows.append({**row, "removal": beside, "disagrees": sign(row) * sign(other) < 0})
    totals = {name: removal[name] for name in ("value_zero_shot", "value", "effect_total")}
    return {**reprompt, "demonstrations": rows, "removal": totals}


def redundant(demonstrations: Sequence[Result], interactions: Sequence[Result] | None) -> dict | None:
    """The pair that most plainly teaches the same: {first, second, interaction, effects}, or None.

    demonstrations: with `id` and `effect`. interactions: {first, second, interaction}.
    """
    effect = {row["id"]: row["effect"] for row in demonstrations}
    found = []
    for pair in interactions or ():
        both = [effect[pair["first"]], effect[pair["second"]]]
        if min(both) >= FELT and -pair["interaction"] >= REDUNDANT * min(both):
            found.append({**pair, "effects": both})
    return min(found, key=lambda pair: pair["interaction"], default=None)


def proxied(proxy: Result) -> str:
    """How far the effects of a local model agree with those it stands beside (`proxy` of a result), in a
    sentence."""
    here, agreed = proxy["spearman"], proxy["agreement"]
    own = "no rank correlation is defined here" if here is None else f"rank correlation {here:+.2f} here"
    if agreed is None:
        return f"{proxy['model']} beside it: {own}."
    few = f"; from {FEW_USERS} on the interval is worth reading" if agreed["n"] < FEW_USERS else ""
    return (
        f"{proxy['model']} beside it: {own}, {agreed['mean']:+.2f} on average (95 % {agreed['low']:+.2f} to "
        f"{agreed['high']:+.2f}) over {agreed['n']:,} user{'s' * (agreed['n'] != 1)} seen so far{few}."
    )


SEEN = (
    "This order has seen the target: it explains the target's place, and a list that is chosen by it says "
    "nothing about recommending. No strategy uses it."
)


def of_pool(found: Result) -> str:
    """What adding each demonstration of a pool does (`engine.tasks.predicted`), in a sentence."""
    effects = [effect for effect in found["effects"].values() if effect is not None]
    many = found["added_to"]
    place = f"behind the {many} in the prompt" if many > 1 else "behind the one there" if many else "alone"
    if not effects:
        return "None of the pool has room in the prompt."
    helps, unit = sum(effect >= FELT for effect in effects), UNITS[found["measure"]]
    share = (
        f" Its share is {_percent(math.exp(found['value']))} without." if found["measure"] == "margin" else ""
    )
    felt = f"the target by {FELT:g} ({unit}) or more"
    if not helps:
        return f"Added {place}, none of {len(effects)} helps {felt}.{share}"
    return f"Added {place}, {helps} of {len(effects)} help {felt}, the best by {max(effects):+.2f}.{share}"


def _percent(share: float) -> str:
    return "over 99%" if share > 0.995 else "under 1%" if share < 0.005 else f"{share:.0%}"


def current(result: Result, options: Result) -> dict[str, Any]:
    """A stored result in today's fields. Older ones are on the loss and have no intervals but exact ones."""
    if "measure" in result:
        return dict(result)
    mode = result.get("mode") or options.get("mode") or "direct"
    exact = result["estimator"] == "exact"
    own = "reprompt" if mode == "reprompt" else "removal"
    kept = ("estimator", "effect_total", "target")
    return {
        **{name: result[name] for name in kept if name in result},
        "measure": "loss",
        "mode": mode,
        "passes": result.get("nodes"),
        "value_zero_shot": result["loss_zero_shot"],
        "value": result["loss"],
        "zero_shot": result.get("loss_zero_shot_reprompt"),
        "readings": {
            "loss": {"value_zero_shot": result["loss_zero_shot"], "value": result["loss"]}
            | {"effect_total": result["effect_total"]}
        },
        "arithmetic": None,
        "demonstrations": [
            {
                "id": row["id"],
                "effect": row["effect"],
                "interval": [row["effect"]] * 2 if exact else None,
                "leave_one_out": row.get(own),
                "loss_effect": row["effect"],
                "mass": row.get("mass"),
            }
            for row in result["demonstrations"]
        ],
        "spearman_leave_one_out": result.get(f"spearman_{own}"),
        "interactions": None,
        "redundant": None,
        "notes": [],
    }
