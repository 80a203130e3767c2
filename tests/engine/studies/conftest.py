"""An engine with a toy data set and a tiny random model, and a report that can end the work."""

from collections.abc import Callable, Iterator
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


def stocked(store: Store, settings: Settings, folder: Path) -> Engine:
    """`toy` with times and `plain` without, and three names of one model."""
    for name, timed in (("toy", True), ("plain", False)):
        columns = toy_columns(users=16, items=40, length=9, timestamps=timed)
        datasets.insert(store, name, columns, kind="test", source="t", fingerprint=name, report={})
    engine = Engine(store, settings)
    for name in ("tiny", "tiny-single", "tiny-recicl"):
        engine.register(name, str(folder))
    return engine


@pytest.fixture
def engine(
    store: Store, settings: Settings, model_folder: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> Engine:
    """A stocked engine of this test alone; every report carries `partial`."""
    monkeypatch.setattr("engine.studies.checkpoint.REPORT_EVERY_S", 0.0)
    monkeypatch.setattr("engine.studies.checkpoint.REPORT_EVERY_S_PER_VALUE", 0.0)
    return stocked(store, settings, model_folder("llama"))


@pytest.fixture(scope="module")
def whole_study(
    tmp_path_factory: pytest.TempPathFactory,
    lay_store: Callable[[Settings], None],
    saved_model: Callable[[str, str], Path],
) -> Iterator[Callable[..., tuple[dict[str, Any], Reports]]]:
    """`whole_study(study, payload)`: result and reports of an uninterrupted study, in a store of its own.

    Done once for the module. Do not change what it returns.
    """
    home = tmp_path_factory.mktemp("studies")
    apart = Settings(home=home, database_url=f"sqlite:///{home}/dualens.db", device="cpu", dtype="float32")
    lay_store(apart)
    done: dict[Callable[..., dict[str, Any]], tuple[dict[str, Any], Reports]] = {}
    with Store.open(apart) as store, pytest.MonkeyPatch.context() as patch:
        engine = stocked(store, apart, saved_model("llama", "bpe"))

        def measured(study: Callable[..., dict[str, Any]], payload: dict[str, Any]) -> Any:
            if study not in done:
                reports = Reports()
                patch.setattr("engine.studies.checkpoint.REPORT_EVERY_S", 0.0)
                patch.setattr("engine.studies.checkpoint.REPORT_EVERY_S_PER_VALUE", 0.0)
                done[study] = (study(engine, payload, reports), reports)
                patch.undo()
            return done[study]

        yield measured
