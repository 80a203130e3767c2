"""The one attention function of the engine: sees q, k, v of every layer and gates demonstrations.

Registered with transformers' AttentionInterface (and its mask twin) as "dualens", so one function serves
every architecture that uses the interface and nothing is patched. What it does in a forward pass is set by
the `Pass` that is active around it:

- no `Pass`, or one that asks for nothing special: plain causal attention through torch's SDPA kernel;
- otherwise: exact softmax attention of `[rows, H, S]` queries over a prefix all rows share (its keys and
  values stand in memory once) and over each row's own causal suffix, with `log alpha_b` added to the scores
  of demonstration b's tokens wherever the query token is not itself in b. Differentiable in alpha.

alpha_b is demonstration b's sample weight in the dual model's gradient step (arXiv 2504.04386, and
engine/lrgd/dual.py): 1 plain, 0 removed (a score of -inf), 2 twice as strong.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import AttentionInterface, AttentionMaskInterface

from db.errors import ModelError

NAME = "dualens"
_BAND = 512  # queries per block where a sliding window binds; keeps the mask at _BAND x (_BAND + window)


@dataclass(frozen=True)
class Seen:
    """What one layer's kernel saw and gave back.

    query [R, H, S, d]; keys, values [R or 1, Hkv, T + S, d] (T shared prefix tokens first); output
    [R, H, S, dv]; weights [R, H, S, T + S] or None where SDPA's kernel ran; scale multiplies q.k.
    """

    layer: int
    query: Tensor
    keys: Tensor
    values: Tensor
    output: Tensor
    weights: Tensor | None
    scale: float
    window: int | None


@dataclass
class Pass:
    """What the lens should do during one forward pass.

    prefix_keys, prefix_values: per layer [1, Hkv, T, d], shared by all rows; empty for none.
    key_owners [T + S]: demonstration of each key token, -1 for none. query_owners [S]: of each query token.
    log_alpha [R or 1, k]: gate, None for plain. keep: collect this pass's own keys and values.
    """

    prefix_keys: list[Tensor] = field(default_factory=list)
    prefix_values: list[Tensor] = field(default_factory=list)
    key_owners: Tensor | None = None
    query_owners: Tensor | None = None
    log_alpha: Tensor | None = None
    keep: bool = False
    observe: Callable[[Seen], None] | None = None
    keys: dict[int, Tensor] = field(default_factory=dict)
    values: dict[int, Tensor] = field(default_factory=dict)
    _bias: dict[int | None, Tensor] = field(default_factory=dict)

    def bias(self, shared: int, own: int, window: int | None, like: Tensor) -> Tensor:
        """Additive scores [R or 1, S, T + S]: -inf outside the causal window, log alpha on gated edges."""
        if window not in self._bias:
            self._bias[window] = self._gate(like, _causal(shared, own, window, like))
        return self._bias[window]

    def _gate(self, like: Tensor, mask: Tensor) -> Tensor:
        if self.log_alpha is None or self.key_owners is None or self.query_owners is None:
            return mask
        nothing = self.log_alpha.new_zeros(self.log_alpha.shape[0], 1)
        table = torch.cat([self.log_alpha, nothing], dim=1).to(like.dtype)  # owner -1 reads the last column
        gate = table[:, self.key_owners][:, None, :]  # [R, 1, T + S]
        if bool((self.query_owners >= 0).any()):
            own = self.query_owners[:, None] == self.key_owners[None, :]  # [S, T + S]
            gate = torch.where(own & (self.query_owners >= 0)[:, None], gate.new_zeros(()), gate)
        return gate + mask


_active: ContextVar[Pass | None] = ContextVar("dualens_pass", default=None)


@contextmanager
def looking(current: Pass) -> Iterator[Pass]:
    """Makes `current` the pass that the lens follows inside the block."""
    token = _active.set(current)
    try:
        yield current
    finally:
        _active.reset(token)


def _causal(shared: int, own: int, window: int | None, like: Tensor) -> Tensor:
    """[1, S, T + S]: 0 where a suffix token may look, -inf elsewhere."""
    at = torch.arange(shared, shared + own, device=like.device)[:, None]
    key = torch.arange(shared + own, device=like.device)[None, :]
    hidden = key > at
    if window is not None:
        hidden = hidden | (at - key >= window)
    return torch.zeros(own, shared + own, dtype=like.dtype, device=like.device).masked_fill_(
        hidden, float("-inf")
    )[None]


def _refuse(extra: dict) -> None:
    for name, what in (
        ("softcap", "tanh soft-capping of attention scores"),
        ("s_aux", "attention sinks"),
        ("position_bias", "an additive position bias"),
    ):
        if extra.get(name) is not None:
            raise ModelError(
                f"This model's attention uses {what}, under which the dual-model identities do not hold. "
                "Choose a model with plain softmax attention (Llama, Qwen2, Qwen3, Mistral, Phi3, GPT-NeoX, "
                "GPT-2, OPT and their relatives)."
            )


def attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    sliding_window: int | None = None,
    **extra: object,
) -> tuple[Tensor, None]:
    """The registered function. query [R, H, S, d], key and value [R, Hkv, S, d]; returns [R, S, H, dv]."""
    _refuse(extra)
    if attention_mask is not None or key.shape[2] != query.shape[2]:
        raise ModelError(
            "The lens attends over whole unpadded suffixes; call it without a mask and with use_cache=False."
        )
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    current = _active.get() or Pass()
    layer = int(getattr(module, "layer_idx"))  # noqa: B009 - every attention module of the interface has one
    if current.keep:
        current.keys[layer], current.values[layer] = key, value
    if not current.prefix_keys and current.log_alpha is None:
        output, weights = _plain(query, key, value, scale, sliding_window), None
        keys, values = key, value
    else:
        output, weights = _shared(current, layer, query, key, value, scale, sliding_window)
        keys, values = _whole(current, layer, key, value) if current.observe else (key, value)
    if current.observe:
        current.observe(Seen(layer, query, keys, values, output, weights, scale, sliding_window))
    return output.transpose(1, 2).contiguous(), None


def _whole(current: Pass, layer: int, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
    if not current.prefix_keys:
        return key, value
    shared_k, shared_v = current.prefix_keys[layer], current.prefix_values[layer]
    rows = key.shape[0]
    return (
        torch.cat([shared_k.expand(rows, -1, -1, -1), key], dim=2),
        torch.cat([shared_v.expand(rows, -1, -1, -1), value], dim=2),
    )


def _plain(query: Tensor, key: Tensor, value: Tensor, scale: float, window: int | None) -> Tensor:
    """Causal SDPA without a T x T mask; where a sliding window binds, block by block."""
    grouped = query.shape[1] != key.shape[1]
    length = query.shape[2]
    if window is None or length <= window:
        return functional.scaled_dot_product_attention(
            query, key, value, is_causal=length > 1, scale=scale, enable_gqa=grouped
        )
    blocks = []
    for start in range(0, length, _BAND):
        stop, first = min(start + _BAND, length), max(0, start - window + 1)
        at = torch.arange(start, stop, device=query.device)[:, None]
        seen = torch.arange(first, stop, device=query.device)[None, :]
        mask = (seen <= at) & (at - seen < window)  # [block, block + window]
        blocks.append(
            functional.scaled_dot_product_attention(
                query[:, :, start:stop],
                key[:, :, first:stop],
                value[:, :, first:stop],
                attn_mask=mask,
                scale=scale,
                enable_gqa=grouped,
            )
        )
    return torch.cat(blocks, dim=2)


def _shared(
    current: Pass, layer: int, query: Tensor, key: Tensor, value: Tensor, scale: float, window: int | None
) -> tuple[Tensor, Tensor | None]:
    """Exact attention over shared prefix + own suffix; for the prefix, rows fold into the query length."""
    rows, heads, own, size = query.shape
    kv_heads = key.shape[1]
    group = heads // kv_heads
    # Scores and softmax in at least float32, as flash kernels keep them; float64 stays float64.
    work = torch.promote_types(query.dtype, torch.float32)
    q = query.reshape(rows, kv_heads, group * own, size).to(work) * scale
    scores = q @ key.to(work).transpose(-1, -2)  # [R, Hkv, G*S, S]
    shared = 0
    if current.prefix_keys:
        prefix_k, prefix_v = current.prefix_keys[layer][0], current.prefix_values[layer][0]  # [Hkv, T, d]
        shared = prefix_k.shape[1]
        folded = q.transpose(0, 1).reshape(kv_heads, rows * group * own, size)
        left = folded @ prefix_k.to(work).transpose(-1, -2)  # [Hkv, R*G*S, T]
        left = left.view(kv_heads, rows, group * own, shared).transpose(0, 1)
        scores = torch.cat([left, scores], dim=-1)
    scores = scores.view(rows, kv_heads, group, own, shared + own)
    bias = current.bias(shared, own, window, scores)  # [R or 1, S, T+S]
    weights = torch.softmax(scores + bias[:, None, None], dim=-1).to(value.dtype)
    weights = weights.view(rows, kv_heads, group * own, shared + own)
    output = weights[..., shared:] @ value  # [R, Hkv, G*S, dv]
    if shared:
        folded = weights[..., :shared].transpose(0, 1).reshape(kv_heads, rows * group * own, shared)
        left = (folded @ prefix_v).view(kv_heads, rows, group * own, -1)
        output = output + left.transpose(0, 1)
    seen = weights.view(rows, heads, own, shared + own) if current.observe else None
    return output.reshape(rows, heads, own, -1), seen


def _no_mask(*_: object, attention_mask: Tensor | None = None, **__: object) -> None:
    """The mask twin: the lens masks by position itself, so no T x T mask is ever built."""
    if attention_mask is not None and not bool(attention_mask.all()):
        raise ModelError("The lens takes unpadded rows: call the model without an attention mask.")


def register() -> None:
    """Makes "dualens" known to transformers; safe to call again."""
    AttentionInterface.register(NAME, attention)
    AttentionMaskInterface.register(NAME, _no_mask)
