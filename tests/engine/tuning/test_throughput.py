"""Throughput against the flop floor: counted by hand on a model small enough for it."""

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from engine.tuning import throughput
from engine.tuning.trainer import State

CPU = torch.device("cpu")


def model() -> LlamaForCausalLM:
    size = {"hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 2, "num_hidden_layers": 1}
    return LlamaForCausalLM(LlamaConfig(vocab_size=24, tie_word_embeddings=True, **size))  # type: ignore[arg-type]


@pytest.mark.parametrize(("learning", "flops"), [("all", 6), ("few", 4)])
def test_the_floor_counts_the_products_of_each_token(
    learning: str, flops: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(throughput, "matmul_rate", lambda _: 1e6)
    net = model()
    if learning == "few":
        net.requires_grad_(False)
        net.get_parameter("model.norm.weight").requires_grad_(True)
    # One layer: four projections 32 x 32, three 32 x 64, three norms; the shared embedding is looked up.
    products = 4 * 32 * 32 + 3 * 32 * 64 + 3 * 32
    state = State(tokens=1000, working=60.0, elapsed=500.0)
    ratio = throughput.flop_floor_ratio(net, state, CPU)
    assert ratio == pytest.approx(60.0 / (flops * products * 1000 / 1e6), rel=0.02)


def test_the_rate_is_one_a_machine_can_have() -> None:
    assert 1e8 < throughput.matmul_rate(CPU) < 1e15
