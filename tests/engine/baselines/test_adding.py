"""A new baseline is one file and one row of `db.choices`; then it is listed, fitted, kept and ranked."""

from pathlib import Path

import pytest

from db.choices import BASELINES, Choice
from db.settings import Settings
from db.store import Store
from docs.scripts import generate
from engine import baselines
from engine.baselines.ranks import run_baseline
from engine.commands import baselines as command
from tests.engine.baselines.shop import cycle_columns, stored
from tests.support.adding import add_file, fresh
from tests.support.command_line import json_of, text_of, workspace

TOY = '''"""Toy baseline: the item with the highest number comes next."""

import numpy as np

from engine.data.kept import Kept

LEARNS = "titles"


class Toy:
    def scores(self, history, candidates, before=None):
        return np.array(candidates, dtype=np.float64)

    def kept(self):
        return Kept({"none": np.zeros(1)}, {})


def fit(job):
    return Toy()


def rebuilt(kept):
    return Toy()
'''


@pytest.fixture(autouse=True)
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one file and the one row."""
    add_file(monkeypatch, tmp_path / "baselines", baselines, TOY)
    monkeypatch.setitem(BASELINES, "toy", Choice("toy", "Toy", "The item with the highest number"))


def test_the_command_ranks_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace(monkeypatch, tmp_path / "home")
    report = json_of(fresh(command).app, "--kind", "toy", "-d", "toy", "--users", "6", "--candidates", "8")
    assert (report["kind"], report["users"], report["loaded"]) == ("toy", 6, False)
    assert len(report["ranks"]) == 6
    assert all(1 <= rank <= 8 for rank in report["ranks"].values())
    assert report["fitted_on"] == "the catalogue's titles"


def test_a_kept_one_is_loaded_and_ranks_the_same(store: Store, tmp_path: Path) -> None:
    stored(store, cycle_columns(20))
    settings = Settings(home=tmp_path / "kept")
    first, second = (run_baseline(store, "shop", "toy", 6, candidates=8, settings=settings) for _ in range(2))
    assert (first["loaded"], second["loaded"]) == (False, True)
    assert first["ranks"] == second["ranks"]


def test_help_and_documentation_list_it() -> None:
    assert "toy" in text_of(fresh(command).app, "--help")
    assert "| `toy` | Toy | The item with the highest number |" in generate.choices()
