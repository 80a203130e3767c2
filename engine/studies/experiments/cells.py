"""What an experiment has measured: rows, users, and one cell for each user under each row and draw.

Boundary: plain values that the store keeps; what they say is the business of the modules beside this one.
No store, no model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.evaluation.metrics import Standing, metrics, uauc

MODEL, BASELINE, COPY, OUTSIDE = "model", "baseline", "copy", "outside"
"""Kinds of rows."""

TOP = 10  # items of a list that are kept: what coverage, popularity and diversity look at


@dataclass(frozen=True)
class Row:
    """One setting. `key`: what it is called in files, commands and links; `label`: for people. `values`: what
    it has of what the experiment varies, by axis (`demos`, `model`, ...). `draws`: how often its random
    choices are drawn; 1 where it has none. `copies`: of a copy, the key of the row whose demonstrations it
    counts.
    """

    key: str
    label: str
    kind: str = MODEL
    values: Mapping[str, Any] = field(default_factory=dict)
    draws: int = 1
    copies: str | None = None


@dataclass(frozen=True)
class Cell:
    """One user's list under one row and draw.

    above, tied: candidates scored higher than the target, and the same. scores: the target's first, then
    those of the others. top: item ids of the first `TOP`, best first. shown: demonstrations in the prompt;
    tokens: of the prompt; seconds: of computing, as measured when the list was made; None where there is no
    prompt. margin, margin_zero_shot: in nats (`engine.llm.scoring.ranking`). complied: share of the answers
    that could be read, 1 where the model's likelihoods are read. effects: of each demonstration shown, by id,
    in nats of margin; None where they were not asked for. run: key of the stored run.
    """

    above: int
    tied: int
    scores: tuple[float, ...]
    top: tuple[str, ...]
    shown: int = 0
    tokens: int | None = None
    seconds: float | None = None
    margin: float | None = None
    margin_zero_shot: float | None = None
    complied: float = 1.0
    effects: Mapping[str, float] | None = None
    run: str | None = None

    @property
    def standing(self) -> Standing:
        """Where the target stands."""
        return Standing(self.above, self.tied)

    @property
    def effect(self) -> float | None:
        """What the demonstrations add to the margin, in nats."""
        if self.margin is None or self.margin_zero_shot is None:
            return None
        return self.margin - self.margin_zero_shot

    @property
    def uauc(self) -> float:
        """The share of the other candidates below the target, tied ones half."""
        return uauc(self.scores, 0)


_metrics = lru_cache(maxsize=4096)(metrics)  # lists of an experiment stand at few different places

PER_USER: Mapping[str, Callable[[Cell], float | None]] = {
    "ndcg10": lambda cell: _metrics(cell.standing)["ndcg10"],
    "hr1": lambda cell: _metrics(cell.standing)["hr1"],
    "hr10": lambda cell: _metrics(cell.standing)["hr10"],
    "mrr": lambda cell: _metrics(cell.standing)["mrr"],
    "uauc": lambda cell: cell.uauc,
    "effect": lambda cell: cell.effect,
    "complied": lambda cell: cell.complied,
    "tokens": lambda cell: cell.tokens,
    "seconds": lambda cell: cell.seconds,
}
"""What is measured of one cell; None where the row has no such thing. Means over users are the table."""


@dataclass(frozen=True)
class Cells:
    """All cells of an experiment, or of the users that are done. `users`: ids, in the order drawn. `at`: row
    key -> per user the cells of its draws [users][draws]."""

    rows: tuple[Row, ...]
    users: tuple[str, ...]
    at: Mapping[str, Sequence[Sequence[Cell]]]

    def values(self, row: str, measure: str) -> NDArray[np.float64] | None:
        """A measure of `PER_USER` [draws, users] of a row; None where the row has no such thing."""
        per_user = [[PER_USER[measure](cell) for cell in draws] for draws in self.at[row]]
        if any(value is None for draws in per_user for value in draws):
            return None
        return np.array(per_user, dtype=np.float64).T

    def mean(self, row: str, measure: str) -> NDArray[np.float64] | None:
        """The same averaged over draws [users]: what rows are compared by."""
        values = self.values(row, measure)
        return None if values is None else values.mean(axis=0)
