"""An engine with a toy data set and a tiny random model, and a report that can end the work."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from db import datasets
from db.settings import Settings
from db.store import Store
from engine.context import Engine
from tests.toys import toy_columns


class Reports:
    """Keeps what a study reports; `ends_after` reports it ends the work, as a kill would."""

    def __init__(self, ends_after: int | None = None) -> None:
        self.told: list[tuple[float, str]] = []
        self.partial: dict[str, Any] | None = None
        self.ends_after = ends_after

    def __call__(self, progress: float, message: str, partial: dict[str, Any] | None = None) -> None:
        self.told.append((progress, message))
        self.partial = partial or self.partial
        if len(self.told) == self.ends_after:
            raise KeyboardInterrupt


@pytest.fixture
def reports() -> type[Reports]:
    """Reports(ends_after)."""
    return Reports


@pytest.fixture
def engine(
    store: Store, settings: Settings, model_folder: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> Engine:
    """`toy` with times and `plain` without, and three names of one model; every report carries `partial`."""
    monkeypatch.setattr("engine.studies.checkpoint.REPORT_EVERY_S", 0.0)
    monkeypatch.setattr("engine.studies.checkpoint.REPORT_EVERY_S_PER_VALUE", 0.0)
    for name, timed in (("toy", True), ("plain", False)):
        columns = toy_columns(users=16, items=40, length=9, timestamps=timed)
        datasets.insert(store, name, columns, kind="test", source="t", fingerprint=name, report={})
    made = Engine(store, settings)
    folder = str(model_folder("llama"))
    for name in ("tiny", "tiny-single", "tiny-recicl"):
        made.register(name, folder)
    return made
