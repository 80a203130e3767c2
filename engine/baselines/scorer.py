"""What every baseline offers, and which interactions one may be fitted on. No store, no torch."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from db.datasets import DatasetColumns
from db.errors import BadInput
from engine.data.kept import Kept
from engine.data.splits import known

Progress = Callable[..., None]
"""Called with the share done (0 to 1, or None), a message, and now and then the numbers so far (a dict); may
raise to stop."""


class Scorer(Protocol):
    """A fitted baseline; a pure function of what it was fitted on and its seed."""

    def scores(
        self, history: Sequence[int], candidates: Sequence[int], before: int | None = None
    ) -> NDArray[np.float64]:
        """A score per candidate [candidates], higher = more likely next. Items are row numbers.

        `history`: what the user bought, oldest first. `before`: the moment of the prediction (unix seconds):
        scorers that count purchases count those before it only; one that was trained knows what it was
        trained on, whatever the moment.
        """
        ...

    def kept(self) -> Kept:
        """Everything it is rebuilt from."""
        ...


@dataclass(frozen=True)
class FitJob:
    """What a fit is given.

    mask [n]: the interactions that may be known; until: the moment (unix seconds) they end before, the same
    for all, if any. checkpoint: the file to resume from, if any. minutes: the time it may take; None: as long
    as it needs.
    """

    kind: str
    columns: DatasetColumns
    mask: NDArray[np.bool_]
    seed: int = 0
    progress: Progress | None = None
    checkpoint: Path | None = None
    minutes: float | None = None
    until: int | None = None


Learns = Literal["moments", "once", "titles"]


class Baseline(Protocol):
    """A module of `engine.baselines` that implements a row of `db.choices.BASELINES`.

    LEARNS: `moments`: it counts purchases before each target's own moment, so with timestamps it is fitted on
    all interactions; `once`: it is trained once, on what was before one moment, and may be asked about
    targets from then on; `titles`: it learns from no interactions. Without timestamps everybody's held-out
    interactions are hidden instead.
    """

    LEARNS: Learns

    def fit(self, job: FitJob) -> Scorer:
        """The scorer fitted to the interactions of the job's mask."""
        ...

    def rebuilt(self, kept: Kept) -> Scorer:
        """The scorer of what its `kept` gave; its arrays may be read only."""
        ...


def training_report(scorer: Scorer) -> dict[str, Any] | None:
    """What a trained scorer kept of its training (recipe, curve, `seconds`, `stopped_because`, `until`); else
    None."""
    return getattr(scorer, "report", None)


def visible(columns: DatasetColumns, target: str = "test", before: int | None = None) -> NDArray[np.bool_]:
    """Mask [n] of the interactions a baseline may be fitted on.

    Without `before`: all but everybody's last one (target `test`) or last two (`probe`). With it: those
    before this moment, for a model frozen then. BadInput where `before` is asked of a data set without
    timestamps.
    """
    if before is None:
        return known(columns.user, target)
    if columns.timestamp is None:
        raise BadInput("before: this data set has no timestamps, so it cannot be cut at a moment.")
    return columns.timestamp < before
