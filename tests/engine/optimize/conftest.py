"""An engine with a toy data set and a tiny random model, and what one user bought last as asked."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from db import datasets
from db.requests import OptimizeRequest
from db.settings import Settings
from db.store import Store
from engine.context import Engine
from tests.toys import toy_columns

Opened = Callable[..., Engine]


@pytest.fixture
def opened(store: Store, settings: Settings, model_folder: Callable[..., Path]) -> Opened:
    """opened(last=None, timestamps=True): `last` = what user u8 bought in the end."""

    def make(last: int | None = None, timestamps: bool = True) -> Engine:
        columns = toy_columns(users=20, items=30, length=8, timestamps=timestamps)
        if last is not None:
            columns.item[np.flatnonzero(columns.user == 8)[-1]] = last
        datasets.insert(store, "toy", columns, kind="generic", source="test", fingerprint="toy", report={})
        made = Engine(store, settings)
        made.register("tiny", str(model_folder("llama")))
        return made

    return make


@pytest.fixture
def asked() -> OptimizeRequest:
    return OptimizeRequest("toy", "u8", "tiny", size=3, pool=4, probes=8, steps=2)
