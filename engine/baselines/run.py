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
from db.version import ENGINE_VERSION
from engine.baselines import bm25, itemknn, popularity, sasrec, training
from engine.baselines.evaluation import drawn_users, evaluate
from engine.baselines.sasrec import Sasrec
from engine.baselines.scorer import Progress, Scorer, visible
from engine.baselines.training import Recipe

FIT_SHARE = 0.8  # of the progress, for what is trained


@dataclass(frozen=True)
class Job:
    """What a fit is given: data, mask [n] of what may be known, seed, who is told, file to resume from."""

    columns: DatasetColumns
    mask: NDArray[np.bool_]
    seed: int
    progress: Progress | None
    checkpoint: Path | None


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
) -> dict[str, Any]:
    """Fit the baseline, rank `users` users' targets, return settings, metrics and seconds, ready for JSON.

    `folder`: where the fitted baseline and its checkpoint are kept; an equal request then fits nothing, and
    a stopped one goes on. None keeps nothing. Only candidate lists are written to the store. Raises BadInput
    for an unknown kind and a data set in which nobody has the target, NotFound for an unknown data set.
    """
    if kind not in KINDS:
        raise BadInput(f"kind is {kind!r}; it must be one of {', '.join(KINDS)}.")
    if users < 1:
        raise BadInput(f"users is {users}; at least 1 is needed.")
    dataset = datasets.get(store, dataset_name)
    columns = datasets.columns(store, dataset.id)
    drawn = drawn_users(columns, users, seed, target)
    if not drawn:
        raise BadInput(f"Nobody in {dataset.name!r} has a history long enough for the {target} target.")
    started = time.perf_counter()
    scorer, loaded, fitted_on = _fitted(
        dataset, columns, kind, seed, target, folder, _part(progress, 0, FIT_SHARE)
    )
    fit_s = time.perf_counter() - started
    started = time.perf_counter()
    found = evaluate(
        scorer,
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
        "fitted_on": fitted_on,
        "metrics": found.summary(),
        "ranks": dict(zip(found.user_ids, found.ranks, strict=True)),
        "fit": scorer.report if isinstance(scorer, Sasrec) else None,
        "loaded": loaded,
        "seconds": {"fit": fit_s, "evaluate": time.perf_counter() - started},
    }


def learnable(columns: DatasetColumns, kind: str, target: str) -> NDArray[np.bool_]:
    """Mask [n] of the interactions this kind is fitted on, so that no target gives itself away."""
    if _by_moment(columns, kind):
        return np.ones(len(columns.user), dtype=bool)
    return visible(columns, target)


def _by_moment(columns: DatasetColumns, kind: str) -> bool:
    return KINDS[kind].learns == "moments" and columns.timestamp is not None


def _fitted(
    dataset: DatasetInfo,
    columns: DatasetColumns,
    kind: str,
    seed: int,
    target: str,
    folder: Path | None,
    progress: Progress | None,
) -> tuple[Scorer, bool, str]:
    """The scorer, whether it was loaded, and in words what it is fitted on."""
    by_moment = _by_moment(columns, kind)
    name = digest([kind, dataset.fingerprint, seed, None if by_moment else target, ENGINE_VERSION])[:16]
    path = folder / f"{kind}-{name}.safetensors" if folder else None
    if KINDS[kind].learns == "titles":
        fitted_on = "the catalogue's titles"
    elif by_moment:
        fitted_on = "interactions before each target's moment"
    else:
        fitted_on = f"all interactions but everybody's last {'one' if target == 'test' else 'two'}"
    if path and path.exists():
        return KINDS[kind].load(path), True, fitted_on
    mask = learnable(columns, kind, target)
    checkpoint = path.with_suffix(".checkpoint") if path else None
    scorer = KINDS[kind].fit(Job(columns, mask, seed, progress, checkpoint))
    if path:
        scorer.save(path)
    return scorer, False, fitted_on


def _part(progress: Progress | None, start: float, stop: float) -> Progress | None:
    """The callback for a piece of the work that runs from share `start` to `stop`."""
    if progress is None:
        return None

    def told(share: float | None, message: str) -> None:
        progress(None if share is None else start + share * (stop - start), message)

    return told
