"""The commands `experiment ...`, in this process."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from db.settings import Settings
from db.store import Store
from engine.__main__ import app
from engine.context import Engine
from engine.tasks.setup import register_embedded, store_simulated

EXAMPLE = Path(__file__).parents[3] / "docs" / "examples" / "simulated.yaml"
SMALL = ("--users", "3", "--draws", "1", "--candidates", "5")


@pytest.fixture
def workspace(settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    """The simulated store and the embedded model, for commands to find."""
    monkeypatch.setenv("DUALENS_HOME", str(settings.home))
    monkeypatch.setenv("DUALENS_DATABASE_URL", settings.database_url)
    engine = Engine(store, settings)
    store_simulated(engine)
    register_embedded(engine)
    return store


def called(*words: str, ok: bool = True) -> str:
    found = CliRunner().invoke(app, ["experiment", *words])
    assert (found.exit_code == 0) is ok, found.output
    return found.stdout if ok else f"{found.output}{found.exception}"


def test_the_example_runs_and_names_its_correction(workspace: Store, tmp_path: Path) -> None:
    result = json.loads(called("run", str(EXAMPLE), "--json", *SMALL))
    assert result["correction"] == "Holm"
    assert [row["key"] for row in result["rows"]] == [
        "none",
        "random:4",
        "neighbours:4",
        "copy(random:4)",
        "copy(neighbours:4)",
        "popularity",
        "itemknn",
    ]
    assert result["users"] == 3
    number = str(result["experiment"])
    assert json.loads(called("show", number, "--json"))["rows"] == result["rows"]
    assert "No experiment of" in called("show", str(EXAMPLE), ok=False), "this one has other users"
    again = tmp_path / "again.yaml"
    called("export", number, "--out", str(again))
    assert json.loads(called("show", str(again), "--json"))["rows"] == result["rows"]
    anew = json.loads(called("run", str(again), "--json"))
    assert (anew["rows"], anew["comparisons"]) == (result["rows"], result["comparisons"])
    listed = json.loads(called("list", "--json"))["experiments"]
    assert {row["state"] for row in listed} == {"completed"}
    shown = called("show", number)
    assert "copy the answers" in shown
    assert "Holm" in shown


def test_options_replace_the_fields_of_a_file(workspace: Store, tmp_path: Path) -> None:
    out = tmp_path / "planned.yaml"
    words = ("plan", str(EXAMPLE), *SMALL, "--demos", "none", "--units", "0", "--out", str(out), "--json")
    planned = json.loads(called(*words))
    assert (planned["users"], planned["stored"]) == (3, 0)
    assert [row["key"] for row in planned["rows"]] == ["none", "popularity", "itemknn"]
    assert "users: 3" in out.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("run", "missing.yaml"), "missing.yaml cannot be read"),
        (("run", "--demos", "magic:4"), "unknown strategy"),
        (("run", "--history", "a,b"), "numbers separated by commas"),
        (("show", "99"), "no job 99"),
        (("plan", "--units", "0", "--out", "missing/folder/mine.yaml"), "cannot be written"),
        (("run", "--ray-actors", "2"), "are about a cluster"),
    ],
)
def test_refusals_say_what_to_correct(workspace: Store, words: tuple[str, ...], complaint: str) -> None:
    assert complaint in called(*words, ok=False)


def test_a_gate_ends_with_its_verdict(workspace: Store) -> None:
    small = ("--users", "8", "--draws", "1", "--json")
    ran = json.loads(called("run", str(EXAMPLE), *small))
    [mean] = [row["measures"]["ndcg10"]["mean"] for row in ran["rows"] if row["key"] == "random:4"]
    for bars, status in (
        (("--min-ndcg", "0"), 0),
        (("--stored", str(ran["experiment"]), "--max-drop", "0"), 0),
        (("--min-ndcg", "1"), 1),
        (("--min-ndcg", str(mean)), 2),  # part of the interval is below it
    ):
        words = ["experiment", "gate", str(EXAMPLE), *small, "--row", "random:4", *bars]
        found = CliRunner().invoke(app, words)
        assert found.exit_code == json.loads(found.stdout)["exit_code"] == status, bars
    assert "name a bar" in called("gate", str(EXAMPLE), *small, "--row", "random:4", ok=False)
