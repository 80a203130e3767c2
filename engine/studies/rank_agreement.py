"""How far scores agree with truths over many users, and which of the product's bars hold.

Pure functions of what `engine.studies.scores` measured per user.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from engine.evaluation.statistics import difference, estimate
from engine.lrgd import agreement
from engine.lrgd.effects import EXACT_UP_TO
from engine.studies.scores import DROPS, RIVAL, SCORES, TRUTHS
from engine.studies.table_cells import interval

LEVEL = 0.01  # of the gain: demonstrations whose truths differ by less count as equal
SMALL = 0.05  # in the measure's unit: a gain below it stands for this much
KINDS = ("spearman", "pearson", "top1", "pairs", "top1_ties", "sign")
DROPPED = {
    "sign": "same sign",
    "spearman": "order (Spearman)",
    "ratio": "size, drop / effect",
    "apart": "size, mean distance",
}
"""Sign, order and size of effects against a real drop, in words."""

COVERED, DROP_BAR = 0.9, 0.8
HOLDS, FAILS, NOT_SURE = "holds", "does not hold", "not sure"
MODES = {"direct": "exact", "total": "total", "reprompt": "reprompt"}
"""Mode of effects -> its exact values."""

User = Mapping[str, Any]
Agreement = dict[str, float | None]


def agreement_of(score: Sequence[float], truth: Sequence[float], gain: float) -> Agreement | None:
    """Correlations, the best demonstration, signs and sizes of one user; None where the truth is constant.

    A constant score ranks nothing and counts as a correlation of 0. Demonstrations with one answer nearly
    tie: `pairs` looks only at those whose truths are more than 1 % of the gain apart (None where none are),
    `top1_ties` takes whatever is within 1 % of the best for the best, `sign` (share alike) looks at truths
    of more than 1 % of the gain. ratio: the sizes of all truths over those of all scores; apart: mean
    distance.
    """
    if len(set(truth)) < 2:
        return None
    level = LEVEL * max(abs(gain), SMALL)
    scores, truths = np.asarray(score), np.asarray(truth)
    felt = np.abs(truths) > level
    return {
        "spearman": agreement.spearman(score, truth) or 0.0,
        "pearson": agreement.pearson(score, truth) or 0.0,
        "top1": agreement.same_best(score, truth),
        "pairs": agreement.same_order(score, truth, level),
        "top1_ties": agreement.same_best(score, truth, level),
        "sign": float((scores * truths > 0)[felt].mean()) if felt.any() else None,
        "ratio": float(np.abs(truths).sum() / max(np.abs(scores).sum(), SMALL)),
        "apart": float(np.abs(scores - truths).mean()),
    }


def agreements(users: Sequence[User], name: str, truth: str) -> list[Agreement]:
    """One score's agreement with one truth, of the users whose truth is not constant, in their order."""
    agreed = [agreement_of(user["values"][name], user["values"][truth], user["gain"]) for user in users]
    return [row for row in agreed if row is not None]


def summary(per_user: Sequence[Agreement], seed: int, kinds: Iterable[str] = KINDS) -> dict[str, Any]:
    """Every kind of agreement's mean over users with its interval; None where no user has it."""
    lists = {kind: [value for user in per_user if (value := user[kind]) is not None] for kind in kinds}
    return {kind: estimate(values, seed) if values else None for kind, values in lists.items()}


def drops(users: Sequence[User], seed: int) -> dict[str, Any]:
    """`{mode: {truth: agreement}}`: effects in each mode against really dropping a demonstration.

    Sign, order and size; a mode's values are not compared with themselves.
    """
    return {
        mode: {
            truth: summary(agreements(users, name, truth), seed, DROPPED) for truth in DROPS if truth != name
        }
        for mode, name in MODES.items()
    }


def estimators(users: Sequence[User], seed: int) -> dict[str, Any]:
    """Each estimator's passes, its largest error against exact values by the gain, and how many intervals
    hold the exact value (None where it gives none)."""
    gains = np.array([max(abs(user["gain"]), SMALL) for user in users])
    exact = np.array([user["values"]["exact"] for user in users])
    rows = {}
    for name in users[0]["passes"]:
        values = np.array([user["values"][name] for user in users])
        passes = [user["passes"][name] for user in users]
        held = [float(np.mean(user["covered"][name])) for user in users if name in user["covered"]]
        rows[name] = {
            "passes": {"mean": float(np.mean(passes)), "max": max(passes)},
            "error": quantiles(np.abs(values - exact).max(axis=1) / gains),
            "covered": estimate(held, seed) if held else None,
        }
    return rows


