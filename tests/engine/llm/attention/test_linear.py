"""Quick products of frozen layers are the usual ones, in value and in the gradient of their input."""

import copy

import pytest
import torch
import transformers
from torch import nn
from transformers import LlamaConfig, LlamaForCausalLM

from engine.llm.attention import linear
from engine.llm.attention.linear import Frozen, Predicting, adapt, as_written

QUICKER = linear.onednn_is_quicker.__wrapped__
here = pytest.mark.skipif(
    not linear.available(torch.device("cpu"), torch.float32), reason="oneDNN computes on x86 processors"
)


@pytest.fixture(autouse=True)
def quicker(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a processor that is not Intel's."""
    monkeypatch.setattr(linear, "onednn_is_quicker", lambda: True)


def layers(bias: bool = True) -> tuple[nn.Linear, nn.Linear]:
    torch.manual_seed(0)
    made = [nn.Linear(24, 40, bias=bias).requires_grad_(False) for _ in range(2)]
    made[1].load_state_dict(made[0].state_dict())
    adapt(made[1])
    return made[0], made[1]


@here
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(24,), (1, 24), (5, 24), (3, 7, 24), (0, 24)])
def test_values_and_gradients_are_the_usual_ones(bias: bool, shape: tuple[int, ...]) -> None:
    usual, quick = layers(bias)
    assert type(quick) is Frozen
    inputs = [torch.randn(shape, generator=torch.Generator().manual_seed(1)) for _ in range(2)]
    outs = [layer(x.requires_grad_(True)) for layer, x in zip((usual, quick), inputs, strict=True)]
    torch.testing.assert_close(outs[0], outs[1])
    slopes = [torch.autograd.grad((out**2).sum(), x)[0] for out, x in zip(outs, inputs, strict=True)]
    torch.testing.assert_close(slopes[0], slopes[1])


@here
def test_a_layer_that_learns_or_is_cast_goes_the_usual_way() -> None:
    quick = layers()[1]
    with torch.autocast("cpu", torch.bfloat16):
        assert quick(torch.randn(2, 24)).dtype == torch.bfloat16
    quick.requires_grad_(True)
    quick(torch.randn(2, 24)).sum().backward()
    assert quick.weight.grad is not None


@here
def test_the_layers_come_back_as_they_were_written() -> None:
    model = nn.Sequential(layers()[1], nn.ReLU())
    with as_written(model):
        assert type(model[0]) is nn.Linear
    assert type(model[0]) is Frozen


def test_other_precisions_are_left_alone() -> None:
    layer = nn.Linear(4, 4).double().requires_grad_(False)
    adapt(layer)
    assert type(layer) is nn.Linear


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_model_in_half_precision_predicts_in_float32(dtype: torch.dtype, monkeypatch) -> None:
    """Of the same weights and states: answers that differ do not tie because logits were rounded."""
    monkeypatch.setattr(linear, "_PART", 7)
    model = tiny(dtype)
    states = 40 * torch.randn(3, 5, 16, generator=torch.Generator().manual_seed(2)).to(dtype)
    usual = model.lm_head(states)
    adapt(model)
    told = model.lm_head(states)
    assert (type(model.lm_head), told.dtype) == (Predicting, torch.float32)
    exact = states.double() @ model.lm_head.weight.double().T
    error, rounded = ((each.double() - exact).abs().max() for each in (told, usual))
    assert error < 1e-3 * rounded
    asked = model(input_ids=torch.tensor([[1, 2, 3]]), use_cache=False).logits
    assert asked.dtype == torch.float32
    with as_written(model):
        assert model.lm_head(states).dtype == dtype
    assert type(model.lm_head) is Predicting


def test_predictions_have_the_gradients_of_their_input_and_may_learn() -> None:
    model = tiny(torch.bfloat16)
    adapt(model)
    states = torch.randn(2, 16).bfloat16().requires_grad_(True)
    slope = torch.autograd.grad(model.lm_head(states)[:, 3].sum(), states)[0]
    torch.testing.assert_close(slope, model.lm_head.weight[3].expand(2, -1))
    model.lm_head.weight.requires_grad_(True)
    assert model.lm_head(states).dtype == torch.bfloat16


def tiny(dtype: torch.dtype) -> LlamaForCausalLM:
    torch.manual_seed(0)
    shape = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = LlamaConfig(vocab_size=40, num_key_value_heads=2, tie_word_embeddings=False, **shape)
    return LlamaForCausalLM(config).to(dtype).requires_grad_(False).eval()


@pytest.mark.parametrize("family", ["Llama", "Mistral", "Qwen2", "Qwen3"])
@pytest.mark.parametrize("learns", [False, True])
def test_gated_layers_compute_the_same_numbers(family: str, learns: bool) -> None:
    """Bit by bit, with the same gradients; copies and what stands beside them are left alone."""
    torch.manual_seed(0)
    shape = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = getattr(transformers, f"{family}Config")(
        vocab_size=40, num_key_value_heads=2, head_dim=8, **shape
    )
    model = getattr(transformers, f"{family}ForCausalLM")(config).requires_grad_(False).double().eval()
    adapt(model)
    layer = model.model.layers[0].mlp
    layer.up_proj.weight.requires_grad_(learns)
    x = torch.randn(3, 16, dtype=torch.float64, requires_grad=learns)
    kept = x.clone()
    assert type(layer).forward is linear._gated
    told = copy.deepcopy(layer)(x)
    with as_written(model):
        assert type(layer).forward is not linear._gated
        usual = layer(x)
    assert torch.equal(told, usual)
    assert torch.equal(x, kept)
    if learns:
        wanted = [x, layer.up_proj.weight]
        mine, theirs = (torch.autograd.grad(layer(x).sum(), wanted), torch.autograd.grad(usual.sum(), wanted))
        assert all(torch.equal(*pair) for pair in zip(mine, theirs, strict=True))


def test_other_activations_are_left_alone() -> None:
    model = tiny(torch.float32)
    model.model.layers[0].mlp.act_fn = nn.GELU()
    adapt(model)
    assert type(model.model.layers[0].mlp).forward is not linear._gated


def test_on_intel_products_go_to_mkl(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linear, "onednn_is_quicker", lambda: False)
    layer = nn.Linear(4, 4).requires_grad_(False)
    adapt(layer)
    assert type(layer) is nn.Linear


@pytest.mark.parametrize(("name", "quicker"), [("Intel Xeon", False), ("AMD EPYC", True), (None, True)])
def test_processors_are_told_by_name(
    name: str | None, quicker: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = {} if name is None else {"cpu_name": name}
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: asked)
    assert QUICKER() is quicker
