"""The commands `judge ...`: made of stored runs, shown, written to files, deleted and brought back."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from db import judging
from db.requests import RunRequest
from db.store import Store
from engine import __main__ as cli
from tests.support import shop
from tests.support.command_line import json_of, text_of
from tests.support.fake_engine import rank

USERS = ("shopper 0001", "shopper 0012", "shopper 0003")


@pytest.fixture
def runs_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """Keys of stored runs of three users, by strategy."""
    monkeypatch.setenv("DUALENS_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("DUALENS_DATABASE_URL", raising=False)
    with Store.open() as store:
        shop.stock(store)
        return {
            demos: [rank(store, RunRequest("simulated", user, demos=demos)).key for user in USERS]
            for demos in ("none", "bm25:2")
        }


def ask(*words: str) -> Any:
    return json_of(cli.app, "judge", *words)


def failed(*words: str) -> str:
    """What a command that fails says."""
    with pytest.raises(Exception) as told:
        CliRunner().invoke(cli.app, ["judge", *words], catch_exceptions=False)
    return str(told.value)


def test_two_strategies_are_judged_and_shown(runs_of: dict[str, list[str]], tmp_path: Path) -> None:
    made = ask("create", "Do they help?", "--a", "none", "--b", "bm25:2", "--users", "2")
    assert (made["pairs"], made["a"], made["b"]) == (2, "no demonstrations", "BM25 (2)")
    assert "Nobody has judged" in text_of(cli.app, "judge", "show", "1")
    with Store.open() as store:
        found = judging.get(store, 1)
        assert made["link"] == f"/judge?judge={found.token}"
        for name in ("Ana", "Bob"):
            judge = judging.join(store, found, name)
            for number in range(2):
                judging.record(store, found, judge, number, "b", "=1+1")
    shown = ask("show", "1")
    assert [row["judge"] for row in shown["judges"]] == ["Ana", "Bob"]
    assert shown["all"]["rate"]["mean"] == 1.0
    text = text_of(cli.app, "judge", "show", "1")
    assert "kappa is not defined" in text
    assert ask("list")["comparisons"][0]["answers"] == 4
    out = tmp_path / "judgements.csv"
    text_of(cli.app, "judge", "export", "1", "--as", "csv", "--out", str(out))
    rows = list(csv.DictReader(io.StringIO(out.read_text(encoding="utf-8"))))
    assert [row["reason"] for row in rows] == ["'=1+1"] * 4
    assert json.loads(text_of(cli.app, "judge", "export", "1"))["format"] == "dualens-judgements"


def test_exactly_these_runs(runs_of: dict[str, list[str]]) -> None:
    a, b = runs_of["none"][0][:12], runs_of["bm25:2"][0][:12]
    made = ask("create", "these", "--pair", f"{a}:{b}", "--run", runs_of["bm25:2"][1])
    assert made["pairs"] == 2
    assert "for judges" in text_of(cli.app, "judge", "create", "own", "--b", "bm25:2").lower()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "Say what is judged"),
        (("--a", "none"), "Say what is judged"),
        (("--b", "bm25:2", "--run", "abcdef"), "Say what is judged"),
        (("--b", "bm25:9"), "bm25:2"),
        (("--pair", "abcdef"), "A:B"),
        (("--run", "abcdef"), "holds no run"),
        (("--b", "bm25:2", "--users", "201"), "at most 200"),
    ],
)
def test_what_cannot_be_judged_is_refused(
    runs_of: dict[str, list[str]], words: tuple[str, ...], said: str
) -> None:
    assert said in failed("create", "one", *words)
    assert ask("list")["comparisons"] == []


def test_deleting_is_undone(runs_of: dict[str, list[str]], tmp_path: Path) -> None:
    ask("create", "own", "--b", "bm25:2")
    assert "judge restore 1" in text_of(cli.app, "judge", "delete", "1")
    assert "no blind comparison 1" in failed("show", "1")
    assert len(ask("list", "--deleted")["comparisons"]) == 1
    assert ask("restore", "1")["comparison"] == 1
    assert "cannot be written" in failed("export", "1", "--out", str(tmp_path / "no" / "file"))
