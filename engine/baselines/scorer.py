"""What every baseline offers, and which interactions one may be fitted on. No store, no torch."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from db.datasets import DatasetColumns
from db.errors import BadInput
from engine.data.splits import known

Progress = Callable[..., None]
"""Told how far (0 to 1, or None), what, and now and then the numbers so far (a dict); raises to stop."""


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

    def save(self, path: Path) -> None:
        """Write everything into one safetensors file."""
        ...


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
