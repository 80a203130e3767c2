"""The commands `sets ...`: from a run to a shared set, to a file and back, and errors that change nothing."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from db import datasets, sets
from db.store import Store
from engine import __main__ as cli
from tests.support.command_line import json_of, text_of, workspace

ON = ("-d", "toy")
RANK = ("rank", *ON, "-m", "tiny", "--candidates", "6")


@pytest.fixture
def shop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model_folder: Callable[..., Path]
) -> dict[str, Any]:
    """A workspace with a toy data set, a tiny model and a run of user u8; the run."""
    workspace(monkeypatch, tmp_path / "home")
    json_of(cli.app, "models", "--add", str(model_folder("llama")), "--name", "tiny")
    return json_of(cli.app, *RANK, "-u", "u8", "--demos", "neighbours:3", "--weights", "1,0.5,2")


def ask(*words: str) -> Any:
    return json_of(cli.app, "sets", *words)


def failed(*words: str) -> str:
    """What a command that fails says."""
    with pytest.raises(Exception) as told:
        CliRunner().invoke(cli.app, ["sets", *words], catch_exceptions=False)
    return str(told.value)


def names() -> list[str]:
    with Store.open() as store:
        return [kept.name for kept in sets.listing(store, datasets.get(store, "toy").id)]


def test_from_a_run_to_a_shared_set_and_its_gains(shop: dict[str, Any]) -> None:
    saved = ask("save", "best", "--run", shop["run"][:8], "--shared", "--lock", "3", "--note", "three")
    assert (saved["user"], saved["demonstrations"], saved["locked"]) == (None, 3, 1)
    run = json_of(cli.app, *RANK, "-u", "u9", "--demos", "set:best")
    assert (run["set"]["name"], run["set"]["digest"]) == ("best", saved["digest"])
    view = ask("show", "best", *ON)
    assert [member["weight"] for member in view["members"]] == [1.0, 0.5, 2.0]
    assert [member["locked"] for member in view["members"]] == [False, False, True]
    assert set(view["runs"]) == {shop["run"], run["run"]}, "the run it came from used it too"
    [gain] = view["gains"]
    assert (gain["model"], gain["runs"], gain["users"]) == ("tiny", 2, 2)
    assert isinstance(gain["margin"], float)
    assert isinstance(gain["ndcg10"], float)
    text = text_of(cli.app, "sets", "show", "best", *ON)
    assert "shared by all users of toy" in text
    assert "locked" in text
    assert "margin (nats)" in text
    [row] = ask("list", *ON)["sets"]
    assert (row["set"], row["note"], row["user"]) == ("best", "three", None)


def test_a_sets_life(shop: dict[str, Any]) -> None:
    ask("save", "one", "--run", shop["run"])
    assert ask("list", *ON)["sets"][0]["user"] == "u8"
    ids = [demo["id"] for demo in shop["demonstrations"]]
    ask("duplicate", "one", "two", *ON)
    ask("save", "two", "--demonstrations", f"{ids[2]},{ids[0]}*3", *ON, "-u", "u9")
    found = ask("diff", "one", "two", *ON)
    assert (found["only_one"], found["only_other"]) == ([ids[1]], [])
    assert found["weighted"] == [[ids[0], 1.0, 3.0], [ids[2], 2.0, 1.0]]
    assert [name for name, *_ in found["moved"]] == [ids[0], ids[2]]
    assert "weight 1 -> 3" in text_of(cli.app, "sets", "diff", "one", "two", *ON)
    assert len(ask("show", "two", *ON)["versions"]) == 2
    assert ask("share", "two", *ON)["user"] is None
    assert ask("share", "two", *ON, "-u", "u3")["user"] == "u3"
    assert ask("rename", "two", "three", *ON)["set"] == "three"
    assert names() == ["one", "three"]
    assert "dualens sets restore 'three'" in text_of(cli.app, "sets", "delete", "three", *ON)
    assert [row["set"] for row in ask("list", *ON, "--deleted")["sets"]] == ["three"]
    ask("restore", "three", *ON)
    assert names() == ["one", "three"]


def test_a_file_brings_the_same_set_back(shop: dict[str, Any], tmp_path: Path) -> None:
    saved = ask("save", "best", "--run", shop["run"], "--lock", "1", "--note", "why")
    before = ask("show", "best", *ON)["members"]
    file = tmp_path / "best.json"
    text_of(cli.app, "sets", "export", "best", *ON, "--out", str(file))
    assert json.loads(text_of(cli.app, "sets", "export", "best", *ON)) == json.loads(file.read_text())
    ask("delete", "best", *ON)
    back = ask("import", str(file), *ON)
    assert (back["digest"], back["user"], back["note"]) == (saved["digest"], "u8", "why")
    assert ask("show", "best", *ON)["members"] == before
    assert "'best' already" in failed("import", str(file), *ON)
    assert ask("import", str(file), *ON, "--name", "other")["set"] == "other"
    assert ask("import", str(file), *ON, "--replace")["set"] == "best"


def test_dspys_examples_are_titles(shop: dict[str, Any], tmp_path: Path) -> None:
    ask("save", "best", "--run", shop["run"])
    file = tmp_path / "demos.json"
    text_of(cli.app, "sets", "export", "best", *ON, "--as", "dspy", "--out", str(file))
    examples = json.loads(file.read_text())
    assert examples == [
        {"history": [item["title"] for item in demo["history"]], "answer": demo["answer"]["title"]}
        for demo in shop["demonstrations"]
    ]
    back = ask("import", str(file), *ON)
    assert (back["set"], back["user"], back["demonstrations"]) == ("demos", None, 3)
    assert any("by hand" in note for note in back["notes"])
    run = json_of(cli.app, *RANK, "-u", "u8", "--demos", "set:demos")
    assert [demo["source"] for demo in run["demonstrations"]] == ["hand-written"] * 3
    assert [demo["answer"]["title"] for demo in run["demonstrations"]] == [one["answer"] for one in examples]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("save", "x"), "Say what to save"),
        (("save", "x", "--demonstrations", "abc", *ON), "Say whom the set is for"),
        (("save", "x", "--demonstrations", "abc", *ON, "--shared"), "'toy' has no demonstration 'abc'"),
        (("save", "x", "--demonstrations", "abc", *ON, "-u", "nobody"), "nobody"),
        (("show", "x", *ON), "no set 'x'. There is none yet"),
        (("restore", "x", *ON), "no deleted set 'x'"),
        (("import", "/nowhere/x.json", *ON), "cannot be read"),
    ],
)
def test_what_cannot_be_done_is_said(shop: dict[str, Any], words: tuple[str, ...], told: str) -> None:
    assert told in failed(*words)
    assert names() == []
