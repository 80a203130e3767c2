"""A GGUF file written from a Llama model in memory, as llama.cpp's converter would."""

import json
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Kind

from engine.llm.loading.load import LoadedModel

_NAMES = {
    "model.embed_tokens.weight": "token_embd.weight",
    "model.norm.weight": "output_norm.weight",
    "lm_head.weight": "output.weight",
}
_PARTS = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}
_CONTROL, _NORMAL, _UNUSED = 3, 1, 5


def write(made: LoadedModel, path: Path, kind: Kind = Kind.F32, **says: Any) -> Path:
    """Write the model and its byte-level tokenizer. `kind`: of matrices whose rows it can hold. `says`: keys
    of the metadata to add, texts only; a value None leaves a usual key out."""
    config = made.model.config
    writer = gguf.GGUFWriter(path, says.pop("architecture", "llama"))
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_rope_dimension_count(config.hidden_size // config.num_attention_heads)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_vocab_size(config.vocab_size)
    writer.add_string("general.name", "tiny")
    _add_tokenizer(writer, made, config.vocab_size, says.pop("pre", "default"))
    for key, value in says.items():
        writer.add_string(key.replace("__", "."), value)
    for name, tensor in made.model.state_dict().items():
        values = tensor.float().numpy()
        if "q_proj" in name:
            values = _permuted(values, config.num_attention_heads)
        if "k_proj" in name:
            values = _permuted(values, config.num_key_value_heads)
        _add(writer, _name(name), values, kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _add_tokenizer(writer: gguf.GGUFWriter, made: LoadedModel, size: int, pre: str) -> None:
    tokenizer = made.tokenizer
    words = {index: token for token, index in tokenizer.get_vocab().items()}
    special = set(tokenizer.all_special_ids)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list([words.get(index, f"[PAD{index}]") for index in range(size)])
    writer.add_token_types(
        [
            _UNUSED if index not in words else _CONTROL if index in special else _NORMAL
            for index in range(size)
        ]
    )
    merges = json.loads(tokenizer.backend_tokenizer.to_str())["model"]["merges"]
    writer.add_token_merges([" ".join(pair) for pair in merges])
    writer.add_bos_token_id(tokenizer.bos_token_id)
    writer.add_eos_token_id(tokenizer.eos_token_id)
    writer.add_pad_token_id(tokenizer.pad_token_id)
    writer.add_add_bos_token(False)
    if tokenizer.chat_template:
        writer.add_chat_template(tokenizer.chat_template)


def _name(name: str) -> str:
    if name in _NAMES:
        return _NAMES[name]
    _, _, layer, *part, last = name.split(".")
    return f"blk.{layer}.{_PARTS['.'.join(part)]}.{last}"


def _permuted(values: np.ndarray, heads: int) -> np.ndarray:
    """llama.cpp turns pairs of a head's dimensions that lie side by side; transformers halves of a head."""
    rows, columns = values.shape
    return values.reshape(heads, 2, rows // heads // 2, columns).swapaxes(1, 2).reshape(rows, columns)


def _add(writer: gguf.GGUFWriter, name: str, values: np.ndarray, kind: Kind) -> None:
    block = gguf.GGML_QUANT_SIZES[kind][0]
    if values.ndim < 2 or values.shape[1] % block or kind == Kind.F32:
        writer.add_tensor(name, np.ascontiguousarray(values, np.float32))
        return
    packed = gguf.quants.quantize(values, kind)
    writer.add_tensor(name, packed, raw_dtype=kind)
