"""One baseline on one data set: fitted without leakage, ranked, told as JSON."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from db import datasets
from db.canonical import digest
from db.datasets import DatasetColumns, DatasetInfo
from db.errors import BadInput
from db.store import Store
from engine.baselines import bm25, itemknn, popularity, sasrec, training
from engine.baselines.evaluation import drawn_users, evaluate
from engine.baselines.sasrec import Sasrec
from engine.baselines.scorer import Progress, Scorer, visible
from engine.baselines.training import Recipe

FITS = 1  # raised when a baseline is fitted otherwise than before, so that kept ones are not taken for new
FIT_SHARE = 0.8  # of the progress, for what is trained


@dataclass(frozen=True)
class Job:
    """What a fit is given: data, mask [n] of what may be known, seed, who is told, file to resume from, and
    the minutes it may take (None: as many as it needs)."""

    columns: DatasetColumns
    mask: NDArray[np.bool_]
    seed: int
    progress: Progress | None
    checkpoint: Path | None
    minutes: float | None = None


@dataclass(frozen=True)
class Kind:
    """How a kind is fitted and loaded, and what it `learns` from.

    `moments`: it counts purchases before each target's own moment, so with timestamps it is fitted on all
    interactions; `once`: it is fitted once, without everybody's held-out interactions; `titles`: it learns
    from no interactions.
    """

    fit: Callable[[Job], Scorer]
    load: Callable[[Path], Scorer]
    learns: Literal["moments", "once", "titles"]


def _sasrec(loss: str) -> Callable[[Job], Sasrec]:
    return lambda job: training.fit(
        job.columns,
        job.mask,
        Recipe(loss=loss, seed=job.seed),
        progress=job.progress,
        checkpoint=job.checkpoint,
        minutes=job.minutes,
    )


KINDS: dict[str, Kind] = {
    "popularity": Kind(lambda job: popularity.fit(job.columns, job.mask), popularity.load, "moments"),
    "itemknn": Kind(lambda job: itemknn.fit(job.columns, job.mask), itemknn.load, "moments"),
    "bm25": Kind(lambda job: bm25.fit(job.columns, job.mask), bm25.load, "titles"),
    "sasrec": Kind(_sasrec("full"), sasrec.load, "once"),
    "sasrec-scaled": Kind(_sasrec("scaled"), sasrec.load, "once"),
}


def run_baseline(
    store: Store,
    dataset_name: str,
    kind: str,
    users: int = 300,
    seed: int = 0,
    progress: Progress | None = None,
    *,
    candidates: int = 20,
    candidate_kind: str = "random",
    target: str = "test",
    folder: Path | None = None,
    minutes: float | None = None,
) -> dict[str, Any]:
    """Fit the baseline, rank `users` users' targets, return settings, metrics and seconds, ready for JSON.

    `folder`: where the fitted baseline and its checkpoint are kept; an equal request then fits nothing, and
    a stopped one goes on. None keeps nothing. `minutes`: of training. Only candidate lists are written to the
    store. Raises BadInput for an unknown kind and a data set in which nobody has the target, NotFound for an
    unknown data set.
    """
    checked(kind)
    if users < 1:
        raise BadInput(f"users is {users}; at least 1 is needed.")
    dataset = datasets.get(store, dataset_name)
    columns = datasets.columns(store, dataset.id)
    drawn = drawn_users(columns, users, seed, target)
    if not drawn:
        raise BadInput(f"Nobody in {dataset.name!r} has a history long enough for the {target} target.")
    started = time.perf_counter()
    done = fitted(
        dataset, columns, kind, seed, target, folder, minutes, progress=_part(progress, 0, FIT_SHARE)
    )
    fit_s = time.perf_counter() - started
    started = time.perf_counter()
    found = evaluate(
        done.scorer,
        store,
        dataset,
        drawn,
        candidates,
        seed,
        kind=candidate_kind,
        target=target,
        progress=_part(progress, FIT_SHARE, 1),
    )
    return {
        "dataset": dataset.name,
        "simulated": dataset.simulated,
        "kind": kind,
        "target": target,
        "users": len(drawn),
        "candidates": candidates,
        "candidate_kind": candidate_kind,
        "seed": seed,
        "fitted_on": done.on,
        "metrics": found.summary(),
        "ranks": dict(zip(found.user_ids, found.ranks, strict=True)),
        "fit": done.scorer.report if isinstance(done.scorer, Sasrec) else None,
        "loaded": done.loaded,
        "seconds": {"fit": fit_s, "evaluate": time.perf_counter() - started},
    }


def checked(kind: str) -> Kind:
    """The kind of this name. Raises BadInput naming those there are."""
    if kind not in KINDS:
        raise BadInput(f"kind is {kind!r}; it must be one of {', '.join(KINDS)}.")
    return KINDS[kind]


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
    return KINDS[kind].learns == "moments" and columns.timestamp is not None


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
    """Fit a baseline, or load the equal one that `folder` holds; a stopped fit goes on from its checkpoint,
    and so does one whose time was up when more `minutes` (None: all it needs) are asked for.

    before: fit on what was known before this moment only (frozen then). Raises BadInput for an unknown kind.
    """
    chosen = checked(kind)
    on = _words(columns, kind, target, before)
    path = place(folder, dataset, kind, target, seed, before) if folder else None
    checkpoint = path.with_suffix(".checkpoint") if path else None
    if path and path.exists():
        scorer = chosen.load(path)
        if not (isinstance(scorer, Sasrec) and checkpoint and checkpoint.exists()) or (
            minutes is not None and scorer.report["seconds"] >= 60 * minutes
        ):
            return Fitted(scorer, path, True, on)
    mask = learnable(columns, kind, target, before)
    scorer = chosen.fit(Job(columns, mask, seed, progress, checkpoint, minutes))
    if path:
        scorer.save(path)
    return Fitted(scorer, path, False, on)


def _words(columns: DatasetColumns, kind: str, target: str, before: int | None) -> str:
    if KINDS[kind].learns == "titles":
        return "the catalogue's titles"
    if before is not None:
        return "interactions before a fixed moment"
    if _by_moment(columns, kind):
        return "interactions before each target's moment"
    return f"all interactions but everybody's last {'one' if target == 'test' else 'two'}"


def _part(progress: Progress | None, start: float, stop: float) -> Progress | None:
    """The callback for a piece of the work that runs from share `start` to `stop`."""
    if progress is None:
        return None

    def told(share: float | None, message: str, *numbers: dict[str, Any]) -> None:
        progress(None if share is None else start + share * (stop - start), message, *numbers)

    return told
