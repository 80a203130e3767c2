"""One baseline on one data set, fitted without leakage or loaded from the file that keeps it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from db.canonical import digest
from db.choices import BASELINES
from db.datasets import DatasetColumns, DatasetInfo
from db.errors import BadInput
from db.moments import day
from db.settings import Settings
from engine.baselines import saved
from engine.baselines.scorer import Baseline, FitJob, Progress, Scorer, training_report, visible
from engine.data.kept import Cost, Kept, Shelf
from engine.data.splits import target_rows
from engine.libraries import versions
from engine.progress import counted
from engine.registry import implementation

RULE = (
    "Of others' purchases, nothing at or after a target's moment is known, to demonstrations or "
    "recommenders alike; of the user's own, all before the target. What is trained once knows less: "
    "purchases before the median of all targets' moments; then only users whose target is at or after it are "
    "ranked."
)
RULE_UNTIMED = "There are no moments: each user's held-out purchases stay unknown instead."

FITS = 2  # raised when fitting changes, so that baselines fitted before are not loaded
SECONDS, MIB = 1.5e-6, 0.16e-3  # what indexing an interaction takes, measured on 5 million


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
    if before is None:
        before = trained_until(columns, kind, target)
    if before is not None:
        return visible(columns, target, before)
    if _by_moment(columns, kind):
        return np.ones(len(columns.user), dtype=bool)
    return visible(columns, target)


def trained_until(columns: DatasetColumns, kind: str, target: str = "test") -> int | None:
    """The moment (unix seconds) before which a kind that is trained once may know purchases: the median of
    all targets' moments, so that it can be asked about half of the users. None where there is no such moment.
    """
    if baseline(kind).LEARNS != "once" or columns.timestamp is None:
        return None
    moments = np.sort(columns.timestamp[target_rows(columns.user, target)])
    return int(moments[len(moments) // 2]) if len(moments) else None


def _by_moment(columns: DatasetColumns, kind: str) -> bool:
    return baseline(kind).LEARNS == "moments" and columns.timestamp is not None


def place(
    settings: Settings,
    dataset: DatasetInfo,
    kind: str,
    target: str = "test",
    seed: int = 0,
    before: int | None = None,
) -> Path:
    """The file in which a baseline trained on this data set is kept."""
    name = digest([kind, dataset.fingerprint, target, seed, before, FITS, versions(("torch",))])[:16]
    return settings.baselines / f"{kind}-{name}.safetensors"


@dataclass(frozen=True)
class Fitted:
    """A scorer, where it is kept (if anywhere), whether it was loaded from there, what it is fitted on in
    words, and the moment (unix seconds) of the first target it may be asked about (None: any)."""

    scorer: Scorer
    path: Path | None
    loaded: bool
    on: str
    until: int | None = None


def fitted(
    dataset: DatasetInfo,
    columns: Callable[[], DatasetColumns],
    kind: str,
    seed: int = 0,
    target: str = "test",
    settings: Settings | None = None,
    minutes: float | None = None,
    *,
    before: int | None = None,
    progress: Progress | None = None,
) -> Fitted:
    """Fit a baseline, or load the equal one that the workspace of `settings` holds; without settings nothing
    is kept. A stopped training resumes from its checkpoint, and so does one whose time was up when more
    `minutes` (None: all it needs) are asked for.

    columns: reads the data set; called only where something is fitted or trained. before: fit on what was
    known before this moment only (frozen then). Raises BadInput for an unknown kind.
    """
    if baseline(kind).LEARNS == "once":
        return _trained(dataset, columns(), kind, target, settings, before, minutes, progress, seed)
    shelf = Shelf(settings, dataset.fingerprint)
    scorer = _counted(shelf, dataset, columns, kind, target, before)
    on = knows(kind, dataset.has_timestamps, target, before)
    return Fitted(scorer, next(iter(shelf.files), None), not shelf.built, on, before)


def sweep(settings: Settings) -> None:
    """Remove what earlier versions kept of kinds that are not trained: the data set's indexes have it."""
    for path in settings.baselines.glob("*.safetensors"):
        kind = path.stem.rpartition("-")[0]
        if kind in BASELINES and baseline(kind).LEARNS != "once":
            path.unlink(missing_ok=True)


