"""Tiny random models of eight architectures and tokenizers of five manners, made on the spot."""

import copy
import shutil
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    AutoModelForCausalLM,
    GPT2Config,
    GPTNeoXConfig,
    LlamaConfig,
    MistralConfig,
    OPTConfig,
    Phi3Config,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen3Config,
)

from engine.llm.attention import lens
from engine.llm.loading import loaded_models
from engine.llm.loading.digests import Digests
from engine.llm.loading.load import LoadedModel, load
from engine.llm.loading.sources import locate, revision
from engine.prompts import Example, PieceEncoder
from tests.support import trying

torch.set_num_threads(1)

VOCABULARY = 640
CONTEXT = 512
_GQA = {"num_attention_heads": 4, "num_key_value_heads": 2, "hidden_size": 32, "intermediate_size": 48}
_SIZE = {"vocab_size": VOCABULARY, "num_hidden_layers": 3, "max_position_embeddings": CONTEXT}
_IDS = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
CONFIGS: dict[str, Callable[[], object]] = {
    "llama": lambda: LlamaConfig(**_SIZE, **_GQA, **_IDS),
    "qwen2": lambda: Qwen2Config(
        **_SIZE, **_GQA, **_IDS, use_sliding_window=True, sliding_window=24, max_window_layers=1
    ),
    "qwen3": lambda: Qwen3Config(**_SIZE, **_GQA, **_IDS, head_dim=12),
    "mistral": lambda: MistralConfig(**_SIZE, **_GQA, **_IDS, head_dim=8, sliding_window=20),
    "phi3": lambda: Phi3Config(
        **_SIZE, **_GQA, **_IDS, sliding_window=None, original_max_position_embeddings=CONTEXT
    ),
    "gpt_neox": lambda: GPTNeoXConfig(
        **_SIZE, **_IDS, hidden_size=32, intermediate_size=48, num_attention_heads=4, rotary_pct=0.5
    ),
    "gpt2": lambda: GPT2Config(
        vocab_size=VOCABULARY, n_layer=3, n_head=4, n_embd=32, n_positions=CONTEXT, **_IDS
    ),
    "opt": lambda: OPTConfig(
        **_SIZE, **_IDS, hidden_size=32, ffn_dim=48, num_attention_heads=4, word_embed_proj_dim=16
    ),
}
FAMILIES = tuple(CONFIGS)
TOKENIZERS = ("bpe", "crossing", "metaspace", "wordpiece", "chat")

TITLES = (
    "Star Harbor Deluxe Edition",
    "Moonlit Kart Racing",
    "Puzzle Garden 2",
    "Wireless Controller - Blue",
    "Café Manager: Second Course",
    "Dragon Ledger",
    "Night Bus Simulator",
    "Robot Orchard",
    "The Long Tide",
    "Paper Kingdoms",
)
_TEXTS = [
    f"Purchases in order, then the next one.\n\nBought:\n- {a}\n- {b}\nNext:\n- {a}\n\n"
    f"Would they enjoy this?\n- {b}\nAnswer: Yes\n\nAnswer: No\n"
    f"Choose the next one:\nA. {a}\nB. {b}\nAnswer: A\n"
    for a in TITLES
    for b in TITLES
]
_CHAT = (
    "{% for m in messages %}<|start|>{{ m['role'] }}\n{{ m['content'] }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|start|>assistant\n{% endif %}"
)
_SPECIAL = ["<pad>", "<s>", "</s>", "<unk>", "<|start|>", "<|end|>"]


def _trained(tokenizer: Tokenizer, trainer: trainers.Trainer) -> Tokenizer:
    tokenizer.train_from_iterator(_TEXTS, trainer)
    return tokenizer


def _byte_level(pre: object) -> Tokenizer:
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre  # type: ignore[assignment]
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=500, special_tokens=_SPECIAL, initial_alphabet=alphabet)
    return _trained(made, trainer)


def _metaspace() -> Tokenizer:
    """Llama's manner: a blank is written before every text, and <s> opens it."""
    made = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    made.decoder = decoders.Metaspace(prepend_scheme="first")
    spare = [f"<0x{i:02X}>" for i in range(256)]
    made = _trained(made, trainers.BpeTrainer(vocab_size=600, special_tokens=[*_SPECIAL, *spare]))
    made.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return made


def _wordpiece() -> Tokenizer:
    """BERT's manner: words, no white space at all, [CLS]-like tokens around the text."""
    made = Tokenizer(models.WordPiece(unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=400, special_tokens=_SPECIAL)
    made = _trained(made, trainer)
    made.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 1), ("</s>", 2)]
    )
    return made


