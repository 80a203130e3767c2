"""Preference pairs: judged as ranking judges, blind to what evaluation asks for, written whole."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from db import datasets
from db.datasets import DatasetColumns
from db.errors import BadInput
from db.requests import Chosen, RunRequest
from db.settings import Settings
from db.store import Store
from engine.context import Engine
from engine.tasks.preference_pairs import QUESTION, export
from engine.tasks.rank import rank
from tests.toys import toy_columns

torch.set_num_threads(1)
LENGTH = 8
SIMPLE: dict[str, Any] = {"model": "tiny", "users": 4, "size": 2}


def made(settings: Settings, folder: Path, columns: DatasetColumns, home: str) -> Engine:
    place = settings.home.parent / home
    own = settings.model_copy(update={"home": place, "database_url": f"sqlite:///{place}/d.db"})
    store = Store.open(own)
    datasets.insert(store, "toy", columns, kind="generic", source="test", fingerprint="toy", report={})
    engine = Engine(store, own)
    engine.register("tiny", str(folder))
    return engine


@pytest.fixture
def engine(settings: Settings, model_folder: Callable[..., Path]) -> Engine:
    return made(settings, model_folder("llama"), toy_columns(users=12, items=30, length=LENGTH), "one")


def written(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_a_pair_is_judged_as_ranking_judges_it(engine: Engine, tmp_path: Path) -> None:
    done = export(engine, "toy", tmp_path / "pairs.jsonl", **SIMPLE)
    rows = written(tmp_path / "pairs.jsonl")
    assert done["pairs"] == len(rows) > 0
    for row in rows:
        assert row["chosen_log_likelihood"] > row["rejected_log_likelihood"]
        assert row["chosen"] != row["rejected"]
        for kind in ("chosen", "rejected"):
            found = demonstrations_of(engine, row, row[f"{kind}_ids"])
            assert -found["loss"] == pytest.approx(row[f"{kind}_log_likelihood"], abs=1e-4)
            assert "".join(demo["text"] for demo in found["demonstrations"]) == row[kind]
            assert found["target"]["item"] == row["probe"]
            titles = [one["title"] for one in found["history"]]
            assert row["prompt"] == "Bought:\n" + "".join(f"- {t}\n" for t in titles) + f"\n{QUESTION}"
        assert -found["loss_zero_shot"] == pytest.approx(row["zero_shot_log_likelihood"], abs=1e-4)


def demonstrations_of(engine: Engine, row: dict[str, Any], ids: list[str]) -> dict[str, Any]:
    """The run of the probe with exactly these demonstrations."""
    request = RunRequest("toy", row["user"], model="tiny", scoring="sum", target="probe", candidates=5)
    return rank(engine, replace(request, demonstrations=tuple(Chosen(i) for i in ids))).result


def test_what_evaluation_asks_for_is_never_read(
    settings: Settings, model_folder: Callable[..., Path], tmp_path: Path
) -> None:
    """Everybody's last purchase is another one: the very same lines."""
    columns = toy_columns(users=12, items=30, length=LENGTH, timestamps=False)
    last = np.tile(np.arange(LENGTH) == LENGTH - 1, 12)
    changed = replace(columns, item=np.where(last, (columns.item + 11) % 30, columns.item).astype(np.int32))
    folder = model_folder("llama")
    for name, data in (("one", columns), ("two", changed)):
        export(made(settings, folder, data, name), "toy", tmp_path / f"{name}.jsonl", **SIMPLE)
    assert (tmp_path / "one.jsonl").read_bytes() == (tmp_path / "two.jsonl").read_bytes()
    before = np.tile(np.arange(LENGTH) == LENGTH - 3, 12)  # what is known does count
    other = replace(columns, item=np.where(before, (columns.item + 11) % 30, columns.item).astype(np.int32))
    export(made(settings, folder, other, "three"), "toy", tmp_path / "three.jsonl", **SIMPLE)
    assert (tmp_path / "one.jsonl").read_bytes() != (tmp_path / "three.jsonl").read_bytes()


def test_a_stopped_export_leaves_the_file_as_it_was(engine: Engine, tmp_path: Path) -> None:
    out = tmp_path / "pairs.jsonl"
    out.write_text("kept\n")

    def stop(share: float, text: str) -> None:
        if share > 0.4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export(engine, "toy", out, report=stop, **SIMPLE)
    assert out.read_text() == "kept\n"
    assert [path.name for path in tmp_path.iterdir() if "jsonl" in path.name] == ["pairs.jsonl"]


def test_a_folder_is_no_file(engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="is a folder"):
        export(engine, "toy", tmp_path, **SIMPLE)


@pytest.mark.parametrize("wrong", [{"users": 0}, {"size": 0}])
def test_senseless_sizes_are_refused(engine: Engine, tmp_path: Path, wrong: dict[str, int]) -> None:
    with pytest.raises(BadInput, match="at least 1"):
        export(engine, "toy", tmp_path / "x", **{**SIMPLE, **wrong})
