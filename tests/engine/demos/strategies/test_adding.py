"""A new strategy or source is one file and one row of `db.choices`; then it is chosen, listed and offered."""

from pathlib import Path

import pytest

from db.choices import SOURCES, STRATEGIES, Choice, StrategyChoice
from db.store import Store
from docs.scripts import generate
from engine.commands import runs
from engine.demos import query, selection, sources, strategies
from tests.engine.demos.histories import READER, Histories
from tests.support import command_line
from tests.support.adding import add_file, fresh
from tests.support.command_line import json_of, text_of

STRATEGY = '''"""Toy strategy: of the neighbours' windows, those whose answers come first in the alphabet."""

from engine.demos.sources import neighbours


def find(store, dataset, query, size, seed):
    offers = neighbours.find(store, dataset, query, 8, seed)
    return sorted(offers, key=lambda offer: offer.window.answer.title)[:size]
'''
EMBEDDING_STRATEGY = STRATEGY.replace(
    "size, seed):", "size, seed, embed):\n    assert len(embed(['Zelda'])) == 1"
)
SOURCE = '''"""Toy source: the first windows of the first users."""

from engine.demos.windows import Offer, load


def find(store, dataset, query, size, seed):
    windows = load(store, dataset, query, [(user, 2) for user in range(size)])
    rated = similarities(store, dataset, query, windows)
    return [Offer("toy", window, rating) for window, rating in zip(windows, rated)]


def similarities(store, dataset, query, windows):
    return [0.25 for window in windows]
'''
ROW = StrategyChoice("toy", "Toy", "Those that come first in the alphabet")
BOUGHT = ((1, 2, 3, 0), (2, 3, 10), (8, 3, 11), (9, 3, 12))
WHEN = ((60, 61, 62, 90), (1, 2, 3), (71, 72, 73), (81, 82, 83))


def test_rank_chooses_with_it_and_help_and_documentation_list_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model_folder
) -> None:
    add_file(monkeypatch, tmp_path / "strategies", strategies, STRATEGY)
    monkeypatch.setitem(STRATEGIES, "toy", ROW)
    command_line.workspace(monkeypatch, tmp_path / "home")
    app = fresh(runs).app
    words = ("rank", "-d", "toy", "-u", "u8", "-m", str(model_folder("llama")), "-c", "6")
    near = json_of(app, *words, "--demos", "neighbours:8")["demonstrations"]
    chosen = json_of(app, *words, "--demos", "toy:2")["demonstrations"]
    answers = sorted(shown["answer"]["title"] for shown in near)[:2]
    assert [shown["answer"]["title"] for shown in chosen] == answers[::-1]
    said = " ".join(text_of(app, "rank", "--help").replace("│", "").split())
    assert "votek, greedy, twostage, placebo, placebo-users, toy" in said
    assert "| `toy` | Toy | Those that come first in the alphabet |" in generate.choices()


def test_one_that_embeds_is_given_the_models_vectors(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_file(monkeypatch, tmp_path / "strategies", strategies, EMBEDDING_STRATEGY)
    monkeypatch.setitem(STRATEGIES, "toy", StrategyChoice("toy", "Toy", "Toys with vectors", embeds=True))
    dataset = Histories(20, BOUGHT, WHEN).store(store)
    asked = query.build(store, dataset, "u0")
    assert len(selection.choose(store, dataset, asked, "toy:2", 0, READER)) == 2


def test_a_source_is_a_strategy_too_and_offered_in_a_pool(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_file(monkeypatch, tmp_path / "sources", sources, SOURCE)
    monkeypatch.setitem(SOURCES, "toy", Choice("toy", "toy", "The first windows of the first users"))
    monkeypatch.setitem(STRATEGIES, "toy", ROW)
    dataset = Histories(20, BOUGHT, WHEN).store(store)
    asked = query.build(store, dataset, "u0")
    offered = selection.pool(store, dataset, asked, ["toy"], 4, 0)
    assert [entry.demonstration.source for entry in offered] == ["toy"] * 4
    assert selection.choose(store, dataset, asked, "toy:4", 0) == offered[::-1]
    assert "cluster representative | Windows at the centres" in generate.choices()
    assert "| `toy` | toy | The first windows of the first users |" in generate.choices()


@pytest.mark.parametrize("name", [name for name, row in STRATEGIES.items() if not row.optimized])
def test_every_row_has_its_file(name: str) -> None:
    if name == "none":  # nothing is to be found for it
        return
    needed = ("derive", "measured", "said") if STRATEGIES[name].derived else ("find",)
    assert all(callable(getattr(selection.strategy(name), function)) for function in needed)


@pytest.mark.parametrize("name", SOURCES)
def test_every_source_has_its_file(name: str) -> None:
    module = selection.source(name)
    assert callable(module.find)
    assert callable(module.similarities)
    assert name == module.SOURCE
