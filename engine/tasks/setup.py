"""A workspace with something to see: the simulated store, the embedded model and one first run."""

import contextlib
import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np

from db import datasets, models
from db.canonical import canonical_json
from db.errors import NotFound
from db.models import ModelInfo
from db.requests import RunRequest
from engine.context import EMBEDDED, Engine
from engine.data.simulated import simulate
from engine.tasks.effects import effects

DATASET, MODEL = "simulated", "embedded"
SEED = 0  # of the simulated store
# The user of the first run: taken for showing much at a glance (two of four demonstrations carry the answer),
# not for being typical. What is typical, `engine.tuning.evaluate_embedded` measures.
FIRST_RUN_SEED, FIRST_RUN_LENGTH = 8, 10


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
    user = datasets.random_user(store, info.id, FIRST_RUN_SEED, FIRST_RUN_LENGTH)
    request = RunRequest(dataset=DATASET, user=user.user_id, model=MODEL)
    run, _ = effects(engine, request, leave_one_out=True)
    tell(f"First run: user {user.user_id}, {'already there' if run.cached else 'stored'} ({run.key[:12]}).")
    return {"dataset": DATASET, "model": MODEL, "user": user.user_id, "run": run.key}


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
