"""Model classes of every kind: each ranks as its own attention over whole prompts does, or is refused.

All are tiny and random. A class that is refused may be taken one day; a class that is taken is right.
"""

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from db.errors import ModelError
from engine.llm.attention import lens
from engine.llm.explain.effects import demonstration_effects
from engine.llm.loading import agreement
from engine.llm.loading.agreement import own_attention
from engine.llm.loading.load import LoadedModel, load
from engine.llm.scoring.ranking import Task, prepare, rank_candidates
from engine.prompts import Example
from engine.prompts.segments import title_answer
from tests.engine.conftest import TITLES, VOCABULARY, make_tokenizer

TASK = Task((Example(TITLES[:2], TITLES[3]), Example(TITLES[4:5], TITLES[5])), TITLES[2:5], TITLES[6:9], 1)
_IDS = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0, "vocab_size": VOCABULARY}
_HEADS = {"num_attention_heads": 4, "num_key_value_heads": 2}
_USUAL = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "max_position_embeddings": 256}
_GPT = {"n_layer": 2, "n_head": 4, "n_embd": 32, "n_positions": 256}
_MOE = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16}
_DECODER = {"d_model": 32, "decoder_layers": 2, "decoder_attention_heads": 4, "decoder_ffn_dim": 48}

# A sliding window of 12 tokens hides most of each prompt.
RANKED: dict[str, dict[str, Any]] = {
    "opt": {**_USUAL, "num_attention_heads": 4, "ffn_dim": 48, "word_embed_proj_dim": 16},
    "mistral": {**_USUAL, **_HEADS, "sliding_window": 12},
    "qwen2_moe": {
        **(_USUAL | _HEADS | _MOE),
        "shared_expert_intermediate_size": 16,
        "use_sliding_window": True,
        "sliding_window": 12,
        "max_window_layers": 1,
    },
    "phimoe": {**_USUAL, **_HEADS, "num_local_experts": 4, "sliding_window": 12},
    "starcoder2": {**_USUAL, **_HEADS, "sliding_window": 12},
    "gemma": {**_USUAL, **_HEADS, "head_dim": 8},
    "cohere2": {**_USUAL, **_HEADS, "sliding_window": 12},
    "smollm3": {**_USUAL, **_HEADS, "no_rope_layers": [1, 0]},
    "olmo2": {**_USUAL, **_HEADS},
}
# What is refused, and a word of the reason.
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "diffllama": ({**_USUAL, **_HEADS}, "do not each attend once"),
    "roberta": (
        {**_USUAL, "num_attention_heads": 4, "is_decoder": True, "type_vocab_size": 1},
        "attention or positions",
    ),
    "bart": ({**_DECODER, "encoder_layers": 2, "max_position_embeddings": 256}, "attention or positions"),
    "bloom": ({"hidden_size": 32, "n_layer": 2, "n_head": 4}, "do not each send their attention"),
    "codegen": ({**_GPT, "rotary_dim": 4, "n_inner": 48}, "do not each send their attention"),
    "xglm": ({"d_model": 32, "ffn_dim": 48, "num_layers": 2, "attention_heads": 4}, "do not each send"),
    "xlnet": ({"d_model": 32, "n_layer": 2, "n_head": 4, "d_inner": 48}, "do not each send"),
    "mpt": ({"d_model": 32, "n_heads": 4, "n_layers": 2, "max_seq_len": 256}, "does not work with the lens"),
    "hrm_text": ({**_USUAL, **_HEADS}, "do not each attend once"),
    "whisper": ({**_DECODER, "encoder_layers": 2, "max_target_positions": 256}, "logits that are asked for"),
    "falcon": ({"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}, "interface"),
    "gptj": ({**_GPT, "rotary_dim": 4}, "interface"),
    "gpt_neo": (
        {"hidden_size": 32, "num_layers": 2, "num_heads": 4, "attention_types": [[["global", "local"], 1]]},
        "interface",
    ),
}


@pytest.fixture
def folder_of(tmp_path: Path) -> Callable[[str, dict[str, Any]], Path]:
    """A random model of a type as a folder; skips a type that this version of transformers does not have."""

    def made(kind: str, sizes: dict[str, Any]) -> Path:
        try:
            config = AutoConfig.for_model(kind, **sizes, **_IDS)
        except ValueError:
            pytest.skip(f"transformers has no {kind}")
        torch.manual_seed(3)
        model = AutoModelForCausalLM.from_config(config)
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.ndim > 1:
                    parameter.normal_(0, 0.25)
        model.save_pretrained(tmp_path / kind)
        make_tokenizer("bpe").save_pretrained(tmp_path / kind)
        return tmp_path / kind

    return made


def naive_loss(loaded: LoadedModel, prompt: tuple[int, ...], title: str) -> float:
    """Of a title behind a prompt, from one pass over both that is told nothing but the tokens."""
    answer = loaded.encoder.joined(title_answer(title))
    with torch.no_grad(), own_attention(loaded.model):
        logits = loaded.model(input_ids=torch.tensor([[*prompt, *answer]]), use_cache=False).logits[0]
    logprobs = torch.log_softmax(logits.double(), -1)[len(prompt) - 1 : -1]
    return -float(logprobs.gather(1, torch.tensor(answer)[:, None]).sum())


@pytest.mark.parametrize("kind", RANKED)
def test_what_is_taken_ranks_as_its_own_attention_does(kind: str, folder_of) -> None:
    loaded = load(str(folder_of(kind, RANKED[kind])), "cpu", "float32")
    ranked = rank_candidates(loaded, TASK)
    _, fitted, zero, _ = prepare(loaded, TASK)
    for prompt, scores in ((fitted, ranked.scores), (zero, ranked.scores_zero_shot)):
        losses = [naive_loss(loaded, prompt.encoded.ids, title) for title in TASK.candidates]
        assert [-score for score in scores] == pytest.approx(losses, abs=1e-3)
    for estimator, mode in (("exact", "reprompt"), ("aumann", "total")):
        found = demonstration_effects(loaded, TASK, estimator, leave_one_out=True, mode=mode)  # type: ignore[arg-type]
        assert all(math.isfinite(effect) for effect in found.effects)
        assert found.gains["margin"].value == pytest.approx(ranked.margin, abs=1e-3)


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_not_taken_is_refused_in_one_sentence(kind: str, folder_of) -> None:
    sizes, words = REFUSED[kind]
    with pytest.raises(ModelError, match=words) as refusal:
        load(str(folder_of(kind, sizes)), "cpu", "float32")
    assert "\n" not in str(refusal.value)
    assert "Supported are" in str(refusal.value) or "Choose a model" in str(refusal.value)


def _unscaled(honest: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *args: (1.05 * honest(*args)[0], honest(*args)[1])


def _ungated(honest: Callable[..., Any]) -> Callable[..., Any]:
    return lambda query, gate, owners: honest(query, gate * 0, owners)


def _shifted(honest: Callable[..., Any]) -> Callable[..., Any]:
    return lambda model, rows, current, first=0, *rest: honest(
        model, rows, current, first + (first > 0), *rest
    )


@pytest.mark.parametrize(
    ("kind", "where", "name", "fault", "words"),
    [
        ("llama", lens, "_shared", _unscaled, "two parts"),
        ("llama", lens, "gated", _ungated, "weights"),
        ("llama", agreement, "_lens", _shifted, "two parts"),
        ("qwen2_moe", lens, "_no_mask", lambda _: lambda *_, **__: None, "beyond its sliding window"),
        ("phimoe", lens, "_no_mask", lambda _: lambda *_, **__: None, "beyond its sliding window"),
    ],
)
def test_every_comparison_can_fail(
    kind: str, where: Any, name: str, fault: Any, words: str, folder_of, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = RANKED.get(kind, {**_USUAL, **_HEADS})
    if "sliding_window" in sizes:  # far beyond the prompt of the check
        sizes = {**sizes, "sliding_window": 200}
    folder = folder_of(kind, sizes)
    monkeypatch.setattr(where, name, fault(getattr(where, name)))
    with pytest.raises(ModelError, match=words):
        load(str(folder), "cpu", "float32")


def test_weights_that_are_no_numbers_are_said_to_be_damaged(folder_of) -> None:
    from safetensors.torch import load_file, save_file

    folder = folder_of("llama", {**_USUAL, **_HEADS})
    tensors = load_file(folder / "model.safetensors")
    name = next(name for name in tensors if "mlp" in name)
    tensors[name][0, 0] = float("nan")
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"The tensor model.layers.0.mlp.*holds NaN or infinity"):
        load(str(folder), "cpu", "float32")


def test_a_window_is_as_wide_again_after_the_check(folder_of) -> None:
    loaded = load(str(folder_of("qwen2_moe", RANKED["qwen2_moe"])), "cpu", "float32")
    assert loaded.model.config.sliding_window == 12
    windows = {getattr(module, "sliding_window", None) for module in loaded.model.modules()}
    assert windows == {None, 12}


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    """A fault of a test is not left behind in transformers."""
    yield
    lens.register()
