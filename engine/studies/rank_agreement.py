"""How far scores agree with truths over many users, and which of the product's bars hold.

Pure functions of what `engine.studies.scores` measured per user.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from engine.evaluation.statistics import difference, estimate
from engine.lrgd import agreement
from engine.lrgd.effects import EXACT_UP_TO
from engine.lrgd.shapley import EXACT_LIMIT
from engine.studies.scores import RIVAL, SCORES, TRUTHS
from engine.studies.table_cells import interval

LEVEL = 0.01  # of the gain: demonstrations whose truths differ by less count as equal
SMALL = 0.05  # nats: a gain below it stands for this much
MEASURES = ("spearman", "pearson", "top1", "pairs", "top1_ties")

COMPLETE, WITHIN, GAIN = 0.02, 32, 0.2  # of the gain, in so many nodes, where the gain is above (nats)
PATH_BAR, REPROMPT_BAR, COMPLETE_BAR = 0.93, 0.8, 0.95

INTEGRALS = ("path", "aumann")

User = Mapping[str, Any]
Agreement = dict[str, float | None]


def agreement_of(score: Sequence[float], truth: Sequence[float], gain: float) -> Agreement | None:
    """Correlations and the best demonstration of one user; None where the truth is constant.

    A constant score ranks nothing and counts as a correlation of 0. Demonstrations with one answer nearly
    tie: `pairs` looks only at those whose truths are more than 1 % of the gain apart (None where none are),
    `top1_ties` takes whatever is within 1 % of the best for the best.
    """
    if len(set(truth)) < 2:
        return None
    level = LEVEL * max(abs(gain), SMALL)
    return {
        "spearman": agreement.spearman(score, truth) or 0.0,
        "pearson": agreement.pearson(score, truth) or 0.0,
        "top1": agreement.same_best(score, truth),
        "pairs": agreement.same_order(score, truth, level),
        "top1_ties": agreement.same_best(score, truth, level),
    }


def agreements(users: Sequence[User], name: str, truth: str) -> list[Agreement]:
    """One score's agreement with one truth, of the users whose truth is not constant, in their order."""
    agreed = [agreement_of(user["values"][name], user["values"][truth], user["gain"]) for user in users]
    return [row for row in agreed if row is not None]


def summary(per_user: Sequence[Agreement], seed: int) -> dict[str, Any]:
    """Every measure's mean over users with its interval; None where no user has it."""
    lists = {
        measure: [value for user in per_user if (value := user[measure]) is not None] for measure in MEASURES
    }
    return {measure: estimate(values, seed) if values else None for measure, values in lists.items()}


def completeness(users: Sequence[User], name: str, seed: int) -> dict[str, Any] | None:
    """Of an integral: the share of users with a gain whose completeness error and nodes keep to the bar."""
    some = [user for user in users if user["gain"] > GAIN]
    if not some:
        return None
    relative = np.array([user["error"][name] / user["gain"] for user in some])
    nodes = np.array([user["nodes"][name] for user in some])
    held = (relative <= COMPLETE) & (nodes <= WITHIN)
    return {
        "users": len(some),
        "share": estimate(held.astype(float), seed),
        "relative": quantiles(relative),
        "nodes": {"median": float(np.median(nodes)), "max": int(nodes.max())},
    }


def estimators(users: Sequence[User]) -> dict[str, Any]:
    """Each estimator's nodes, its largest error against exact values, and what it said of it, by the gain."""
    gains = np.array([max(abs(user["gain"]), SMALL) for user in users])
    exact = np.array([user["values"]["exact"] for user in users])
    rows = {}
    for name in users[0]["nodes"]:
        values = np.array([user["values"][name] for user in users])
        nodes = [user["nodes"][name] for user in users]
        rows[name] = {
            "nodes": {"mean": float(np.mean(nodes)), "max": max(nodes)},
            "error": quantiles(np.abs(values - exact).max(axis=1) / gains),
            "certified": quantiles(np.array([user["certified"][name] for user in users]) / gains),
        }
    return rows


def quantiles(values: np.ndarray) -> dict[str, float]:
    """`{median, p95, max}`."""
    middle, high = np.quantile(values, (0.5, 0.95))
    return {"median": float(middle), "p95": float(high), "max": float(values.max())}