def quantiles(values: np.ndarray) -> dict[str, float]:
    """`{median, p95, max}`."""
    middle, high = np.quantile(values, (0.5, 0.95))
    return {"median": float(middle), "p95": float(high), "max": float(values.max())}


def effect_of(truth: str, k: int) -> str:
    """What has to agree with a truth: what `auto` takes of so many; with a real drop, what a drop is."""
    if truth in DROPS:
        return "reprompt" if truth != "reprompt" else "exact"
    return "kriging" if truth == "exact" or k > EXACT_UP_TO else "exact"


def strongest(users: Sequence[User], truth: str) -> str:
    """The rival whose mean rank correlation with a truth is highest."""
    rivals = [name for name, score in SCORES.items() if score.kind == RIVAL and name in users[0]["values"]]
    return max(rivals, key=lambda name: np.mean(_ranks(users, name, truth)))


def bars(users: Sequence[User], k: int, seed: int) -> list[dict[str, Any]]:
    """`{what, bar, found, holds, verdict}` of everything that is to hold at this k.

    Rivals as paired differences, with `truth` and the strongest `rival`. `holds`: the verdict is HOLDS.
    """
    rows: list[dict[str, Any]] = []

    def row(what: str, bar: float, found: dict[str, Any], **more: str) -> None:
        said = verdict(bar, found)
        rows.append(
            {"what": what, "bar": bar, "found": found, "holds": said == HOLDS, "verdict": said, **more}
        )

    covered = estimators(users, seed)["kriging"]["covered"]
    if k > EXACT_UP_TO and covered:
        what = f"{SCORES['kriging'].label}: 95 % intervals that hold the exact value"
        row(what, COVERED, covered)
    for truth in TRUTHS:
        name, label = effect_of(truth, k), SCORES[truth].label
        ranks = _ranks(users, name, truth)
        if not len(ranks):
            continue
        own = estimate(ranks, seed)
        if truth in DROPS:
            what = f"{SCORES[name].label} with {label} (Spearman)"
            row(what, DROP_BAR, own, truth=truth)
        rival = strongest(users, truth)
        over = difference(ranks, _ranks(users, rival, truth), seed)
        what = f"{SCORES[name].label} above every other score in {label}; the best is {SCORES[rival].label}"
        row(what, 0.0, over, truth=truth, rival=rival)
    return rows


def verdict(bar: float, found: Mapping[str, Any]) -> str:
    """HOLDS or FAILS where the 95 % interval of what was found lies above or below the bar, else NOT_SURE,
    as where so few users have no interval."""
    if found["low"] is None:
        return NOT_SURE
    return HOLDS if found["low"] > bar else FAILS if found["high"] < bar else NOT_SURE


def explained(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Why a bar need not hold, where that is known."""
    lost = [(row.get("truth"), row.get("rival")) for row in rows if not row["holds"]]
    sentences = []
    if ("reprompt", None) in lost:
        sentences.append(
            "Turning a demonstration down keeps every position and what later demonstrations read of it; "
            "writing the prompt without it changes both. Mode total of effects changes the reading, mode "
            "reprompt both: its exact values are the truth compared with here."
        )
    if {("removal", "gradient"), ("reprompt_loo", "gradient")} & set(lost):
        sentences.append(
            "Leaving one out asks what a demonstration adds when all others are there, a Shapley value what "
            "it adds on average over all sets of others. One gradient at alpha = 1 is the slope of the "
            "former, so it may come nearer to it than any Shapley value."
        )
    return sentences


def claim(dataset: str, measure: str, k: int, rows: Sequence[Mapping[str, Any]]) -> str:
    """What the bars say, in a sentence for each that does not hold or is not sure to."""
    of = {said: [row for row in rows if row["verdict"] == said] for said in (HOLDS, FAILS, NOT_SURE)}
    sentences = (
        f"On {dataset}, {measure}, with {k} demonstrations, of {len(rows)} bars {len(of[HOLDS])} hold, "
        f"{len(of[FAILS])} do not, and of {len(of[NOT_SURE])} it is not sure."
    )
    for said, begin in ((FAILS, "Does not hold"), (NOT_SURE, "Not sure")):
        for row in of[said]:
            sentences += f" {begin}: {row['what']}: {interval(row['found'])}, bar {row['bar']:g}."
    return sentences


def _ranks(users: Sequence[User], name: str, truth: str) -> np.ndarray:
    return np.array([user["spearman"] for user in agreements(users, name, truth)], dtype=np.float64)
