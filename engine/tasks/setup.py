"""A workspace with something to see: the simulated store, the embedded model and one first run."""

import contextlib
import hashlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from db import datasets, guided, models, runs
from db.canonical import canonical_json
from db.errors import NotFound
from db.models import ModelInfo
from db.requests import RunRequest
from engine.context import EMBEDDED, Engine
from engine.data.simulated import simulate
from engine.tasks.effects import effects
from engine.tasks.rank import rank

DATASET, MODEL = "simulated", "embedded"
SEED = 0  # of the simulated store
# The user of the first run: taken for showing much at a glance (two of four demonstrations carry the answer),
# not for being typical. What is typical, `engine.tuning.evaluate_embedded` measures.
FIRST_RUN_SEED, FIRST_RUN_LENGTH = 8, 10
# The user of the guided start: one demonstration helps and the others mislead, so that the target falls when
# the good one is turned off. What is said of them is read from the runs (`db.guided`).
GUIDED_SEED = 72


def setup_workspace(engine: Engine, say: Callable[[str], None] | None = None) -> dict[str, Any]:
    """Make what is missing and leave the rest alone; returns names of what there is now.

    Raises `ModelError` or `DataError` as loading and storing do.
    """
    tell = say or (lambda _: None)
    store = engine.store
    try:
        info = datasets.get(store, DATASET)
        tell(f"Data set {DATASET}: already there ({info.users:,} users).")
    except NotFound:
        tell(f"Making the simulated store (seed {SEED})...")
        info = store_simulated(engine)
        tell(f"Data set {DATASET}: {info.users:,} users, {info.items:,} items, simulated with seed {SEED}.")
    model = register_embedded(engine)
    tell(f"Model {MODEL}: {model.parameters / 1e6:.1f} million parameters, {model.architecture}.")
    guided_runs(engine, info)
    user = datasets.random_user(store, info.id, FIRST_RUN_SEED, FIRST_RUN_LENGTH)
    request = RunRequest(dataset=DATASET, user=user.user_id, model=MODEL)
    run, _ = effects(engine, request, leave_one_out=True)
    tell(f"First run: user {user.user_id}, {'already there' if run.cached else 'stored'} ({run.key[:12]}).")
    return {"dataset": DATASET, "model": MODEL, "user": user.user_id, "run": run.key}


def guided_runs(engine: Engine, info: datasets.DatasetInfo) -> None:
    """Store a run with its effects, and the same one with its best demonstration at weight 0."""
    user = datasets.random_user(engine.store, info.id, GUIDED_SEED, FIRST_RUN_LENGTH)
    request = RunRequest(dataset=DATASET, user=user.user_id, model=MODEL)
    run, measured = effects(engine, request, leave_one_out=True, mode=guided.MODE, measure=guided.MEASURE)
    rows = measured.result["demonstrations"]
    best = max(row["effect"] for row in rows)
    off = rank(engine, replace(request, weights=tuple(float(row["effect"] != best) for row in rows)))
    for each in (run, off):
        if guided.TAG not in each.tags:
            runs.annotate(engine.store, each.key, tags=[*each.tags, guided.TAG])


def register_embedded(engine: Engine) -> ModelInfo:
    """Register the model beside this file; a project folder that was moved takes the name along."""
    with contextlib.suppress(NotFound):
        if models.get(engine.store, MODEL).source != str(EMBEDDED):
            models.delete(engine.store, MODEL)
    return engine.register(MODEL, str(EMBEDDED))


def store_simulated(engine: Engine) -> datasets.DatasetInfo:
    """Simulate and store the embedded data set."""
    columns = simulate(seed=SEED)
    return datasets.insert(
        engine.store,
        DATASET,
        columns,
        kind="simulated",
        source=f"simulated, seed {SEED}",
        fingerprint=fingerprint(columns),
        report={
            "rows": {"made": len(columns.user)},
            "note": "Simulated: no real shopper or product is in it.",
        },
        simulated=True,
    )


def fingerprint(columns: datasets.DatasetColumns) -> str:
    """SHA-256 over the content of a data set's columns, equal on every machine."""
    sha = hashlib.sha256()
    sha.update(canonical_json([columns.item_ids, columns.titles, columns.user_ids]).encode())
    for array, kind in (
        (columns.user, "<i4"),
        (columns.item, "<i4"),
        (columns.timestamp, "<i8"),
        (columns.rating, "<f4"),
    ):
        sha.update(b"" if array is None else np.ascontiguousarray(array, kind).tobytes())
    return sha.hexdigest()
