"""The training command: induction from the first step, checkpoints a killed run goes on from."""

import random
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from engine.tuning import train_embedded as training
from engine.tuning.evaluate_embedded import EMBEDDED
from engine.tuning.worlds import Layout, copying


@pytest.fixture(scope="module")
def layout() -> Layout:
    torch.set_num_threads(1)
    return Layout(AutoTokenizer.from_pretrained(EMBEDDED))


def test_the_start_already_copies(layout: Layout) -> None:
    """Without the sketch a fresh model is at the uniform loss, ln 4096 = 8.3 nats, or above."""
    rng = random.Random(0)
    batch = [copying(layout, rng) for _ in range(16)]
    model = training.build_model(layout.vocabulary, seed=1, layers=5)
    sketched = float(training.loss_on(model, batch)[1])
    for layer in (0, 1, 2):
        torch.nn.init.normal_(model.get_parameter(f"model.layers.{layer}.self_attn.q_proj.weight"), std=0.02)
    blind = float(training.loss_on(model, batch)[1])
    assert sketched < 6.5
    assert blind - sketched > 1.5


def test_a_deepened_model_is_the_same_function(layout: Layout) -> None:
    rng = random.Random(0)
    batch = [copying(layout, rng) for _ in range(4)]
    shallow = training.build_model(layout.vocabulary, seed=1, layers=3)
    deep = training.deepened(shallow, 5, seed=2)
    assert deep.config.num_hidden_layers == 5
    assert training.loss_on(deep, batch)[0].item() == training.loss_on(shallow, batch)[0].item()


def test_padding_changes_no_loss(layout: Layout) -> None:
    rng = random.Random(0)
    batch = [copying(layout, rng) for _ in range(4)]
    model = training.build_model(layout.vocabulary, seed=1, layers=5)
    alone = [training.loss_on(model, [sample]) for sample in batch]
    weights = torch.tensor([sum(sample.weights[1:]) for sample in batch])
    mean = (torch.stack([loss for loss, _ in alone]) * weights).sum() / weights.sum()
    assert training.loss_on(model, batch)[0].item() == pytest.approx(mean.item(), rel=0.01)


def test_a_killed_run_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "SAVE_EVERY_S", 0.0)
    monkeypatch.setattr(training, "BATCH_TOKENS", dict.fromkeys(training.BATCH_TOKENS, 200))
    monkeypatch.setattr(training, "train_tokenizer", _embedded_tokenizer)
    first = training.Training(tmp_path / "work", minutes=0.01, seed=3)
    first.run()
    steps = first.progress.step
    assert steps >= 1
    second = training.Training(tmp_path / "work", minutes=first.progress.elapsed / 60 + 0.01, seed=3)
    assert second.progress.step == steps
    assert _same(first.model, second.model)
    second.run()
    assert second.progress.step > steps
    second.export(tmp_path / "out")
    assert {"config.json", "model.safetensors", "tokenizer.json", "RECIPE.json"} <= {
        path.name for path in (tmp_path / "out").iterdir()
    }
    assert AutoModelForCausalLM.from_pretrained(tmp_path / "out").dtype == torch.bfloat16


def _embedded_tokenizer(_seed: int, folder: Path) -> None:
    AutoTokenizer.from_pretrained(EMBEDDED).save_pretrained(folder)


def _same(first: torch.nn.Module, second: torch.nn.Module) -> bool:
    pairs = zip(first.parameters(), second.parameters(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def test_stages_go_forward_by_time_or_by_loss() -> None:
    assert training.next_stage("copy", 0.0, 9.0) == "copy"
    assert training.next_stage("copy", 0.0, 0.1) == "small"
    assert training.next_stage("copy", 0.9, 9.0) == "small"
    assert training.next_stage("store", 0.99, 9.0) == "store"


def test_learning_rate_rises_holds_and_falls() -> None:
    warm = training.learning_rate(0, 0.0)
    assert warm < training.learning_rate(1000, 0.3) == training.PEAK
    assert training.learning_rate(1000, 0.99) < 0.1 * training.PEAK