_MAKERS: dict[str, Callable[[], Tokenizer]] = {
    "bpe": lambda: _byte_level(pre_tokenizers.ByteLevel(add_prefix_space=False)),
    # No splitting into words: learned tokens run across words and lines.
    "crossing": lambda: _byte_level(pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)),
    "metaspace": _metaspace,
    "wordpiece": _wordpiece,
    "chat": lambda: _byte_level(pre_tokenizers.ByteLevel(add_prefix_space=False)),
}


@cache
def make_tokenizer(name: str) -> PreTrainedTokenizerFast:
    """One of TOKENIZERS, trained on a few hundred short prompts."""
    made = PreTrainedTokenizerFast(
        tokenizer_object=_MAKERS[name](),
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        additional_special_tokens=["<|start|>", "<|end|>"],
    )
    if name == "chat":
        made.chat_template = _CHAT
    return made


@cache
def make_loaded(family: str, tokenizer: str = "bpe", dtype: torch.dtype = torch.float32) -> LoadedModel:
    """A tiny random model (3 layers, width 32) as if it had been loaded. Shared: do not change it."""
    lens.register()
    torch.manual_seed(7)
    config = CONFIGS[family]()
    model = AutoModelForCausalLM.from_config(copy.deepcopy(config), attn_implementation=lens.NAME)
    with torch.no_grad():  # larger weights than the default make attention uneven, so mistakes show
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.mul_(8.0)
    model = model.to(dtype).requires_grad_(False).eval()
    made = make_tokenizer(tokenizer)
    return LoadedModel(
        model=model,
        tokenizer=made,
        encoder=PieceEncoder(made),
        name=family,
        source=f"tiny/{family}",
        revision="0",
        architecture=type(model).__name__,
        parameters=model.num_parameters(),
        context_length=CONTEXT,
        layers=3,
        device=torch.device("cpu"),
        dtype=dtype,
        reason="On the CPU for a test; as asked.",
        nbytes=model.num_parameters() * dtype.itemsize,
    )


@pytest.fixture(autouse=True)
def _models_are_tried_here(request: pytest.FixtureRequest) -> Iterator[None]:
    """No process of their own for tiny models, but where that is what is tested."""
    with nullcontext() if request.path.parent.name == "loading" else trying.here():
        yield


@pytest.fixture(scope="session", autouse=True)
def _models_are_read_once() -> Iterator[None]:
    """An engine that loads the bytes of a model that was loaded before is given a copy of that one: reading
    it and trying it out takes longer than most tests do with it. `tests/engine/llm/loading` loads them."""
    known: dict[tuple[str, str, str], LoadedModel] = {}

    def copied(source: str, device: str, dtype: str, digests: Digests) -> LoadedModel:
        place = locate(source, weights=False)
        key = revision(place, digests), device, dtype
        if key not in known:
            known[key] = load(source, device, dtype, digests)
        found = known[key]
        return replace(found, model=copy.deepcopy(found.model), source=place.source, name=place.name)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loaded_models, "load", copied)
        yield


@pytest.fixture
def titles() -> tuple[str, ...]:
    """Ten titles, some with accents, dashes and colons."""
    return TITLES


@pytest.fixture
def demos() -> tuple[Example, ...]:
    """Three demonstrations of different lengths, one of them disliked."""
    return (
        Example(TITLES[:3], TITLES[3], True),
        Example(TITLES[4:5], TITLES[5], False),
        Example(TITLES[1:4], TITLES[6]),
    )


@pytest.fixture
def loaded() -> Callable[..., LoadedModel]:
    """make_loaded(family, tokenizer, dtype)."""
    return make_loaded


@pytest.fixture
def tokenizer() -> Callable[[str], PreTrainedTokenizerFast]:
    """make_tokenizer(name)."""
    return make_tokenizer


@pytest.fixture(scope="session")
def saved_model(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Path]:
    """A tiny model with its tokenizer as a Hugging Face folder, written once. Shared: do not change it."""
    home = tmp_path_factory.mktemp("models")

    @cache
    def save(family: str, tokenizer: str) -> Path:
        folder = home / f"{family}-{tokenizer}"
        loaded = make_loaded(family, tokenizer)
        loaded.model.save_pretrained(folder)
        loaded.tokenizer.save_pretrained(folder)
        return folder

    return save


@pytest.fixture
def model_folder(tmp_path: Path, saved_model: Callable[[str, str], Path]) -> Callable[..., Path]:
    """A copy of a saved model, for this test alone."""

    def copied(family: str = "llama", tokenizer: str = "bpe") -> Path:
        folder = tmp_path / f"{family}-{tokenizer}"
        return shutil.copytree(saved_model(family, tokenizer), folder, dirs_exist_ok=True)

    return copied
