"""Exact softmax attention of many rows over one shared prefix and over keys of each row's own.

Nothing is held but q, k, v and the output: scores exist for one part (a few rows of one head) at a time, so
that on a processor they stay in its cache, and are computed again for the gradient. Adding `log alpha_b` to
the scores of demonstration b's tokens is done by the product q.k itself: `gated` gives the query one more
channel per demonstration, which holds log alpha_b, and `owned` the key, which holds 1 for its owner.
"""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from engine.llm.attention.linear import available, product

_PART = {"cpu": 1 << 19}  # scores of one part: what a core's cache holds; elsewhere all at once
_REMOVED = -1e30  # log 0 as a score: it may be multiplied by 0, and its exponential is exactly 0


def gated(query: Tensor, gate: Tensor | None, owners: Tensor) -> Tensor:
    """query [R, H, S, d] with k more channels, or as it is without a gate.

    gate [R or 1, k]: log alpha. owners [S]: demonstration of each query token, whose own gate it passes.
    """
    if gate is None:
        return query
    open_to = functional.one_hot(owners + 1, gate.shape[1] + 1)[:, 1:].bool()  # [S, k]
    extra = torch.where(open_to, 0.0, gate.clamp_min(_REMOVED).to(query.dtype)[:, None])  # [R or 1, S, k]
    return torch.cat([query, extra[:, None].expand(*query.shape[:3], -1)], dim=-1)


def owned(key: Tensor, demonstrations: int, owners: Tensor) -> Tensor:
    """key [R, H, n, d] with one more channel per demonstration; owners [n], -1 for none."""
    if not demonstrations:
        return key
    extra = functional.one_hot(owners + 1, demonstrations + 1)[:, 1:].to(key.dtype)
    return torch.cat([key, extra.expand(*key.shape[:2], -1, -1)], dim=-1)


def attend(
    query: Tensor, key: Tensor, value: Tensor, shared_key: Tensor, shared_value: Tensor, mask: Tensor
) -> Tensor:
    """Output [R, H, S, dv]. query [R, H, S, e] is scaled; key [R, Hkv, O, e] and value [R, Hkv, O, dv].

    shared_key [Hkv, T, e], shared_value [Hkv, T, dv] (T may be 0): of all rows, taken as constants by the
    gradient. mask [R or 1, S, n], n = O or T + O: added to the last n scores.
    """
    return _Attend.apply(query, key, value, shared_key, shared_value, mask)  # type: ignore[return-value]


def weights(query: Tensor, key: Tensor, shared_key: Tensor, mask: Tensor) -> Tensor:
    """What `attend` weighs values with [R, H, S, T + O], without a graph."""
    total = shared_key.shape[1] + key.shape[2]
    found = query.new_empty(*query.shape[:3], total)
    folded = _folded(found, key.shape[1])
    for r, h in _parts(query, key, total):
        folded[r, h] = _weights(_folded(query, key.shape[1])[r, h], key[r, h], shared_key[h], _of(mask, r))
    return found


class _Attend(torch.autograd.Function):
    @staticmethod
    def forward(  # type: ignore[override]
        ctx, query: Tensor, key: Tensor, value: Tensor, shared_key: Tensor, shared_value: Tensor, mask: Tensor
    ) -> Tensor:
        ctx.save_for_backward(query, key, value, shared_key, shared_value, mask)
        heads, shared = key.shape[1], shared_key.shape[1]
        output = value.new_empty(*query.shape[:3], value.shape[-1])
        asked, given = _folded(query, heads), _folded(output, heads)
        for r, h in _parts(query, key, shared + key.shape[2]):
            found = _weights(asked[r, h], key[r, h], shared_key[h], _of(mask, r)).to(value.dtype)
            torch.matmul(found[..., shared:], value[r, h], out=given[r, h])
            if shared:
                given[r, h] += _over_shared(found[..., :shared], shared_value[h].transpose(-1, -2))
        return output

    @staticmethod
    @once_differentiable
    def backward(ctx, slope: Tensor):  # type: ignore[override]
        query, key, value, shared_key, shared_value, mask = ctx.saved_tensors
        heads, shared = key.shape[1], shared_key.shape[1]
        slopes = torch.empty_like(query), torch.empty_like(key), torch.empty_like(value)
        asked, pushed, given = (_folded(t, heads) for t in (query, slope.contiguous(), slopes[0]))
        for r, h in _parts(query, key, shared + key.shape[2]):
            found = _weights(asked[r, h], key[r, h], shared_key[h], _of(mask, r))
            onto = torch.empty_like(found)  # slopes of the weights, then of the scores
            onto[..., shared:] = pushed[r, h] @ value[r, h].transpose(-1, -2)
            if shared:
                onto[..., :shared] = _over_shared(pushed[r, h], shared_value[h])
            onto = torch.ops.aten._softmax_backward_data(onto, found, -1, found.dtype)
            torch.matmul(onto[..., shared:], key[r, h], out=given[r, h])
            if shared:
                given[r, h] += _over_shared(onto[..., :shared], shared_key[h].transpose(-1, -2))
            slopes[1][r, h] = onto[..., shared:].transpose(-1, -2) @ asked[r, h]
            slopes[2][r, h] = found[..., shared:].to(value.dtype).transpose(-1, -2) @ pushed[r, h]
        return *slopes, None, None, None


def _folded(tensor: Tensor, heads: int) -> Tensor:
    """[R, H, S, d] as [R, Hkv, G*S, d]: the G query heads of one key head side by side."""
    return tensor.reshape(tensor.shape[0], heads, -1, tensor.shape[-1])


def _parts(query: Tensor, key: Tensor, total: int) -> Iterator[tuple[slice, slice]]:
    """Slices of rows and of key heads that are computed together."""
    rows, heads = key.shape[:2]
    each = query.shape[1] * query.shape[2] * total // heads  # scores of one row at one key head
    limit = _PART.get(query.device.type, rows * heads * each)
    if rows * heads * each <= limit:
        yield slice(None), slice(None)
        return
    step = max(1, limit // each)
    for h in range(heads):
        for r in range(0, rows, step):
            yield slice(r, r + step), slice(h, h + 1)


def _of(mask: Tensor, rows: slice) -> Tensor:
    return mask if len(mask) == 1 else mask[rows]


def _weights(query: Tensor, key: Tensor, shared_key: Tensor, mask: Tensor) -> Tensor:
    """Softmax [r, h, G*S, T + O]: query [r, h, G*S, e], key [r, h, O, e], shared_key [h, T, e]."""
    shared, total = shared_key.shape[1], shared_key.shape[1] + key.shape[2]
    scores = query.new_empty(*query.shape[:3], total)
    scores[..., shared:] = query @ key.transpose(-1, -2)
    if shared:
        scores[..., :shared] = _over_shared(query, shared_key)
    by_token = scores.view(*query.shape[:2], -1, mask.shape[1], total)  # [r, h, G, S, T + O]
    by_token[..., -mask.shape[-1] :] += mask[:, None, None]
    return torch.softmax(scores, dim=-1, out=scores)


def _over_shared(left: Tensor, right: Tensor) -> Tensor:
    """left [r, h, n, e] times right [h, m, e] transposed: [r, h, n, m], all rows as one product per head."""
    rows, heads, n, _ = left.shape
    if heads == 1 and available(left.device, left.dtype):
        return product(left.reshape(rows * n, -1), right[0]).view(rows, 1, n, -1)
    folded = left.transpose(0, 1).reshape(heads, rows * n, -1) @ right.transpose(-1, -2)
    return folded.view(heads, rows, n, -1).transpose(0, 1)
