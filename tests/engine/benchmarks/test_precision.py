"""Lists in bfloat16 against lists in float32, on a toy data set."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from scipy.stats import kendalltau

from db import datasets
from db.requests import RunRequest
from db.settings import Settings
from db.store import Store
from engine.benchmarks import precision as module
from engine.context import Engine
from engine.evaluation.users import drawn_users
from engine.llm.loading.load import load
from engine.tasks.rank import rank
from tests.toys import toy_columns


def test_both_formats_rank_the_same_users_and_tau_is_that_of_their_runs(
    store: Store, settings: Settings, model_folder: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    columns = toy_columns(users=12, items=30, length=8)
    datasets.insert(store, "toy", columns, kind="generic", source="test", fingerprint="toy", report={})
    engine = Engine(store, settings)
    folder = str(model_folder("llama"))
    engine.register("tiny", folder)
    loaded: list[torch.dtype] = []

    def noted(*given: object) -> object:
        model = load(*given)  # type: ignore[arg-type]
        loaded.append(model.dtype)
        return model

    monkeypatch.setattr(module, "load", noted)
    said: list[str] = []
    found = module.precision(engine, "toy", "tiny", "bm25:2", "yes_no", 4, 0, said.append)
    assert loaded == [torch.float32, torch.bfloat16]
    assert found["users"] == 4
    assert sum("Ranking user" in line for line in said) == 4
    rows = {row["measure"]: row for row in found["rows"]}
    taus = []
    for user in drawn_users(columns, 4, 0):
        request = RunRequest("toy", user, "tiny", demos="bm25:2", scoring="yes_no")
        lists = [
            {item["item"]: item["score"] for item in rank(made, request).result["items"]}
            for made in (engine, Engine(store, settings_in(settings, "bfloat16")))
        ]
        taus.append(
            kendalltau(*zip(*[(lists[0][item], lists[1][item]) for item in lists[0]], strict=True))[0]
        )
    assert rows["Kendall tau of the lists"]["mean"] == pytest.approx(sum(taus) / 4, abs=0.02)
    (bar,) = found["bars"]
    assert bar["holds"] == (rows["Kendall tau of the lists"]["mean"] >= module.AGREES)


def settings_in(settings: Settings, dtype: str) -> Settings:
    return Settings(home=settings.home, database_url=settings.database_url, device="cpu", dtype=dtype)