def _counted(
    shelf: Shelf,
    dataset: DatasetInfo,
    columns: Callable[[], DatasetColumns],
    kind: str,
    target: str,
    before: int | None,
) -> Scorer:
    """A scorer that is not trained, made of the data set's indexes."""
    module: Any = baseline(kind)
    if hasattr(module, "parts"):
        parts = [_counted(shelf, dataset, columns, part, target, before) for part in module.parts(kind)]
        return module.joined(parts)

    def fit() -> Kept:
        read = columns()
        return module.fit(FitJob(kind, read, learnable(read, kind, target, before), until=before)).kept()

    by_moment = dataset.has_timestamps or module.LEARNS == "titles"  # whatever the target
    own = (kind, FITS, before, None if by_moment else target)
    name, *version = getattr(module, "INDEX", own)
    rows = dataset.items if module.LEARNS == "titles" else dataset.interactions
    cost = Cost(f"{counted(rows, 'row')} for {kind}", SECONDS * rows, MIB * rows)
    return module.rebuilt(shelf.get(name, fit, *version, cost=cost))


def _trained(
    dataset: DatasetInfo,
    columns: DatasetColumns,
    kind: str,
    target: str,
    settings: Settings | None,
    before: int | None,
    minutes: float | None,
    progress: Progress | None,
    seed: int,
) -> Fitted:
    """A scorer that is trained once: resumed, or loaded where its training was done."""
    module = baseline(kind)
    until = trained_until(columns, kind, target) if before is None else before
    on = knows(kind, columns.timestamp is not None, target, until)
    path = place(settings, dataset, kind, target, seed, before) if settings else None
    checkpoint = path.with_suffix(".checkpoint") if path else None
    if path and path.exists():
        scorer = loaded(path, kind)
        if not _more_to_train(scorer, checkpoint, minutes):
            return Fitted(scorer, path, True, on, until)
    mask = learnable(columns, kind, target, before)
    scorer = module.fit(FitJob(kind, columns, mask, seed, progress, checkpoint, minutes, until))
    if path:
        saved.write(path, _saved_as(kind), scorer.kept())
    return Fitted(scorer, path, False, on, until)


def loaded(path: Path, kind: str) -> Scorer:
    """The trained scorer of this file. Raises ModelError."""
    return baseline(kind).rebuilt(saved.read(path, _saved_as(kind)))


def _saved_as(kind: str) -> str:
    return getattr(baseline(kind), "KIND", kind)


def _more_to_train(scorer: Scorer, checkpoint: Path | None, minutes: float | None) -> bool:
    """Whether a kept scorer's training was cut off by the clock and is now given more of it."""
    training = training_report(scorer)
    if training is None or checkpoint is None or not checkpoint.exists():
        return False
    return minutes is None or training["seconds"] < 60 * minutes


def knows(kind: str, timed: bool, target: str = "test", until: int | None = None) -> str:
    """What a scorer of this kind knows, in words. timed: the data set has timestamps; until: see `Fitted`."""
    if baseline(kind).LEARNS == "titles":
        return "the catalogue's titles"
    if until is not None:
        return f"purchases before {day(until)}"
    if timed:
        return "purchases before each target's moment"
    return f"all purchases but the last {'one' if target == 'test' else 'two'} of each user"


def limit_hit(scorer: Scorer) -> str:
    """A sentence where the clock ended a training before its early stop did; else empty."""
    reason = (training_report(scorer) or {}).get("stopped_because", "")
    if "no better validation" in reason or not reason:
        return ""
    return f"Its training did not reach its early stop: {reason}. With more it may do better."
