"""The weights in the repository: small, complete, and learning in context on shoppers never seen."""

import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer

from db import datasets
from db.store import Store
from engine.data.simulated import simulate
from engine.llm.loading.load import load
from engine.tuning.evaluate_embedded import EMBEDDED, evaluate, interval


def test_fits_into_a_repository() -> None:
    assert (EMBEDDED / "model.safetensors").stat().st_size <= 30_000_000
    recipe = json.loads((EMBEDDED / "RECIPE.json").read_text())
    assert recipe["training_minutes"] <= 120
    assert 6_000_000 <= recipe["shape"]["parameters"] <= 15_000_000
    assert {"seed", "stages", "curve", "measured", "data_fingerprint"} <= set(recipe)


@given(st.text(max_size=60))
@settings(max_examples=200, deadline=None)
def test_spells_every_title(title: str) -> None:
    tokenizer = _tokenizer()
    ids = tokenizer.encode(f" {title}\n", add_special_tokens=False, split_special_tokens=True)
    assert tokenizer.decode(ids, clean_up_tokenization_spaces=False) == f" {title}\n"


@pytest.mark.parametrize(
    ("title", "most"), [("Fire Emblem: The Sacred Stones", 9), ("Xtreme Brite Brightening Gel 1oz.", 18)]
)
def test_spells_real_titles_in_few_pieces(title: str, most: int) -> None:
    assert len(_tokenizer().encode(f" {title}\n", add_special_tokens=False)) <= most


_KEPT = {}


def _tokenizer():
    if not _KEPT:
        _KEPT["tokenizer"] = AutoTokenizer.from_pretrained(EMBEDDED)
    return _KEPT["tokenizer"]


def test_learns_in_context_on_unseen_shoppers(store: Store) -> None:
    """The shipped store has rules that no training world shares: four neighbours' windows lift NDCG@10
    over 20 candidates to half as much again as without demonstrations, and random windows do not lift it."""
    torch.set_num_threads(1)
    columns = simulate(0)
    dataset = datasets.insert(
        store, "simulated", columns, kind="simulated", source="", fingerprint="0", report={}, simulated=True
    )
    specs = ("neighbours:4", "random:4")
    table = evaluate(load(str(EMBEDDED)), store, dataset, columns, users=40, specs=specs)
    gain = table["neighbours:4"] - table["none"]
    assert interval(gain)[0] > 0.15, f"mean gain {gain.mean():.3f}"
    assert table["neighbours:4"].mean() > 1.4 * table["none"].mean()
    assert table["neighbours:4"].mean() > table["item-kNN"].mean()
    assert interval(table["neighbours:4"] - table["random:4"])[0] > 0.2
