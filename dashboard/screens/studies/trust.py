"""How far effects of turning down can be trusted on a data set, in words from a `faithfulness` result.

The study predicts with effects of turning a demonstration down. What dropping one does, the page Recommend
measures itself: a prediction of it is what stands there until then.
"""

from collections.abc import Mapping
from typing import Any

from dashboard.text.formats import number
from dashboard.text.literal import plain

Result = Mapping[str, Any]
OURS = ("kriging", "exact")  # the first that was measured and is not the truth itself
TRUTHS = {"exact": "exact ones", "reprompt": "what dropping it does"}
LEVELS = (
    (0.9, "can be trusted"),
    (0.75, "can mostly be trusted"),
    (0.5, "can be trusted only in part"),
    (-2.0, "cannot be trusted"),
)


def agreement(result: Result, score: str, truth: str) -> float | None:
    """The mean rank correlation of a score with a truth; None where it was not measured."""
    value = (((result.get("scores") or {}).get(score) or {}).get(truth) or {}).get("spearman") or {}
    return value.get("mean")


def trusted(result: Result) -> str:
    """Plain text; empty where neither truth was measured."""
    parts = []
    for truth, prediction in TRUTHS.items():
        known = [(rho, name) for name in OURS if (rho := agreement(result, name, truth)) is not None]
        if truth == "reprompt":  # what the desk shows is measured exactly up to six demonstrations
            known = known[::-1]
        if not known or (truth == "exact" and _all_taken(result)):
            continue
        rho, _ = known[0]
        level = next(word for least, word in LEVELS if rho >= least)
        parts.append(f"{level} as predictions of {prediction} (rank correlation {number(rho)})")
    if not parts:
        return ""
    where = plain(result.get("dataset") or "this data set", 60)
    return f"On {where}, effects of turning a demonstration down {' and '.join(parts)}."


def _all_taken(result: Result) -> bool:
    """Whether the estimate took all subsets, so that its agreement with exact values says nothing."""
    passes = ((result.get("estimators") or {}).get(OURS[0]) or {}).get("passes") or {}
    return bool(result.get("k")) and (passes.get("max") or 0) >= 2 ** result["k"]


def other_scores(result: Result) -> list[str]:
    """How near the best score that is no effect comes to each truth, in sentences. Plain text."""
    said = []
    for truth, prediction in TRUTHS.items():
        rivals = [
            (rho, str(score.get("label") or name))
            for name, score in (result.get("scores") or {}).items()
            if score.get("kind") == "rival" and (rho := agreement(result, name, truth)) is not None
        ]
        if rivals:
            rho, label = max(rivals)
            said.append(
                f"Of the other scores, {plain(label, 40)} comes nearest to {prediction}: rank correlation "
                f"{number(rho)}."
            )
    return said
