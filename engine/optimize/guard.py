"""The collapse guard: whether what was chosen may be applied, judged on probes that did not choose it.

A set is applied only where the lower bound of its gain on the held-out probes is above zero, and weights only
where they are better than none by the same rule; else the guard falls back and says why. What counts is the
gain in NDCG@10: a likelihood can rise while the list gets worse, and one confident mistake outweighs many
good answers in nats. A user's few probes are judged together with what the plain strategy did for other
users (engine/optimize/calibration.py). Pure: gains in, a verdict out. After the collapse
prevention of LRGD (arXiv 2504.04386, reconstructed).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

SURE = 0.7
"""Confidence of the one-sided lower bound. What is at stake is one list, not a claim: at 0.95 a set that
helps as much as neighbours do on the simulated store would be refused to most of its users."""

SURELY = 0.8
"""The same for what a strategy does for a data set's users as a whole, being the best of several."""

FEWEST = 3
"""Fewer purchases than this decide nothing."""

EXPECTED = 0.9
"""What many of other users' purchases count together, of 1; n of them count n / (n + FEW) of it.

Gains of single purchases spread by about 0.3 NDCG@10, the mean of five probes by 0.13. If users' true gains
spread by 0.05, the best guess of one user's gain gives their own probes 0.05^2 / (0.05^2 + 0.13^2) = 0.13.
"""

FEW = 5


@dataclass(frozen=True)
class Bound:
    """A weighted mean gain in NDCG@10 with its bounds, each `sure` (a share) by itself: one-sided."""

    mean: float
    low: float
    high: float
    sure: float = SURE

    def to_json(self) -> dict[str, float | None]:
        """An end that is infinitely far is null: JSON has no infinity."""
        low, high = (end if math.isfinite(end) else None for end in (self.low, self.high))
        return {"mean": self.mean, "low": low, "high": high, "sure": self.sure}

    @property
    def least(self) -> str:
        """The lower bound in words, with how sure it is."""
        if not math.isfinite(self.low):
            return "no bound from one purchase"
        return f"{100 * self.sure:.0f} % sure of at least {_signed(self.low)}"


@dataclass(frozen=True)
class Verdict:
    """`verdict`: two-stage, stage 1 or zero-shot. The gains are None where too little is known."""

    verdict: str
    reason: str
    gain_stage1: Bound | None = None
    gain_stage2: Bound | None = None
    over_stage1: Bound | None = None

    def to_json(self) -> dict[str, Any]:
        gains = {
            name: None if (gain := getattr(self, name)) is None else gain.to_json()
            for name in ("gain_stage1", "gain_stage2", "over_stage1")
        }
        return {"verdict": self.verdict, "reason": self.reason, **gains}


def bound(gains: NDArray[np.float64], share: NDArray[np.float64], sure: float = SURE) -> Bound:
    """Mean and t bounds of gains [P] whose probes count `share` [P]; infinitely wide for a single probe.

    With unequal shares the degrees of freedom are those of Kish's effective number of probes.
    """
    from scipy import stats  # half a second, which commands that judge nothing should not pay

    share = share / share.sum()
    mean = float(share @ gains)
    effective = 1 / float(share @ share)
    if effective < 1 + 1e-9:
        return Bound(mean, -float("inf"), float("inf"), sure)
    variance = float(share @ (gains - mean) ** 2) * effective / (effective - 1)
    reach = float(stats.t.ppf(sure, effective - 1)) * float(np.sqrt(variance / effective))
    return Bound(mean, mean - reach, mean + reach, sure)


def expectation(expected: Mapping[str, NDArray[np.float64]]) -> tuple[str | None, Verdict | None]:
    """The strategy that helps other users most, and the verdict where none of them helps reliably.

    expected: per strategy the gains [n] it brought other users. Both None where too little is known to tell.
    """
    known = {name: gains for name, gains in expected.items() if len(gains) >= FEWEST}
    if not known:
        return None, None
    best = max(known, key=lambda name: float(known[name].mean()))
    gain = bound(known[best], np.ones(len(known[best])), SURELY)
    if gain.low > 0:
        return best, None
    reason = (
        f"Demonstrations do not reliably help users of this data set: for {len(known[best])} other users the "
        f"best of {len(known)} strategies gains {_signed(gain.mean)} NDCG@10 "
        f"({gain.least}). None are applied."
    )
    return None, Verdict("zero-shot", reason, gain)


def judge(
    plain: NDArray[np.float64],
    weighted: NDArray[np.float64] | None,
    share: NDArray[np.float64],
    expected: NDArray[np.float64] | None = None,
) -> Verdict:
    """The verdict from the gains [P] in NDCG@10 over zero-shot of stage 1, plain, and of stage 2, weighted.

    expected [n]: gains that the plain strategy brought other users; none where nothing is known of them.
    """
    others = np.zeros(0) if expected is None else expected
    if len(share) + len(others) < FEWEST:
        what = f"{len(share)} held-out probe{'' if len(share) == 1 else 's'}"
        return Verdict("zero-shot", f"Too little data to decide: {what}, and at least {FEWEST} are needed.")
    first = _together(plain, share, others)
    second = None if weighted is None else _together(weighted, share, others)
    over = None if weighted is None else bound(weighted - plain, share)
    where = f"On {len(share)} held-out probes" + (
        f" and {len(others)} purchases of other users" if len(others) else ""
    )
    if second and over and second.low > 0 and over.low > 0:
        reason = (
            f"{where} the weighted set gains {_signed(second.mean)} NDCG@10 ({second.least}), "
            f"{_signed(over.mean)} over the same set without weights ({over.least})."
        )
        return Verdict("two-stage", reason, first, second, over)
    if first.low > 0:
        unsure = "" if over is None else f" The weights are not reliably better ({_signed(over.mean)})."
        gain = f"{where} the set gains {_signed(first.mean)} NDCG@10 ({first.least})."
        return Verdict("stage 1", gain + unsure, first, second, over)
    reason = (
        f"{where} the set gains {_signed(first.mean)} NDCG@10, which may be no gain or a loss "
        f"({first.least}). No demonstrations are applied."
    )
    return Verdict("zero-shot", reason, first, second, over)


def better(new: NDArray[np.float64], old: NDArray[np.float64], share: NDArray[np.float64]) -> bool:
    """Whether gains [P] of one set are reliably above those of another on the same probes."""
    return bool(len(share)) and bound(new - old, share).low > 0


def _signed(value: float) -> str:
    """+0.12, −0.05, or 0.00 without a sign."""
    return f"{value:+.2f}".replace("-", "\N{MINUS SIGN}") if abs(value) >= 0.005 else "0.00"


def _together(own: NDArray[np.float64], share: NDArray[np.float64], others: NDArray[np.float64]) -> Bound:
    """The bound of a user's own gains and other users', where there are both."""
    if not len(others):
        return bound(own, share)
    if not len(own):
        return bound(others, np.ones(len(others)))
    part = EXPECTED * len(others) / (len(others) + FEW)
    theirs = np.full(len(others), part / len(others))
    return bound(np.concatenate([own, others]), np.concatenate([share * (1 - part), theirs]))
