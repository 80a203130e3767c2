"""`dualens study`: both studies as JSON for scripts and as tables for people."""

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from db import datasets, jobs
from db.store import Store
from engine import __main__ as cli
from engine import stopping
from engine.baselines import sasrec
from engine.baselines.sasrec_training import Recipe
from engine.studies import plan
from tests.toys import toy_columns

SMALL = ["--users", "3", "--periods", "4", "--cut", "2", "--demos", "neighbours:1", "-c", "6"]
BARE = {"recicl": ["--no-tune"], "drift": []}


@pytest.fixture
def call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model_folder: Callable[..., Path]
) -> Callable[..., Result]:
    """Run `study` in a workspace with a toy data set and a tiny model, named by its folder."""
    monkeypatch.setenv("DUALENS_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("DUALENS_DATABASE_URL", raising=False)
    monkeypatch.setenv("DUALENS_DEVICE", "cpu")
    monkeypatch.setattr(
        sasrec,
        "Recipe",
        lambda loss, seed: Recipe(loss=loss, seed=seed, width=8, blocks=1, epochs=2, steps=1),
    )
    with Store.open() as store:
        columns = toy_columns(users=12, items=30, length=8)
        datasets.insert(store, "toy", columns, kind="generic", source="t", fingerprint="toy", report={})
    model = str(model_folder("llama"))

    def run(name: str, *words: str) -> Result:
        return CliRunner().invoke(
            cli.app, ["study", name, "-d", "toy", "-m", model, *SMALL, *BARE[name], *words]
        )

    return run


@pytest.fixture
def plain(call: Callable[..., Result], model_folder: Callable[..., Path]) -> Callable[..., Result]:
    """Run `study` with these words, in the workspace of `call`."""
    model = str(model_folder("llama"))
    return lambda name, *words: CliRunner().invoke(cli.app, ["study", name, "-d", "toy", "-m", model, *words])


def test_the_table_as_json_and_for_people(call: Callable[..., Result]) -> None:
    found = json.loads(call("recicl", "--json").stdout)
    assert [(cell["row"], cell["column"]) for cell in found["cells"]][:3] == [
        ("base", "zero_shot"),
        ("base", "stale"),
        ("base", "fresh"),
    ]
    assert found["request"]["users"] == 3
    shown = call("recicl").stdout
    assert "NDCG@10" in shown
    assert found["claim"] in " ".join(shown.split())
    said = found["controls"]["said"]
    assert said
    assert all(sentence in " ".join(shown.split()) for sentence in said), "what the model adds to controls"


def test_the_drift_as_json_and_for_people(call: Callable[..., Result]) -> None:
    found = json.loads(call("drift", "--json").stdout)
    assert [point["period"] for point in found["series"][0]["points"]] == [2, 3]
    shown = call("drift").stdout
    assert all(each["label"] in shown for each in found["series"])


def test_a_study_is_a_job_whose_result_the_store_keeps(call: Callable[..., Result]) -> None:
    found = json.loads(call("recicl", "--json").stdout)
    with Store.open() as store:
        [job] = jobs.listing(store, kinds=["study"])
    assert (job.state, job.result) == (jobs.COMPLETED, found)
    assert job.payload == found["request"]


def test_a_stopped_study_goes_on_by_the_same_command(
    call: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.studies.checkpoint.REPORT_EVERY_S", 0.0)
    whole = json.loads(call("recicl", "--json").stdout)
    scores, asked = plan.scores, []

    def stopped(*given: Any) -> Any:
        asked.append(1)
        if len(asked) == 3:
            raise stopping.Ended(signal.SIGINT)
        return scores(*given)

    monkeypatch.setattr(plan, "scores", stopped)
    with pytest.raises(stopping.Ended, match="Run the same command again"):
        call("recicl", "--users", "4")
    assert len(asked) == 3
    again = json.loads(call("recicl", "--users", "4", "--json").stdout)
    assert len(asked) in (4, 5)  # the one it was stopped in may have been lost
    assert again["users"] == whole["users"] + 1


def test_strategies_as_json_and_for_people(plain: Callable[..., Result]) -> None:
    words = ["strategies", "--users", "3", "--k", "2", "--only", "none,bm25,random", "-c", "6"]
    found = json.loads(plain(*words, "--json").stdout)
    assert found["order"] == ["none", "random", "bm25"]
    assert (found["k"], found["users"], found["request"]["only"]) == (2, 3, ["none", "bm25", "random"])
    assert found["strategies"]["bm25"]["p_random"] is not None
    shown = plain(*words).stdout
    lines = [line.split()[0] for line in shown.splitlines() if line.strip()]
    assert lines[1:4] == found["order"]
    assert found["claim"] in " ".join(shown.split())
    assert "only: expected some of none, random" in str(plain("strategies", "--only", "none,magic").exception)


def test_faithfulness_as_json_and_for_people(plain: Callable[..., Result]) -> None:
    words = ["faithfulness", "--users", "3", "--k", "2", "--demos", "random"]
    found = json.loads(plain(*words, "--json").stdout)
    assert (found["k"], found["request"]["demos"]) == (2, "random:2")
    shown = " ".join(plain(*words).stdout.split())
    assert all(each["label"] in shown for each in found["scores"].values())
    assert found["claim"] in shown
    row = found["bars"][0]
    assert row["verdict"] == "not sure", "of three users"
    assert f"{row['verdict']} {row['what'][:24]}" in shown
    assert "effects against leave-one-out by reprompt" in shown


@pytest.mark.parametrize("name", ["recicl", "drift", "strategies", "faithfulness"])
def test_help_has_an_example(name: str) -> None:
    shown = CliRunner().invoke(cli.app, ["study", name, "--help"]).output
    assert f"Example: dualens study {name}" in " ".join(shown.split())
