"""A new baseline is one file and one row of `db.choices`; then it is listed, fitted, kept and ranked."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest
from typer.testing import CliRunner

from db.choices import BASELINES, Choice
from db.settings import Settings
from db.store import Store
from docs.scripts import generate
from engine import baselines
from engine.baselines.ranks import run_baseline
from engine.commands import baselines as command
from tests.engine.baselines.shop import cycle_columns, stored

TOY = '''"""Toy baseline: the item with the highest number comes next."""

import numpy as np

from engine.baselines import saved

LEARNS = "titles"


class Toy:
    def scores(self, history, candidates, before=None):
        return np.array(candidates, dtype=np.float64)

    def save(self, path):
        saved.write(path, {"none": np.zeros(1)}, {"kind": "toy"})


def fit(job):
    return Toy()


def load(path):
    saved.read(path, "toy")
    return Toy()
'''
ASKED = ("--users", "6", "--candidates", "8", "--json")


@pytest.fixture(autouse=True)
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one file and the one row."""
    folder = tmp_path / "baselines"
    folder.mkdir()
    (folder / "toy.py").write_text(TOY)
    monkeypatch.setattr(baselines, "__path__", [*baselines.__path__, str(folder)])
    monkeypatch.setitem(BASELINES, "toy", Choice("toy", "Toy", "The item with the highest number"))


def fresh(module: ModuleType) -> ModuleType:
    """The module as another process would import it now."""
    assert module.__spec__ is not None
    assert module.__spec__.loader is not None
    copy = importlib.util.module_from_spec(module.__spec__)
    module.__spec__.loader.exec_module(copy)
    return copy


def test_the_command_ranks_with_it(store: Store, settings: Settings) -> None:
    stored(store, cycle_columns(20))
    workspace = {"DUALENS_HOME": str(settings.home), "DUALENS_DATABASE_URL": settings.database_url}
    done = CliRunner().invoke(fresh(command).app, ["--kind", "toy", "-d", "shop", *ASKED], env=workspace)
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert (report["kind"], report["users"], report["loaded"]) == ("toy", 6, False)
    assert len(report["ranks"]) == 6
    assert all(1 <= rank <= 8 for rank in report["ranks"].values())
    assert report["fitted_on"] == "the catalogue's titles"


def test_a_kept_one_is_loaded_and_ranks_the_same(store: Store, tmp_path: Path) -> None:
    stored(store, cycle_columns(20))
    folder = tmp_path / "kept"
    first, second = (run_baseline(store, "shop", "toy", 6, candidates=8, folder=folder) for _ in range(2))
    assert (first["loaded"], second["loaded"]) == (False, True)
    assert first["ranks"] == second["ranks"]


def test_help_and_documentation_list_it() -> None:
    shown = CliRunner().invoke(fresh(command).app, ["--help"], env={"COLUMNS": "200"})
    assert "sasrec-scaled|toy" in shown.output
    assert "| `toy` | Toy | The item with the highest number |" in generate.choices()
