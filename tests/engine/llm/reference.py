"""Independent references: stock attention over whole prompts, with masks written out edge by edge."""

from collections.abc import Sequence

import torch
from torch import Tensor

from engine.llm.loading.agreement import own_attention
from engine.llm.loading.load import LoadedModel


def windows(loaded: LoadedModel) -> list[int | None]:
    """Each layer's sliding window."""
    config = loaded.model.config
    window = getattr(config, "sliding_window", None)
    types = getattr(config, "layer_types", None)
    if types and loaded.name.startswith("qwen"):
        return [window if kind == "sliding_attention" else None for kind in types]
    return [window] * loaded.layers


def gated_mask(
    owners: Sequence[int], alpha: Sequence[float] | None, window: int | None, mode: str, dtype: torch.dtype
) -> Tensor:
    """[1, 1, n, n] additive: causal, windowed, log alpha_b on edges into demonstration b from outside it."""
    own = torch.tensor(owners)
    at = torch.arange(len(own))
    gap = at[:, None] - at[None, :]
    visible = (gap >= 0) & (gap < (len(own) if window is None else window))
    factor = torch.ones(len(own), len(own), dtype=dtype)
    for b, value in enumerate(alpha or ()):
        outside = own != b if mode == "total" else own < 0
        factor[outside[:, None] & (own == b)[None, :]] = value
    return torch.where(visible, factor.log(), float("-inf"))[None, None]


@torch.no_grad()
def stock_logprobs(
    loaded: LoadedModel,
    ids: Sequence[int],
    owners: Sequence[int] | None = None,
    alpha: Sequence[float] | None = None,
    mode: str = "direct",
) -> Tensor:
    """Log-probabilities [n, V] of the next token by the model's own SDPA attention over the whole prompt."""
    tokens = torch.tensor([list(ids)])
    attention_mask = None
    if alpha is not None and owners is not None:
        per_window = {
            w: gated_mask(owners, alpha, w, mode, loaded.dtype) for w in dict.fromkeys(windows(loaded))
        }
        attention_mask = next(iter(per_window.values()))
        if loaded.name == "qwen2":
            attention_mask = {
                "full_attention": per_window[None],
                "sliding_attention": per_window[loaded.model.config.sliding_window],
            }
    with own_attention(loaded.model):
        logits = loaded.model(
            input_ids=tokens,
            attention_mask=attention_mask,
            # OPT would count positions from a 2D mask; without a mask its own default is tested too.
            position_ids=None if attention_mask is None else torch.arange(len(ids))[None],
            use_cache=False,
        ).logits
    return torch.log_softmax(logits[0].double(), dim=-1)


def answer_logprob(
    loaded: LoadedModel,
    prompt: Sequence[int],
    answer: Sequence[int],
    owners: Sequence[int] | None = None,
    alpha: Sequence[float] | None = None,
    mode: str = "direct",
) -> float:
    """Log-probability of an answer after a prompt, by one full forward of both."""
    ids = [*prompt, *answer]
    whole = None if owners is None else [*owners, *([-1] * (len(ids) - len(owners)))]
    found = stock_logprobs(loaded, ids, whole, alpha, mode)
    start = len(prompt)
    return sum(float(found[start + i - 1, token]) for i, token in enumerate(answer))
