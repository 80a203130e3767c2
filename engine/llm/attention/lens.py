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
from typing import Protocol, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import AttentionInterface, AttentionMaskInterface

from db.errors import ModelError
from engine.llm.attention.attend import (
    attend,
    gated,
    owned,
    weights,
)
from engine.progress import give_way

AnyPass = TypeVar("AnyPass", bound="Followed")
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
    row_keys, row_values: per layer [R, Hkv, D, d], of tokens between the prefix and each row's suffix, of no
    demonstration; row_lengths [R]: how many of the D are there. Empty for none.
    branches [S, S]: which suffix tokens each suffix token looks at, where the suffix is a tree of
    continuations, the same in all rows; depths [S]: how many tokens stand before each. None: one line.
    """

    prefix_keys: list[Tensor] = field(default_factory=list)
    prefix_values: list[Tensor] = field(default_factory=list)
    key_owners: Tensor | None = None
    query_owners: Tensor | None = None
    log_alpha: Tensor | None = None
    keep: bool = False
    observe: Callable[[Seen], None] | None = None
    row_keys: list[Tensor] = field(default_factory=list)
    row_values: list[Tensor] = field(default_factory=list)
    row_lengths: Tensor | None = None
    branches: Tensor | None = None
    depths: Tensor | None = None
    keys: dict[int, Tensor] = field(default_factory=dict)
    values: dict[int, Tensor] = field(default_factory=dict)
    _masks: dict[int | None, Tensor] = field(default_factory=dict)

    def mask(self, shared: int, own: int, window: int | None, like: Tensor) -> Tensor:
        """Additive scores [R or 1, S, n]: 0 where a suffix token may look, -inf elsewhere.

        Of the row's own keys alone (n = D + S), or of all (n = T + D + S) where a sliding window binds.
        """
        if window not in self._masks and self.branches is not None and self.depths is not None:
            self._masks[window] = branched(shared, self.branches, self.depths, window, like)
        elif window not in self._masks:
            between = self.row_keys[0].shape[2] if self.row_keys else 0
            binds = window is not None and shared + between + own > window
            shown, window_here = (shared, window) if binds else (0, None)
            self._masks[window] = causal(shown, own, window_here, like, between, self.row_lengths)
        return self._masks[window]

    def attend(
        self, layer: int, query: Tensor, key: Tensor, value: Tensor, scale: float, window: int | None
    ) -> Tensor:
        """query [R, H, S, d], key and value [R, Hkv, S, d]; returns [R, S, H, dv]."""
        if self.keep and layer in self.keys:
            raise not_told_apart()
        if self.keep:
            self.keys[layer], self.values[layer] = key, value
        if self.row_keys:
            key = torch.cat([self.row_keys[layer], key], dim=2)
            value = torch.cat([self.row_values[layer], value], dim=2)
        special = self.prefix_keys or self.row_keys or self.branches is not None
        if not special and self.log_alpha is None:
            output, seen = plain(query, key, value, scale, window), None
            keys, values = key, value
        else:
            output, seen = _shared(self, layer, query, key, value, scale, window)
            keys, values = _whole(self, layer, key, value) if self.observe else (key, value)
        if self.observe:
            self.observe(Seen(layer, query, keys, values, output, seen, scale, window))
        return output.transpose(1, 2)


class Followed(Protocol):
    """A pass that the lens can follow."""

    def attend(
        self, layer: int, query: Tensor, key: Tensor, value: Tensor, scale: float, window: int | None
    ) -> Tensor:
        """One layer's output [R, S, H, dv]: query [R, H, S, d], key and value [R, Hkv, S, d]."""
        ...


_active: ContextVar[Followed | None] = ContextVar("dualens_pass", default=None)


@contextmanager
def looking(current: AnyPass) -> Iterator[AnyPass]:
    """Makes `current` the pass that the lens follows inside the block."""
    token = _active.set(current)
    try:
        yield current
    finally:
        _active.reset(token)


def causal(
    shared: int,
    own: int,
    window: int | None,
    like: Tensor,
    between: int = 0,
    lengths: Tensor | None = None,
) -> Tensor:
    """[R or 1, S, T + D + S]: 0 where a suffix token may look, -inf elsewhere; lengths [R]: of the D."""
    device = like.device
    there = torch.zeros(1, dtype=torch.long, device=device) if lengths is None else lengths
    middle = torch.arange(between, device=device).expand(len(there), -1)
    suffix = there[:, None] + torch.arange(own, device=device)
    before = torch.arange(-shared, 0, device=device).expand(len(there), -1)
    key = torch.cat([before, middle.masked_fill(middle >= there[:, None], 1 << 40), suffix], 1)[:, None]
    hidden = key > suffix[:, :, None]
    if window is not None:
        hidden = hidden | (suffix[:, :, None] - key >= window)
    return torch.zeros(hidden.shape, dtype=like.dtype, device=device).masked_fill_(hidden, float("-inf"))


