"""Ranking metrics for one relevant item among candidates. Pure functions: no store, no model.

With one relevant item at rank r: HR@k = [r <= k], NDCG@k = [r <= k] / log2(r + 1), MRR = 1 / r (no cut-off).

Tied items have no order, so every metric is its expectation over a random order of them: with `above` items
scored higher than the target and `tied` others scored the same, r is each of above + 1 ... above + tied + 1
with equal chance. A model that gives every candidate the same score is worth what chance is worth. The area
under the curve counts a tie as half, which is the same.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CUTOFF = 10


@dataclass(frozen=True)
class Standing:
    """Where a target stands: `above` candidates are scored higher, `tied` others the same."""

    above: int
    tied: int = 0

    def __post_init__(self) -> None:
        if self.above < 0 or self.tied < 0:
            raise ValueError(f"counts start at 0, got {self}")

    @property
    def rank(self) -> float:
        """The expected rank (1 = best): half of the tied ones come first."""
        return self.above + 1 + self.tied / 2

    @property
    def ranks(self) -> range:
        """The ranks that are equally likely."""
        return range(self.above + 1, self.above + self.tied + 2)


def standing(scores: Sequence[float], target: int) -> Standing:
    """Where `scores[target]` stands among the scores, higher ones being better.

    A score that is NaN is worse than every number; a target without a score stands below all others.
    """
    own = _comparable(scores[target])
    others = [_comparable(score) for place, score in enumerate(scores) if place != target]
    if math.isnan(scores[target]):
        return Standing(len(others))
    return Standing(sum(score > own for score in others), sum(score == own for score in others))


def order(scores: Sequence[float]) -> list[int]:
    """Places of `scores` best first, in which a list is shown; equal scores keep their order, NaN is last."""
    return sorted(range(len(scores)), key=lambda place: (_comparable(scores[place]), -place), reverse=True)


def metrics(stands: Standing) -> dict[str, float]:
    """`{rank, hr1, hr10, ndcg10, mrr}` of one list, each the expectation over the order of ties.

    Where other candidates are tied with the target, `tied` says how many.
    """
    return {
        "rank": stands.rank,
        **({"tied": stands.tied} if stands.tied else {}),
        "hr1": hit_rate(stands, 1),
        "hr10": hit_rate(stands, CUTOFF),
        "ndcg10": ndcg(stands, CUTOFF),
        "mrr": _mean([1 / rank for rank in stands.ranks]),
    }


def hit_rate(stands: Standing, k: int) -> float:
    """The chance that the target is among the first k."""
    return _mean([float(rank <= k) for rank in stands.ranks])


def ndcg(stands: Standing, k: int) -> float:
    """Expected NDCG@k with one relevant item: the ideal gain is 1, so it is the discount at the rank."""
    return _mean([1 / math.log2(rank + 1) if rank <= k else 0.0 for rank in stands.ranks])


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def uauc(scores: Sequence[float], target: int) -> float:
    """Area under the ROC curve of one user's list: the share of the others that stand below the target, tied
    ones half.

    Its mean over users is uAUC. Needs another candidate than the target.
    """
    return 1 - (standing(scores, target).rank - 1) / (len(scores) - 1)


def auc_parts(targets: Sequence[float], others: Sequence[Sequence[float]]) -> NDArray[np.float64]:
    """What each user contributes to the AUC of all users' candidates pooled together [users].

    `targets` [users]: scores of the targets; `others`: of each user's negatives, the same number for each.
    The mean of the parts is the AUC: the chance that some user's target is scored above some user's negative,
    ties half. Part = share of all negatives below the user's target + share of all targets above the user's
    negatives - AUC, the structural components of DeLong et al. 1988 in the form for clusters of Obuchowski
    1997, so that a bootstrap or a paired test over users is one over the parts.
    """
    sizes = {len(row) for row in others}
    if len(targets) != len(others) or len(sizes) != 1 or 0 in sizes:
        raise ValueError("every user needs a target and the same number of negatives, at least one")
    positive, negative = np.array(targets, dtype=np.float64), np.array(others, dtype=np.float64)
    known = np.unique(np.append(positive, negative))
    positive, negative = _coded(positive, known, -2), _coded(negative, known, -1)
    below = _share_below(positive, negative.ravel())
    above = (1 - _share_below(negative.ravel(), positive)).reshape(negative.shape).mean(axis=1)
    return below + above - below.mean()


def labelled_auc_parts(scores: Sequence[float], labels: Sequence[bool]) -> NDArray[np.float64]:
    """What each scored thing contributes to the AUC of all of them [n], one of each user.

    labels: which are to be above the others; both kinds must be there. The mean of the parts is the AUC: the
    chance that one of those is scored above one of the others, ties half. The parts are the structural
    components of DeLong et al. 1988, weighted so that a bootstrap or paired test over users is one over them.
    """
    values, above = np.array(scores, dtype=np.float64), np.array(labels, dtype=bool)
    if len(values) != len(above) or above.all() or not above.any():
        raise ValueError("an AUC needs a score per label, and labels of both kinds")
    known = np.unique(values)
    values = np.where(above, _coded(values, known, -2), _coded(values, known, -1))
    shares = np.empty(len(values))
    shares[above] = _share_below(values[above], values[~above])
    shares[~above] = 1 - _share_below(values[~above], values[above])
    area = shares[above].mean()
    counts = np.where(above, above.sum(), (~above).sum())
    return area + len(values) / counts * (shares - area)


def _share_below(values: NDArray[np.float64], among: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of `among` below each value, equal ones counting half."""
    ordered = np.sort(among)
    left, right = (np.searchsorted(ordered, values, side=side) for side in ("left", "right"))
    return (left + right) / (2 * len(ordered))


def _coded(scores: NDArray[np.float64], known: NDArray[np.float64], missing: int) -> NDArray[np.float64]:
    """The place of each score among the known ones, which sort as the scores do; `missing` for NaN."""
    return np.where(np.isnan(scores), missing, np.searchsorted(known, scores)).astype(np.float64)


def _comparable(score: float) -> tuple[bool, float]:
    """Sorts as the score does, NaN below every number."""
    return (False, 0.0) if math.isnan(score) else (True, float(score))
