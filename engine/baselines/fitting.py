"""One baseline on one data set, fitted without leakage or loaded from the file that keeps it."""

from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from db.canonical import digest
from db.choices import BASELINES
from db.datasets import DatasetColumns, DatasetInfo
from db.errors import BadInput
from engine.baselines.scorer import Baseline, FitJob, Progress, Scorer, training_report, visible
from engine.registry import implementation

FITS = 1  # raised when fitting changes, so that baselines fitted before are not loaded


def baseline(kind: str) -> Baseline:
    """The module of this kind. Raises BadInput naming those there are."""
    if kind not in BASELINES:
        raise BadInput(f"kind is {kind!r}; it must be one of {', '.join(BASELINES)}.")
    return cast(Baseline, implementation("engine.baselines", BASELINES[kind]))


def learnable(
    columns: DatasetColumns, kind: str, target: str, before: int | None = None
) -> NDArray[np.bool_]:
    """Mask [n] of the interactions this kind is fitted on, so that no target gives itself away.

    before: a moment (unix seconds) from which nothing is known, for a scorer frozen then.
    """
    if before is not None:
        return visible(columns, target, before)
    if _by_moment(columns, kind):
        return np.ones(len(columns.user), dtype=bool)
    return visible(columns, target)


def _by_moment(columns: DatasetColumns, kind: str) -> bool:
    return baseline(kind).LEARNS == "moments" and columns.timestamp is not None


def place(
    folder: Path,
    dataset: DatasetInfo,
    kind: str,
    target: str = "test",
    seed: int = 0,
    before: int | None = None,
) -> Path:
    """The file in which a baseline fitted to this data set is kept."""
    name = digest([kind, dataset.fingerprint, target, seed, before, FITS])[:16]
    return folder / f"{kind}-{name}.safetensors"


@dataclass(frozen=True)
class Fitted:
    """A scorer, the file it is kept in (if any), whether it was loaded from there, and what it is fitted on
    in words."""

    scorer: Scorer
    path: Path | None
    loaded: bool
    on: str


def fitted(
    dataset: DatasetInfo,
    columns: DatasetColumns,
    kind: str,
    seed: int = 0,
    target: str = "test",
    folder: Path | None = None,
    minutes: float | None = None,
    *,
    before: int | None = None,
    progress: Progress | None = None,
) -> Fitted:
    """Fit a baseline, or load the equal one that `folder` holds; a stopped fit resumes from its checkpoint,
    and so does one whose time was up when more `minutes` (None: all it needs) are asked for.

    before: fit on what was known before this moment only (frozen then). Raises BadInput for an unknown kind.
    """
    module = baseline(kind)
    on = _fitted_on(columns, kind, target, before)
    path = place(folder, dataset, kind, target, seed, before) if folder else None
    checkpoint = path.with_suffix(".checkpoint") if path else None
    if path and path.exists():
        scorer = module.load(path)
        if not _more_to_train(scorer, checkpoint, minutes):
            return Fitted(scorer, path, True, on)
    mask = learnable(columns, kind, target, before)
    scorer = module.fit(FitJob(kind, columns, mask, seed, progress, checkpoint, minutes))
    if path:
        scorer.save(path)
    return Fitted(scorer, path, False, on)


def _more_to_train(scorer: Scorer, checkpoint: Path | None, minutes: float | None) -> bool:
    """Whether a kept scorer's training was cut off by the clock and is now given more of it."""
    training = training_report(scorer)
    if training is None or checkpoint is None or not checkpoint.exists():
        return False
    return minutes is None or training["seconds"] < 60 * minutes


def _fitted_on(columns: DatasetColumns, kind: str, target: str, before: int | None) -> str:
    if baseline(kind).LEARNS == "titles":
        return "the catalogue's titles"
    if before is not None:
        return "interactions before a fixed moment"
    if _by_moment(columns, kind):
        return "interactions before each target's moment"
    return f"all interactions but everybody's last {'one' if target == 'test' else 'two'}"
