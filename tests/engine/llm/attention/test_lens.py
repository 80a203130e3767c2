"""The attention function: gates, windows, what it refuses, and that it never builds a T x T mask."""

import pytest
import torch
from torch.nn import functional

from db.errors import ModelError
from engine.llm.attention import lens
from engine.llm.scoring.gates import WeightedPrompt, log_gate
from engine.llm.scoring.measures import reading
from engine.llm.scoring.memory import PrefillCache
from engine.llm.scoring.ranking import Task, demo_head, prepare
from engine.prompts import PLAIN, Example, encode, render
from engine.prompts.segments import title_answer
from tests.engine.conftest import FAMILIES, TITLES, make_loaded
from tests.engine.llm.reference import answer_logprob, stock_logprobs

HISTORY = TITLES[2:6]


def objective(loaded, demos, mode="direct", scoring="sum") -> WeightedPrompt:
    task = Task(demos, HISTORY, TITLES[5:10], 2, scoring)
    question, fitted, *_ = prepare(loaded, task)
    ask = reading(loaded, question, "loss", PrefillCache())
    return WeightedPrompt(loaded, fitted, demo_head(loaded, fitted, PrefillCache()), ask, mode)


def reference_loss(loaded, demos: tuple[Example, ...], alpha: list[float], mode: str) -> float:
    prompt = encode(loaded.encoder, render(PLAIN, "sum", demos, HISTORY))
    answer = loaded.encoder.joined(title_answer(TITLES[7]))
    return -answer_logprob(loaded, prompt.ids, answer, prompt.owners(), alpha, mode)


@pytest.mark.parametrize("mode", ["direct", "total"])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_gate_is_log_alpha_on_the_edges_into_a_demonstration(family: str, mode: str, demos) -> None:
    loaded = make_loaded(family, dtype=torch.float64)
    alphas = [[1.0, 1.0, 1.0], [0.0, 0.0, 0.0], [0.3, 1.0, 2.0], [1.0, 0.0, 0.7]]
    found = objective(loaded, demos, mode).value(torch.tensor(alphas, dtype=torch.float64))
    truth = [reference_loss(loaded, demos, alpha, mode) for alpha in alphas]
    assert found.tolist() == pytest.approx(truth, abs=1e-10)


@pytest.mark.parametrize("mode", ["direct", "total"])
@pytest.mark.parametrize("family", FAMILIES)
def test_gradients_in_alpha_agree_with_differences(family: str, mode: str, demos) -> None:
    loaded = make_loaded(family, dtype=torch.float64)
    loss = objective(loaded, demos, mode)
    # transformers' RMSNorm rounds to float32 whatever the dtype: there a small step drowns in rounding.
    rounds = any("RMSNorm" in type(m).__name__ for m in loaded.model.modules())
    step, close = (2e-3, 3e-3) if rounds else (1e-5, 1e-6)
    alpha = torch.tensor([[0.4, 1.0, 1.7], [0.9, 0.2, 0.6]], dtype=torch.float64)
    values, slopes = loss.gradient(alpha)
    assert torch.allclose(values, loss.value(alpha), atol=1e-12)
    for b in range(3):
        push = torch.zeros(3, dtype=torch.float64)
        push[b] = step
        difference = (loss.value(alpha + push) - loss.value(alpha - push)) / (2 * step)
        assert torch.allclose(slopes[:, b], difference, atol=close, rtol=close)


def test_the_two_modes_differ_where_a_later_demonstration_reads_an_earlier_one(demos) -> None:
    loaded = make_loaded("llama", dtype=torch.float64)
    alpha = torch.tensor([[0.2, 1.0, 1.0]], dtype=torch.float64)
    direct, total = (objective(loaded, demos, mode).value(alpha) for mode in ("direct", "total"))
    assert abs(float(direct - total)) > 1e-4


def test_weight_zero_is_exact_and_its_gradient_is_not_nan() -> None:
    alpha = torch.tensor([0.0, 1.0, 2.0], requires_grad=True)
    gate = log_gate(alpha)
    assert gate.tolist()[0] == float("-inf")
    torch.exp(gate).sum().backward()
    assert alpha.grad is not None
    assert alpha.grad.tolist() == [0.0, 1.0, 1.0]


def test_weight_zero_for_all_equals_a_query_that_cannot_see_them(demos) -> None:
    """The stock kernel with a mask in which query and answer see the prefix and themselves only."""
    loaded = make_loaded("gpt_neox", dtype=torch.float64)
    hidden = objective(loaded, demos).value(torch.zeros(1, 3, dtype=torch.float64))
    assert float(hidden) == pytest.approx(reference_loss(loaded, demos, [0.0] * 3, "direct"), abs=1e-10)
    assert float(hidden) != pytest.approx(reference_loss(loaded, demos, [1.0] * 3, "direct"), abs=1e-3)


@pytest.mark.parametrize("family", ["mistral", "qwen2"])
def test_a_sliding_window_is_respected_in_prefill(family: str, monkeypatch) -> None:
    loaded = make_loaded(family, dtype=torch.float64)
    monkeypatch.setattr(lens, "_BAND", 16)  # several blocks
    ids = loaded.encoder.joined([f"- {t}\n" for t in (*TITLES, *reversed(TITLES))])
    assert len(ids) > 4 * loaded.model.config.sliding_window
    places = torch.arange(len(ids))[None]
    with torch.no_grad():
        ours = loaded.model(input_ids=torch.tensor([ids]), position_ids=places, use_cache=False).logits[0]
    assert torch.allclose(torch.log_softmax(ours, -1), stock_logprobs(loaded, ids), atol=1e-10)


@pytest.mark.parametrize("family", FAMILIES)
def test_prefill_uses_the_causal_kernel_and_no_square_mask(family: str, monkeypatch) -> None:
    loaded = make_loaded(family)
    monkeypatch.setattr(lens, "_BAND", 8)
    masks: list[int] = []
    honest = functional.scaled_dot_product_attention

    def spy(*args, **kwargs):
        mask = kwargs.get("attn_mask")
        masks.append(0 if mask is None else mask.numel())
        return honest(*args, **kwargs)

    monkeypatch.setattr(functional, "scaled_dot_product_attention", spy)
    ids = loaded.encoder.joined([f"- {t}\n" for t in TITLES])
    with torch.no_grad():
        loaded.model(input_ids=torch.tensor([ids]), use_cache=False)
    assert masks
    assert max(masks) <= 8 * (8 + 24)


def test_the_mask_twin_builds_nothing_and_refuses_padding() -> None:
    assert lens._no_mask(attention_mask=torch.ones(1, 4)) is None
    with pytest.raises(ModelError, match="unpadded"):
        lens._no_mask(attention_mask=torch.tensor([[0, 1, 1]]))


@pytest.mark.parametrize(("name", "what"), [("softcap", "soft-capping"), ("s_aux", "sinks")])
def test_attention_that_breaks_the_identities_is_refused(name: str, what: str) -> None:
    q = torch.zeros(1, 2, 3, 4)
    module = torch.nn.Module()
    with pytest.raises(ModelError, match=what):
        lens.attention(module, q, q, q, None, **{name: torch.ones(2)})


def test_a_mask_or_a_cache_is_refused() -> None:
    q, k = torch.zeros(1, 2, 3, 4), torch.zeros(1, 2, 5, 4)
    with pytest.raises(ModelError, match="use_cache=False"):
        lens.attention(torch.nn.Module(), q, k, k, None)


def test_a_pass_ends_with_its_block_even_after_an_error() -> None:
    with pytest.raises(KeyError), lens.looking(lens.Pass()):
        raise KeyError
    assert lens._active.get() is None
