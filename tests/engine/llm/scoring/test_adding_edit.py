"""A new edit of the dual model is one file and one row of `db.choices`; then it acts and is listed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from db.choices import EDITS, EditChoice
from docs.scripts import generate
from engine.commands import methods, runs
from engine.llm.scoring import edits
from tests.support import command_line
from tests.support.adding import add_file, fresh
from tests.support.command_line import json_of, text_of

TOY = '''"""Toy edit: every weight times the amount, in every draw but the first."""


def apply(draw, amount):
    return draw.weighted(draw.weights * amount) if draw.number else draw
'''
FIXED = TOY.replace(" if draw.number else draw", "").replace(", in every draw but the first", "")


@pytest.fixture
def words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model_folder: Callable[..., Path]) -> list[str]:
    """A user of the toy shop and a tiny model, as options."""
    command_line.workspace(monkeypatch, tmp_path / "home")
    shop = ["-d", "toy", "-u", "u8", "-m", str(model_folder("llama")), "-c", "6"]
    return [*shop, "--demos", "neighbours:2"]


def scores(view: dict[str, Any]) -> dict[str, float]:
    return {row["item"]: row["score"] for row in view["items"]}


def test_rank_is_under_it_and_help_and_documentation_list_it(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_file(monkeypatch, tmp_path / "edits", edits, FIXED)
    monkeypatch.setitem(EDITS, "toy", EditChoice("toy", "Toy", "every weight smaller", amount=0.5, most=1.0))
    app = fresh(runs).app
    edited = json_of(app, "rank", *words, "--perturb", "toy:0.5")
    assert scores(edited) == pytest.approx(
        scores(json_of(app, "rank", *words, "--weights", "0.5,0.5")), abs=1e-5
    )
    assert scores(edited) != pytest.approx(scores(json_of(app, "rank", *words)), abs=1e-4)
    assert "negatives, order, toy" in " ".join(text_of(app, "rank", "--help").replace("│", "").split())
    assert "| `toy` | Toy | Every weight smaller (default 0.5, at most 1) |" in generate.choices()


def test_one_made_by_chance_is_spread_over_its_draws(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_file(monkeypatch, tmp_path / "edits", edits, TOY)
    row = EditChoice("toy", "Toy", "every weight smaller", amount=0.5, most=1.0, drawn=True)
    monkeypatch.setitem(EDITS, "toy", row)
    app = fresh(methods).app
    assert "order,toy:0.5" in " ".join(text_of(app, "spread", "--help").replace("│", "").split()).replace(
        ", ", ","
    )
    [toy] = json_of(app, "spread", *words, "--kinds", "toy", "--draws", "3")["kinds"]
    [ridge] = json_of(app, "spread", *words, "--kinds", "ridge:0.5")["kinds"]
    assert (toy["label"], toy["draws"], toy["total"]["std"]) == ("Toy", 3, pytest.approx(0.0, abs=1e-6))
    assert toy["total"]["mean"] == pytest.approx(ridge["total"]["mean"], abs=1e-5)


@pytest.mark.parametrize("name", EDITS)
def test_every_row_has_its_file(name: str) -> None:
    from engine.registry import implementation

    assert callable(implementation("engine.llm.scoring.edits", EDITS[name]).apply)