def effect_of(truth: str, k: int) -> str:
    """What has to agree with a truth: the path integral with exact values, else what `auto` takes."""
    return "path" if truth == "exact" else "exact" if k <= EXACT_UP_TO else "strata"


def strongest(users: Sequence[User], truth: str) -> str:
    """The rival whose mean rank correlation with a truth is highest."""
    rivals = [name for name, score in SCORES.items() if score.kind == RIVAL]
    return max(rivals, key=lambda name: np.mean(_ranks(users, name, truth)))


def bars(users: Sequence[User], k: int, simulated: bool, seed: int) -> list[dict[str, Any]]:
    """`{what, bar, found, holds}` of everything that is to hold at this k.

    Rivals as paired differences, with `truth` and the strongest `rival`.
    """
    rows: list[dict[str, Any]] = []

    def row(what: str, bar: float, found: dict[str, Any], holds: bool, **more: str) -> None:
        rows.append({"what": what, "bar": bar, "found": found, "holds": holds, **more})

    for name in INTEGRALS:
        if complete := completeness(users, name, seed):
            within = f"complete to 2 % of the gain within {WITHIN} nodes, gain above {GAIN} nats"
            what = f"{SCORES[name].label}: {within} (share of users)"
            row(what, COMPLETE_BAR, complete["share"], complete["share"]["mean"] >= COMPLETE_BAR)
    known = [truth for truth in TRUTHS if truth in users[0]["values"]]
    for truth in known:
        name, label = effect_of(truth, k), SCORES[truth].label
        ranks = _ranks(users, name, truth)
        if not len(ranks):
            continue
        own = estimate(ranks, seed)
        if truth == "exact" and k == EXACT_LIMIT:
            row(f"{SCORES[name].label} with {label} (Spearman)", PATH_BAR, own, own["mean"] >= PATH_BAR)
        if truth == "reprompt" and simulated:
            row(
                f"effects with {label} (Spearman)",
                REPROMPT_BAR,
                own,
                own["mean"] >= REPROMPT_BAR,
                truth=truth,
            )
            total = estimate(_ranks(users, "total", truth), seed)
            what = f"effects in mode total with {label} (Spearman)"
            row(what, REPROMPT_BAR, total, total["mean"] >= REPROMPT_BAR)
        rival = strongest(users, truth)
        over = difference(ranks, _ranks(users, rival, truth), seed)
        what = f"{SCORES[name].label} above every other score in {label}; the best is {SCORES[rival].label}"
        row(what, 0.0, over, over["mean"] > 0, truth=truth, rival=rival)
    return rows


def explained(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Why a bar need not hold, where that is known."""
    lost = [(row.get("truth"), row.get("rival")) for row in rows if not row["holds"]]
    sentences = []
    if ("reprompt", None) in lost:
        sentences.append(
            "Leaving out by weight keeps every position and what later demonstrations read of the one left "
            "out; writing the prompt anew changes both. Mode total of effects changes the reading, mode "
            "reprompt both: its exact values are the truth compared with here."
        )
    if {("removal", "gradient"), ("reprompt_loo", "gradient")} & set(lost):
        sentences.append(
            "Leaving one out asks what a demonstration adds when all others are there, a Shapley value what "
            "it adds on average over all sets of others. One gradient at alpha = 1 is the slope of the "
            "former, so it may come nearer to it than any Shapley value."
        )
    return sentences


def claim(dataset: str, k: int, rows: Sequence[Mapping[str, Any]]) -> str:
    """What the bars say, in a sentence for each that does not hold."""
    held = sum(row["holds"] for row in rows)
    sentences = f"On {dataset} with {k} demonstrations {held} of {len(rows)} bars hold."
    for row in rows:
        if not row["holds"]:
            sentences += f" Not held: {row['what']}: {interval(row['found'])}, bar {row['bar']:g}."
    return sentences


def _ranks(users: Sequence[User], name: str, truth: str) -> np.ndarray:
    return np.array([user["spearman"] for user in agreements(users, name, truth)], dtype=np.float64)
