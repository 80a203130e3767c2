"""Softmax attention as a dual model trained by one gradient step per demonstration: forms A, B and C.

For one query token, the visible tokens split into k demonstrations D_b and the rest T. With s_j = scale *
q.k_j and p_j = exp(s_j): Z_T and Z_b are the sums of p over T and D_b, Z their total, lam_b = Z_b / Z, and
o_T, o_b are attention over T or D_b alone. Then the layer's output o is, exactly,

- form A (arXiv 2212.10559, 2504.04386): o = (1 - lam) o_T + sum_D a_i v_i; its W0 phi(q) is (1 - lam) o_T;
- form B: o = o_T + sum_b lam_b (o_b - o_T); its W0 phi(q) is o_T, what the layer gives without
  demonstrations;
- form C: y = (W0 + sum_b alpha_b dW_b) phi(q), o = y[:d] / y[d], with W0 = sum_T [v; 1] phi(k)^T and
  dW_b = sum_D_b [v; 1] phi(k)^T, phi(x).phi(y) = exp(x.y). dW_b is one gradient-descent step on
  -(1/eta) sum_D [v; 1]^T W phi(k), and alpha_b the sample weight of demonstration b in that step.

Everything goes through log-sum-exp, so phi is never built. The identities hold for any weights, trained or
not, and per layer on that layer's own inputs: they are bookkeeping, not evidence of learning (arXiv
2310.08540).
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Dual:
    """The parts of one attention output. Leading dimensions `...` are free (heads, positions).

    log_z_rest [...]: log Z_T. log_z_demo [..., k]: log Z_b, -inf for a demonstration out of sight.
    out_rest [..., d]: o_T. out_demo [..., k, d]: o_b, zero for a demonstration out of sight.
    """

    log_z_rest: Tensor
    log_z_demo: Tensor
    out_rest: Tensor
    out_demo: Tensor

    @property
    def shares(self) -> Tensor:
        """lam_b at alpha = 1 [..., k]: the part of the attention that goes to each demonstration."""
        return self.shares_at(None)

    def shares_at(self, alpha: Tensor | None) -> Tensor:
        """lam_b under sample weights alpha [k] (None: all 1)."""
        return torch.softmax(self._logits(alpha), dim=-1)[..., 1:]

    def log_z(self, alpha: Tensor | None = None) -> Tensor:
        """log Z(alpha) [...]."""
        return torch.logsumexp(self._logits(alpha), dim=-1)

    def _logits(self, alpha: Tensor | None) -> Tensor:
        demo = self.log_z_demo if alpha is None else self.log_z_demo + torch.log(alpha)
        return torch.cat([self.log_z_rest[..., None], demo], dim=-1)  # [..., 1 + k]


def decompose(
    query: Tensor,
    keys: Tensor,
    values: Tensor,
    owners: Tensor,
    demonstrations: int,
    scale: float,
    visible: Tensor | None = None,
) -> Dual:
    """Splits attention by demonstration.

    query [..., d]; keys [..., n, d] and values [..., n, dv] (leading dimensions broadcast against the
    query's); owners [n]: demonstration of each token or -1; visible [..., n] bool (default: all).
    """
    scores = scale * (keys @ query[..., None])[..., 0]  # [..., n]
    if visible is not None:
        scores = scores.masked_fill(~visible, float("-inf"))
    log_z, outs = [], []
    for b in range(-1, demonstrations):
        part = scores.masked_fill(owners != b, float("-inf"))
        z = torch.logsumexp(part, dim=-1)
        weights = torch.exp(part - torch.where(z.isinf(), 0.0, z)[..., None])
        log_z.append(z)
        outs.append((weights[..., None, :] @ values)[..., 0, :])
    return Dual(
        log_z[0],
        torch.stack(log_z[1:], dim=-1) if demonstrations else log_z[0][..., None][..., :0],
        outs[0],
        torch.stack(outs[1:], dim=-2) if demonstrations else outs[0][..., None, :][..., :0, :],
    )


def form_a(dual: Dual, alpha: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Form A as (W0 phi(q), dW phi(q)), each [..., d]; their sum is the output."""
    shares = dual.shares_at(alpha)
    initial = (1 - shares.sum(-1, keepdim=True)) * dual.out_rest
    return initial, (shares[..., None] * dual.out_demo).sum(-2)


def form_b(dual: Dual, alpha: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Form B as (W0 phi(q) = o_T, dW phi(q) [..., k, d] per demonstration)."""
    shares = dual.shares_at(alpha)
    return dual.out_rest, shares[..., None] * (dual.out_demo - dual.out_rest[..., None, :])


def form_c(dual: Dual, alpha: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Form C as (W0 phi(q) [..., d + 1], dW_b phi(q) [..., k, d + 1]), alpha_b included in the second.

    Both share one positive factor (exp of minus the largest log Z), which the quotient y[:d] / y[d] cancels.
    """
    logits = dual._logits(alpha)
    z = torch.exp(logits - logits.amax(-1, keepdim=True))  # [..., 1 + k]
    with_one = lambda out: torch.cat([out, torch.ones_like(out[..., :1])], dim=-1)  # noqa: E731
    return z[..., :1] * with_one(dual.out_rest), z[..., 1:, None] * with_one(dual.out_demo)


def output_a(dual: Dual, alpha: Tensor | None = None) -> Tensor:
    """The layer's output by form A [..., d]."""
    initial, step = form_a(dual, alpha)
    return initial + step


def output_b(dual: Dual, alpha: Tensor | None = None) -> Tensor:
    """The layer's output by form B [..., d]."""
    initial, steps = form_b(dual, alpha)
    return initial + steps.sum(-2)


def output_c(dual: Dual, alpha: Tensor | None = None) -> Tensor:
    """The layer's output by form C [..., d]."""
    initial, steps = form_c(dual, alpha)
    y = initial + steps.sum(-2)
    return y[..., :-1] / y[..., -1:]


def slope(dual: Dual, alpha: Tensor) -> Tensor:
    """d o / d alpha_b = (Z_b / Z(alpha)) (o_b - o(alpha)), [..., k, d], for alpha [k] (0 allowed)."""
    ratio = torch.exp(dual.log_z_demo - dual.log_z(alpha)[..., None])
    return ratio[..., None] * (dual.out_demo - output_b(dual, alpha)[..., None, :])


def without(dual: Dual) -> Tensor:
    """The output with b left out, for each b [..., k, d]: o - lam_b / (1 - lam_b) (o_b - o)."""
    shares = dual.shares[..., None]
    whole = output_b(dual)[..., None, :]
    return whole - shares / (1 - shares) * (dual.out_demo - whole)
