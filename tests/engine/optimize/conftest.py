"""An engine with a toy data set and a tiny random model, and what one user bought last as asked."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from db import datasets
from db.requests import OptimizeRequest
from db.settings import Settings
from db.store import Store
from engine.context import Engine
from engine.optimize import optimize
from tests.toys import toy_columns

Opened = Callable[..., Engine]


@dataclass(frozen=True)
class Optimized:
    """An engine, what an unguarded optimization gave on it, and what that reported. Do not change them."""

    engine: Engine
    result: dict[str, Any]
    reports: list[Any]


def stocked(store: Store, settings: Settings, folder: Path, last: int | None, timestamps: bool) -> Engine:
    columns = toy_columns(users=20, items=30, length=8, timestamps=timestamps)
    if last is not None:
        columns.item[np.flatnonzero(columns.user == 8)[-1]] = last
    datasets.insert(store, "toy", columns, kind="generic", source="test", fingerprint="toy", report={})
    engine = Engine(store, settings)
    engine.register("tiny", str(folder))
    return engine


@pytest.fixture
def opened(store: Store, settings: Settings, model_folder: Callable[..., Path]) -> Opened:
    """opened(last=None, timestamps=True): `last` = what user u8 bought in the end."""

    def make(last: int | None = None, timestamps: bool = True) -> Engine:
        return stocked(store, settings, model_folder("llama"), last, timestamps)

    return make


@pytest.fixture(scope="session")
def optimized(
    tmp_path_factory: pytest.TempPathFactory,
    lay_store: Callable[[Settings], None],
    saved_model: Callable[[str, str], Path],
    asked: OptimizeRequest,
) -> Iterator[Optimized]:
    """`asked` without a guard, done once: a random model's guard would leave nothing to look at."""
    home = tmp_path_factory.mktemp("optimize")
    apart = Settings(home=home, database_url=f"sqlite:///{home}/dualens.db", device="cpu", dtype="float32")
    lay_store(apart)
    reports: list[Any] = []
    with Store.open(apart) as store:
        engine = stocked(store, apart, saved_model("llama", "bpe"), None, True)
        done = optimize(engine, replace(asked, guard=False), lambda *said: reports.append(said))
        yield Optimized(engine, done.result, reports)


@pytest.fixture(scope="session")
def asked() -> OptimizeRequest:
    return OptimizeRequest("toy", "u8", "tiny", size=3, pool=4, probes=8, steps=2)