def branched(shared: int, branches: Tensor, depths: Tensor, window: int | None, like: Tensor) -> Tensor:
    """[1, S, S], or [1, S, T + S] where a sliding window binds: 0 where a token of the tree may look."""
    hidden = ~branches
    if window is not None and shared + int(depths.max()) + 1 > window:
        before = torch.arange(-shared, 0, device=depths.device)
        gap = depths[:, None] - torch.cat([before, depths])[None]
        hidden = torch.cat([hidden.new_zeros(len(hidden), shared), hidden], dim=1) | (gap >= window)
    mask = torch.zeros(hidden.shape, dtype=like.dtype, device=hidden.device)
    return mask.masked_fill_(hidden, float("-inf"))[None]


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
    give_way(query.shape[0] * query.shape[2])  # between two layers: the longest unit of work
    _refuse(extra)
    if isinstance(attention_mask, _Window):
        attention_mask, sliding_window = None, attention_mask.tokens
    if attention_mask is not None or key.shape[2] != query.shape[2]:
        raise ModelError(
            "The lens attends over whole unpadded suffixes; call it without a mask and with use_cache=False."
        )
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    layer = getattr(module, "layer_idx", None)
    if layer is None:
        raise not_told_apart()
    current = _active.get() or Pass()
    return current.attend(layer, query, key, value, scale, sliding_window).contiguous(), None


def not_told_apart() -> ModelError:
    """For a model with layers that attend twice, or that do not say which they are."""
    return ModelError(
        "This model's layers do not each attend once, so the lens cannot tell them apart. Choose a model "
        "with plain softmax attention."
    )


def _whole(current: Pass, layer: int, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
    if not current.prefix_keys:
        return key, value
    shared_k, shared_v = current.prefix_keys[layer], current.prefix_values[layer]
    rows = key.shape[0]
    return (
        torch.cat([shared_k.expand(rows, -1, -1, -1), key], dim=2),
        torch.cat([shared_v.expand(rows, -1, -1, -1), value], dim=2),
    )


def plain(query: Tensor, key: Tensor, value: Tensor, scale: float, window: int | None) -> Tensor:
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
    """Exact attention over shared prefix + own suffix (attend.py), and its weights if observed."""
    heads, own, size = key.shape[1], query.shape[2], query.shape[-1]
    # Scores and softmax in at least float32, as flash kernels keep them; float64 stays float64.
    work = torch.promote_types(query.dtype, torch.float32)
    q, k = query.to(work) * scale, key.to(work)
    before_k, before_v = k.new_empty(heads, 0, size), value.new_empty(heads, 0, value.shape[-1])
    if current.prefix_keys:
        before_k, before_v = current.prefix_keys[layer][0].to(work), current.prefix_values[layer][0]
    shared = before_k.shape[1]
    if current.log_alpha is not None and current.key_owners is not None and current.query_owners is not None:
        many, owners = current.log_alpha.shape[1], current.key_owners
        q = gated(q, current.log_alpha, current.query_owners)
        between = owners.new_full((k.shape[2] - own,), -1)
        k = owned(k, many, torch.cat([between, owners[shared:]]))
        before_k = owned(before_k[None], many, owners[:shared])[0]
    mask = current.mask(shared, own, window, q)
    seen = weights(q, k, before_k, mask) if current.observe else None
    return attend(q, k, value, before_k, before_v, mask), seen


class _Window(Tensor):
    """Stands for a mask that hides all but the last `tokens` tokens, itself included; holds nothing.

    Some models say that a layer's window slides only by the mask they make for it.
    """

    tokens: int


def _no_mask(
    *_: object,
    attention_mask: Tensor | None = None,
    local_size: int | None = None,
    use_vmap: bool = False,
    **__: object,
) -> _Window | None:
    """The mask twin: the lens masks by position itself, so no T x T mask is ever built."""
    if attention_mask is not None and not bool(attention_mask.all()):
        raise ModelError("The lens takes unpadded rows: call the model without an attention mask.")
    if use_vmap:
        raise ModelError(
            "This model's attention is masked in a way of its own, which the lens does not know."
        )
    if local_size is None:
        return None
    window = torch.empty(0).as_subclass(_Window)
    window.tokens = local_size
    return window


def register() -> None:
    """Makes "dualens" known to transformers; safe to call again."""
    AttentionInterface.register(NAME, attention)
    AttentionMaskInterface.register(NAME, _no_mask)
