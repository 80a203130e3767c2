"""What a report gives as commands: they run, and they lead to the numbers that the report shows."""

import shlex
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

import dualens
from dashboard.report import facts, kinds
from db import jobs, runs
from db.choices import STUDIES
from db.requests import Chosen, RunRequest, StudyRequest
from db.requests.fields import described
from db.requests.written import options
from db.store import Store
from engine.__main__ import app as engine_app
from engine.commands.options import takes
from engine.context import Engine
from engine.tasks.effects import effects
from engine.tasks.rank import rank
from tests.support.command_line import text_of, workspace
from tests.test_every_field import other

ASKED = RunRequest("toy", "u8", "tiny", demos="neighbours:2", candidates=6)


@pytest.fixture
def store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model_folder: Callable[..., Path]
) -> Iterator[Store]:
    """A workspace with a toy data set and a tiny model."""
    workspace(monkeypatch, tmp_path / "home")
    text_of(engine_app, "models", "--add", str(model_folder("llama")), "--name", "tiny")
    with Store.open() as opened:
        yield opened


def run_all(commands: tuple[str, ...], folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every command, as a shell in this folder would run it."""
    monkeypatch.chdir(folder)
    app = dualens.command_line()
    for each in commands:
        words = shlex.split(each, comments=True)
        if words:
            assert words[0] == "dualens"
            result = CliRunner().invoke(app, words[1:], catch_exceptions=False)
            assert result.exit_code == 0, (each, result.output)


@pytest.mark.parametrize("how", [{}, {"seed": 3, "history": 2, "scoring": "mean", "demos": "bm25:1"}])
def test_the_commands_of_a_run_find_it(
    store: Store, how: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Engine(store, store.settings)
    first = rank(engine, replace(ASKED, **how))
    effects(engine, first.request, leave_one_out=True, mode="direct")
    found = kinds.story(store, [first.key])
    before = len(runs.effects(store, first.key))
    run_all(found.commands, tmp_path, monkeypatch)
    assert [each.key for each in runs.listing(store)] == [first.key], "the same run was found"
    assert len(runs.effects(store, first.key)) == before, "and its effects"
    assert (tmp_path / "report.html").read_text(encoding="utf-8").startswith("<!doctype html>")


def test_the_commands_of_a_comparison_with_weights_by_hand(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Engine(store, store.settings)
    first = rank(engine, ASKED)
    chosen = tuple(Chosen(view["id"], 0.5) for view in first.result["demonstrations"])
    second = rank(engine, replace(ASKED, demonstrations=chosen))
    run_all(kinds.story(store, [first.key, second.key]).commands, tmp_path, monkeypatch)
    assert {each.key for each in runs.listing(store)} == {first.key, second.key}


def test_the_commands_of_a_study_find_it(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("--users", "3", "--k", "1", "--only", "none,bm25", "--candidates", "5", "--seed", "2")
    said = text_of(dualens.command_line(), "study", "strategies", "-d", "toy", "-m", "tiny", *words)
    [job] = jobs.listing(store, kinds=["study"])
    assert f"Stored as study {job.id}" in said
    found = kinds.story(store, [str(job.id)])
    run_all(found.commands, tmp_path, monkeypatch)
    asked = [each.payload for each in jobs.listing(store, kinds=["study"])]
    assert all(each == job.payload for each in asked), "the same study was asked for"


@pytest.mark.parametrize("field", described(RunRequest), ids=lambda field: field.name)
def test_every_field_of_a_run_is_written_as_its_command_reads_it(
    field: Any, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    value = other(field)
    more = {"demos": "neighbours:4"} if field.name == "weights" else {}
    asked = RunRequest(**{"dataset": "toy", "user": "u8", **more, field.name: value})
    assert read_back(RunRequest, options(asked, {"dataset": ""})) == asked


@pytest.mark.parametrize("study", STUDIES)
def test_every_field_of_a_study_is_written_as_its_command_reads_it(study: str) -> None:
    row = STUDIES[study]
    asked = StudyRequest(study=study, dataset="toy", users=row.users, tune="tune" in row.asks)
    for field in described(StudyRequest):
        if field.name in (*row.asks, "users", "seed", "model"):
            changed = replace(asked, **{field.name: other(field)})
            words = shlex.split(facts.study_again(changed))[3:]
            fields = ("dataset", "model", "users", *row.asks, "seed")
            defaults = {"study": study, "users": row.users, **({"tune": True} if "tune" in row.asks else {})}
            assert read_back(StudyRequest, words, *fields, **defaults) == changed, field.name


def read_back(request: type, words: list[str], *fields: str, **defaults: Any) -> Any:
    """The request that a command of these options makes of the words."""
    found: list[Any] = []
    app = typer.Typer()

    @app.command()
    @takes(request, *fields, **defaults)
    def command(asked: Any) -> None:
        found.append(asked)

    result = CliRunner().invoke(app, words, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return found[0]
