"""A model's configuration: read, and refused where its numbers are impossible or the engine cannot treat
the architecture exactly. Bounds are checked before anything is built from it.

Raises ModelError with the field, its value and what to do.
"""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from transformers import AutoConfig, PretrainedConfig
from transformers.models.auto.configuration_auto import CONFIG_MAPPING
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from db.errors import ModelError
from engine.llm.loading import quantized
from engine.llm.loading.folder import CONFIG, line_of, read_json
from engine.llm.loading.precision import DTYPES

PROVEN = "Llama, Qwen2, Qwen3, Mistral, Phi3, GPT-NeoX, GPT-2 and OPT"
_PROMPT = 32  # tokens; less is no prompt
_TOKENS, _WIDTH = 1 << 27, 1 << 20
# What sizes may be, lowest and highest, under every name that architectures have for them. The highest are
# several times those of the largest models there are.
_BOUNDS = {
    (1, 512): ("num_hidden_layers", "n_layer", "n_layers", "num_layers"),
    (1, 4096): ("num_attention_heads", "n_head", "n_heads", "num_key_value_heads", "head_dim"),
    (1, 1 << 18): ("hidden_size", "n_embd", "d_model", "word_embed_proj_dim"),
    (1, _WIDTH): ("intermediate_size", "ffn_dim", "n_inner", "moe_intermediate_size"),
    (1, 1 << 24): ("vocab_size",),
    (0, 1 << 16): ("num_experts", "num_local_experts", "n_routed_experts", "num_experts_per_tok"),
    (_PROMPT, _TOKENS): ("max_position_embeddings", "n_positions", "n_ctx", "max_sequence_length"),
}
_LENGTHS = ("max_position_embeddings", "n_positions", "max_sequence_length", "seq_length")


def read_config(folder: Path, source: str, *, packed: bool = False) -> PretrainedConfig:
    """The configuration of the model in a folder, which errors call `source`. `packed`: of what the model is
    once its quantized weights are computed back, instead of refusing them."""
    path = folder / CONFIG
    raw = read_json(path)
    _check_kind(raw, source)
    for key, value in _fields(raw):
        _check_bounds(path, key, value)
    told = raw.get(quantized.KEY)
    if told and not packed:
        raise ModelError(
            quantized.refusal(source, told)
            or f"{source} is quantized ({quantized.method_of(told)}). Register its folder, which computes "
            "the weights back to plain numbers: dualens models --add FOLDER (of a hub id: hf download ID "
            "--local-dir FOLDER)."
        )
    config = _built(path, raw)
    _check_attention(config.get_text_config(), source)
    _check_shape(path, config.get_text_config())
    return config


def context_length(config: PretrainedConfig) -> int:
    """Tokens a prompt may have. RoPE that changes with the length is used only up to where it is constant."""
    text = config.get_text_config()
    sizes = [size for n in _LENGTHS if isinstance(size := getattr(text, n, None), int) and size > 0]
    length = sizes[0] if sizes else 2048  # none, or -1, is any length
    rope = getattr(text, "rope_parameters", None) or {}
    if rope.get("rope_type") in ("dynamic", "longrope"):
        original = rope.get("original_max_position_embeddings") or getattr(
            text, "original_max_position_embeddings", None
        )
        length = min(length, int(original or length))
    return length


def _check_kind(raw: dict, source: str) -> None:
    kind = raw.get("model_type")
    if not isinstance(kind, str) or kind not in CONFIG_MAPPING:
        if raw.get("auto_map"):
            raise ModelError(
                f"{source} works only with Python code that comes with the model (auto_map in its "
                f"config.json), and Dualens never runs a model's own code. Supported are {PROVEN} models."
            )
        raise ModelError(
            f"{source} has the unknown architecture {_short(kind)} (model_type in config.json). "
            f"Supported are {PROVEN} models, and others built on transformers' attention interface."
        )
    if kind not in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        raise ModelError(
            f"{source} is a '{kind}' model, which is not a causal language model. "
            f"Supported are {PROVEN} models."
        )


def _fields(raw: dict) -> Iterator[tuple[str, Any]]:
    """Every named value, also of the parts that a configuration may have."""
    for key, value in raw.items():
        yield key, value
        if isinstance(value, dict):
            yield from _fields(value)


def _check_bounds(path: Path, key: str, value: Any) -> None:
    for (low, high), names in _BOUNDS.items():
        if key not in names or value is None:
            continue
        for size in value if isinstance(value, list) else [value]:
            if isinstance(size, bool) or not isinstance(size, int) or not low <= size <= high:
                raise ModelError(
                    f"{path} says {key} = {_short(value)}; it must be a whole number from {low:,} to "
                    f"{high:,}. Nothing was loaded: correct it, or fetch the model again."
                )


def _built(path: Path, raw: dict) -> PretrainedConfig:
    """transformers' own reading. Left out are how its weights were quantized, and a dtype that is spelled in
    another way: the engine chooses its own."""
    folder = path.parent
    try:
        with tempfile.TemporaryDirectory(prefix="dualens-") as place:
            if (plain := _plain(raw)) != raw:
                folder = Path(place)
                (folder / CONFIG).write_text(json.dumps(plain), encoding="utf-8")
            return AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    except Exception as error:  # a configuration of any class may fail in any way
        raise ModelError(f"{path} cannot be used: {line_of(error)}.") from error


def _plain(raw: dict) -> dict:
    kept = {}
    for key, value in raw.items():
        odd = key in ("dtype", "torch_dtype") and not (isinstance(value, str) and value in DTYPES)
        if odd or key == quantized.KEY:
            continue
        kept[key] = _plain(value) if isinstance(value, dict) else value
    return kept


def _check_attention(text: PretrainedConfig, source: str) -> None:
    odd = set(map(str, getattr(text, "layer_types", None) or ())) - {"full_attention", "sliding_attention"}
    if odd:
        raise ModelError(
            f"{source} has layers of type {', '.join(sorted(odd))}; the lens needs plain softmax "
            f"attention (full or sliding window). Supported are {PROVEN} models."
        )
    if getattr(text, "attn_logit_softcapping", None):
        raise ModelError(
            f"{source} caps its attention scores (attn_logit_softcapping), under which the dual-model "
            f"identities do not hold. Supported are {PROVEN} models."
        )


def _check_shape(path: Path, text: PretrainedConfig) -> None:
    """What only the numbers together tell, those that config.json leaves to the architecture among them."""
    for names in _BOUNDS.values():
        for name in (name for name in names if name not in _LENGTHS):
            _check_bounds(path, name, getattr(text, name, None))
    hidden, heads = getattr(text, "hidden_size", None), getattr(text, "num_attention_heads", None)
    shared = getattr(text, "num_key_value_heads", None)
    if not isinstance(hidden, int) or not isinstance(heads, int):
        raise ModelError(f"{path} does not say one hidden_size and one num_attention_heads.")
    if isinstance(shared, int) and heads % shared:
        raise ModelError(
            f"{path} says num_attention_heads = {heads}, which is no multiple of num_key_value_heads = "
            f"{shared}."
        )
    if not _PROMPT <= (length := context_length(text)) <= _TOKENS:
        raise ModelError(f"{path} gives prompts {length:,} tokens; at least {_PROMPT} are needed.")


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
