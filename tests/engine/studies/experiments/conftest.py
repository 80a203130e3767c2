"""An engine with a toy data set and a tiny random model for experiments."""

from collections.abc import Callable
from pathlib import Path

import pytest

from db import datasets
from db.settings import Settings
from db.store import Store
from engine.context import Engine
from tests.toys import toy_columns


@pytest.fixture
def engine(store: Store, settings: Settings, model_folder: Callable[..., Path]) -> Engine:
    """`toy` with 12 users, and the model `tiny`."""
    columns = toy_columns(users=12, items=30, length=8)
    datasets.insert(store, "toy", columns, kind="generic", source="test", fingerprint="toy", report={})
    made = Engine(store, settings)
    made.register("tiny", str(model_folder("llama")))
    return made
