"""A new study is one file and one row of `db.choices`; then it is a command with its options, and listed."""

from pathlib import Path

import pytest

from db import jobs
from db.choices import STUDIES, StudyChoice
from db.store import Store
from docs.scripts import generate
from engine import studies
from engine.commands import studies as command
from engine.registry import implementation
from tests.support import command_line
from tests.support.adding import add_file, fresh
from tests.support.command_line import json_of, text_of

TOY = '''"""Toy study: how many users there are for each demonstration."""

from db import datasets


def run(engine, request, report, before=None):
    users = datasets.get(engine.store, request.dataset).users
    report(0.5, "counting")
    claim = f"{users / request.k:g} users for each of {request.k}."
    return {"users": users, "claim": claim, "notes": ["A toy."], "seconds": 0.0, "asked": request.to_json()}


def tables(result):
    return [(["users", "asked"], [[result["users"], result["asked"]["users"]]])]
'''


@pytest.fixture(autouse=True)
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one file, the one row, and a workspace to study."""
    add_file(monkeypatch, tmp_path / "studies", studies, TOY)
    row = StudyChoice("toy", "Toy: how many?", "Users for each demonstration", asks=("k",), users=77)
    monkeypatch.setitem(STUDIES, "toy", row)
    command_line.workspace(monkeypatch, tmp_path / "home")


def test_the_command_asks_what_the_row_says_and_prints_its_tables() -> None:
    app = fresh(command).app
    result = json_of(app, "study", "toy", "-d", "toy", "--k", "3")
    assert (result["claim"], result["asked"]["users"]) == ("4 users for each of 3.", 77)
    printed = text_of(app, "study", "toy", "-d", "toy", "--k", "3").split("\n")
    assert [line.split() for line in printed[:2]] == [["users", "asked"], ["12", "77"]]
    assert printed[2:5] == ["4 users for each of 3.", "note: A toy.", "12 users, 0 s of work"]


def test_it_is_a_job_like_every_study() -> None:
    result = json_of(fresh(command).app, "study", "toy", "-d", "toy")
    with Store.open() as store:
        [job] = jobs.listing(store, kinds=["study"])
    assert (job.payload, job.result) == (result["asked"], result)


def test_help_and_documentation_list_it() -> None:
    app = fresh(command).app
    assert "Users for each demonstration." in text_of(app, "study", "--help")
    options = text_of(app, "study", "toy", "--help")
    assert "--k" in options
    assert "Example: dualens study toy -d simulated --users 77 --json" in options
    assert "--periods" not in options
    assert "| `toy` | Toy: how many? | Users for each demonstration |" in generate.choices()


@pytest.mark.parametrize("name", [name for name in STUDIES if name != "toy"])
def test_every_row_has_its_file(name: str) -> None:
    module = implementation("engine.studies", STUDIES[name])
    assert callable(module.run)
    assert callable(module.tables)
