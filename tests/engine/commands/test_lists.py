"""The commands `lists ...`: out with the lists, in with scores, listed and removed."""

import json
from pathlib import Path
from typing import Any

import pytest

from db.errors import BadInput, NotFound
from engine.commands.lists import app
from tests.support.command_line import json_of, text_of, workspace


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace(monkeypatch, tmp_path / "home")


def ask(*words: str) -> Any:
    return json_of(app, "lists", *words, "-d", "toy")


def test_lists_go_out_and_scores_come_in(tmp_path: Path) -> None:
    out, given = tmp_path / "lists.jsonl", tmp_path / "scores.jsonl"
    said = text_of(app, "lists", "export", "-d", "toy", "--users", "5", "-c", "6", "--out", str(out))
    assert "5 lists (6 random candidates, seed 0, target test)" in said
    assert "dualens lists score SCORES -d toy --candidates 6 --name NAME" in said
    rows = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    first = [{**row, "scores": [float(-place) for place in range(6)]} for row in rows]
    given.write_text("".join(json.dumps(row) + "\n" for row in first), encoding="utf-8")
    [system] = ask("score", str(given), "--name", "first", "--candidates", "6")["systems"]
    assert (system["system"], system["users"], system["measured"]["first"]) == ("first", 5, 5)
    assert system["measured"]["hr10"]["mean"] == 1.0
    [listed] = ask("scored")["systems"]
    assert listed == {name: value for name, value in system.items() if name != "measured"}
    assert ask("scored", "first")["systems"] == [system]
    printed = text_of(app, "lists", "scored", "first", "-d", "toy")
    assert "NDCG@10" in printed
    assert "1.000 (1.000 to 1.000)" in printed
    assert ask("forget", "first") == {"system": "first", "removed": 1}
    assert "No outside systems yet" in text_of(app, "lists", "scored", "-d", "toy")


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no outside system"):
        ask("forget", "mine")
    with pytest.raises(BadInput, match="no outside system 'mine'"):
        ask("scored", "mine")


def test_no_more_users_than_there_are(tmp_path: Path) -> None:
    found = ask("export", "--users", "100", "--candidates", "5", "--out", str(tmp_path / "l.parquet"))
    assert found["users"] == 12
