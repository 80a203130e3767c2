"""How far the dual model's own loss falls through each demonstration's part of its gradient step.

Form C of engine/lrgd/dual.py: the step from W0 is dW = sum_b alpha_b dW_b with
dW_b = sum_D_b [v; 1] phi(k)^T, on the loss L(W) = -(1/eta) sum_b alpha_b sum_D_b [v; 1]^T W phi(k), whose
negative gradient is G = dW / eta. L is linear, so b's part of the step lowers it by exactly
<alpha_b dW_b, G>, and all parts together by <dW, dW> / eta. Divided by that, the step's own size, they are
shares that add up to 1 and know no eta.

With phi(x).phi(y) = exp(scale x.y), <dW_b, dW_c> = sum_ij ([v_i; 1].[v_j; 1]) exp(scale k_i.k_j): phi is
never built. Neither the query nor the target has a part in it: it says which demonstrations the step is made
of, not what helps. Our reading of LRGD's metric (arXiv 2504.04386), whose formula was not available to us.
"""

import torch
from torch import Tensor


def decreases(keys: Tensor, values: Tensor, owners: Tensor, weights: Tensor, scale: float) -> Tensor:
    """Shares [Hkv, k] of the decrease of L, one dual model per KV head; they add up to 1 over k.

    keys [Hkv, n, d] and values [Hkv, n, dv] of the demonstrations' tokens; owners [n]: of which of the k;
    weights [k]: alpha. In float64. 0 where no demonstration has a weight.
    """
    weights = weights.double()
    weight = weights[owners]  # [n]
    there = weight > 0
    found = weights.new_zeros(len(keys), len(weights))
    if not bool(there.any()):
        return found
    weight, owners = weight[there], owners[there]
    for head, (key, value) in enumerate(zip(keys[:, there].double(), values[:, there].double(), strict=True)):
        scores = scale * key @ key.T
        products = (value @ value.T + 1) * torch.exp(scores - scores.max())  # shares cancel the factor
        found[head].index_add_(0, owners, weight * (products @ weight))
    return found / found.sum(1, keepdim=True)
