"""A shop of thirty items and a tiny model, and a request with demonstrations."""

from collections.abc import Callable
from pathlib import Path

import pytest

from db import datasets
from db.requests import RunRequest
from db.settings import Settings
from db.store import Store
from engine.context import Engine
from tests.toys import toy_columns


@pytest.fixture
def engine(store: Store, settings: Settings, model_folder: Callable[..., Path]) -> Engine:
    columns = toy_columns(users=12, items=30, length=8)
    datasets.insert(store, "toy", columns, kind="generic", source="test", fingerprint="toy", report={})
    made = Engine(store, settings)
    made.register("tiny", str(model_folder("llama")))
    return made


@pytest.fixture
def request_() -> RunRequest:
    return RunRequest(dataset="toy", user="u8", model="tiny", demos="neighbours:3", candidates=6)
