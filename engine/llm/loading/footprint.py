"""How much memory a prompt will take, estimated before it is run.

Knows a loaded model's shape and token counts. What comes after the prompt runs in micro-batches of bounded
size (scoring/memory.py); the prompt itself cannot be halved, so it is refused before anything is lost.
"""

import torch

from db.errors import OutOfMemory
from engine.llm.loading.load import LoadedModel
from engine.llm.loading.precision import available_bytes


def key_value_bytes(loaded: LoadedModel, tokens: int) -> int:
    """Bytes of the keys and values of so many tokens on all layers."""
    text = loaded.model.config.get_text_config()
    heads = int(text.num_attention_heads)
    shared = int(getattr(text, "num_key_value_heads", None) or heads)
    size = int(getattr(text, "head_dim", None) or text.hidden_size // heads)
    return 2 * loaded.layers * shared * size * tokens * loaded.dtype.itemsize


def pass_bytes(loaded: LoadedModel, tokens: int) -> int:
    """Bytes that one pass over so many tokens holds at its widest, inside one layer; a generous estimate."""
    text = loaded.model.config.get_text_config()
    hidden = int(text.hidden_size)
    wide = getattr(text, "intermediate_size", None) or getattr(text, "ffn_dim", None) or 4 * hidden
    # Residual, normed input, q, k, v and output, beside a gated feed-forward's two halves and product.
    return tokens * (8 * hidden + 3 * int(wide)) * max(loaded.dtype.itemsize, 4)


def check_room(loaded: LoadedModel, tokens: int, fed: int) -> None:
    """Raises OutOfMemory where a prompt of `tokens` tokens, `fed` of them in one pass, will not fit.

    Counted twice: the keys and values, as a prompt is put together from its parts.
    """
    needed = 2 * key_value_bytes(loaded, tokens) + pass_bytes(loaded, fed)
    free = available_bytes(loaded.device) + _held(loaded.device)
    if needed > free:
        raise OutOfMemory(
            f"A prompt of {tokens:,} tokens needs about {needed / 2**30:.2f} GiB on {loaded.device} and "
            f"{free / 2**30:.2f} GiB are free. Nothing was run: use fewer demonstrations, a shorter "
            "history or a smaller model."
        )


def _held(device: torch.device) -> int:
    """Bytes that torch keeps on a GPU without using them."""
    if device.type != "cuda":
        return 0
    return torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
