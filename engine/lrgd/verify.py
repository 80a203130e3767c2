"""Checks the identities of `dual` against what a layer's attention kernel really gave.

Takes recorded tensors, gives numbers; knows no model.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from engine.lrgd import dual

# Largest relative error that still counts as equal: the rounding of the layer's own kernel in its dtype.
TOLERANCE = {torch.float64: 1e-12, torch.float32: 1e-5, torch.bfloat16: 1e-2, torch.float16: 2e-3}


@dataclass(frozen=True)
class LayerRecord:
    """One layer at S positions. query [H, S, d]; keys, values [Hkv, n, d]; output [H, S, dv]; positions [S].

    `zero_shot` [H, S, dv] is the same layer's output in a run whose query could not see the demonstrations.
    """

    layer: int
    query: Tensor
    keys: Tensor
    values: Tensor
    output: Tensor
    zero_shot: Tensor
    positions: Tensor
    scale: float
    window: int | None


@dataclass(frozen=True)
class LayerCheck:
    """Relative errors ||rebuilt - output|| / ||output|| of one layer, largest over its heads.

    `zero_shot_gap`: ||o_T - o_zero|| / ||o_zero||, how far this layer's own zero-shot output (form B's
    W0 phi(q)) is from the true zero-shot run. 0 in the first layer; later layers' inputs carry the
    demonstrations already, which is why the identity is per layer and not a statement about the whole model.
    """

    layer: int
    form_a: float
    form_b: float
    form_c: float
    zero_shot_gap: float


def check_layer(
    record: LayerRecord, owners: Tensor, demonstrations: int, alpha: Tensor | None = None
) -> LayerCheck:
    """Rebuilds a layer's output from its dual model, one per KV head, tested at each of its query heads.

    owners [n]: demonstration of each token or -1. alpha [k]: the sample weights under which the output was
    recorded, None: all 1. Computed in float64 whatever the model's dtype, so the
    error is the kernel's own rounding.
    """
    parts = split(record, owners, demonstrations)
    truth = record.output.double()
    return LayerCheck(
        layer=record.layer,
        form_a=relative(dual.output_a(parts, alpha), truth),
        form_b=relative(dual.output_b(parts, alpha), truth),
        form_c=relative(dual.output_c(parts, alpha), truth),
        zero_shot_gap=relative(parts.out_rest, record.zero_shot.double()),
    )


def split(record: LayerRecord, owners: Tensor, demonstrations: int) -> dual.Dual:
    """The dual model of one layer at its S positions: leading dimensions [H, S]."""
    heads = record.query.shape[0]
    group = heads // record.keys.shape[0]
    keys = record.keys.double().repeat_interleave(group, dim=0)[:, None]  # [H, 1, n, d]
    values = record.values.double().repeat_interleave(group, dim=0)[:, None]
    seen = torch.arange(keys.shape[2], device=keys.device)[None]
    visible = seen <= record.positions[:, None]  # [S, n]
    if record.window is not None:
        visible = visible & (record.positions[:, None] - seen < record.window)
    return dual.decompose(
        record.query.double(), keys, values, owners, demonstrations, record.scale, visible[None]
    )


def relative(output: Tensor, truth: Tensor) -> float:
    """||output - truth|| / ||truth|| per head over positions and channels [H, S, d], the largest head's."""
    gap = (output - truth).flatten(1).norm(dim=1)
    return float((gap / truth.flatten(1).norm(dim=1).clamp_min(1e-300)).max())
