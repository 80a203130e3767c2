"""Attention as a dual model: the identities on real layer outputs of eight architectures, with teeth."""

import pytest
import torch
from torch import Tensor

from engine.llm.loading.agreement import own_attention
from engine.lrgd import dual
from engine.lrgd.verify import LayerRecord, relative, split
from tests.engine.conftest import FAMILIES, make_loaded
from tests.engine.lrgd.layers import K, Recorded, _prompt, record

EXACT = 1e-12
every_family = pytest.mark.parametrize("family", FAMILIES)
ALPHA = (0.5, 0.0, 2.0)


def parts_of(recorded: Recorded) -> list[tuple[LayerRecord, dual.Dual]]:
    return [(layer, split(layer, recorded.owners, K)) for layer in recorded.layers]


@every_family
def test_forms_a_b_and_c_rebuild_what_the_layer_gave(family: str) -> None:
    for layer, parts in parts_of(record(family)):
        for form in (dual.output_a, dual.output_b, dual.output_c):
            assert relative(form(parts), layer.output) < EXACT


@every_family
def test_weighted_forms_rebuild_the_gated_layer(family: str) -> None:
    """W(alpha) = W0 + sum_b alpha_b dW_b is exactly log alpha in the scores."""
    alpha = torch.tensor(ALPHA, dtype=torch.float64)
    for layer, parts in parts_of(record(family, ALPHA)):
        for form in (dual.output_a, dual.output_b, dual.output_c):
            assert relative(form(parts, alpha), layer.output) < EXACT
    last, parts = parts_of(record(family, ALPHA))[0]
    if last.window is None:
        assert relative(dual.output_b(parts), last.output) > 1e-4  # the weights do something


@every_family
def test_form_as_initial_output_is_zero_shot_only_up_to_the_factor(family: str) -> None:
    """W0 phi(q) of form A is (1 - lam) o_T, not o_T: the parent papers' form is not the zero-shot output."""
    for _, parts in parts_of(record(family)):
        initial, _ = dual.form_a(parts)
        lam = parts.shares.sum(-1, keepdim=True)
        assert torch.allclose(initial, (1 - lam) * dual.form_b(parts)[0], atol=1e-14)
        visible = lam[..., 0] > 1e-6
        assert visible.any()
        gap = (initial - parts.out_rest).norm(dim=-1) / parts.out_rest.norm(dim=-1)
        assert torch.allclose(gap[visible], lam[..., 0][visible], atol=1e-12)


@every_family
def test_zero_weights_are_the_run_that_cannot_see_the_demonstrations(family: str) -> None:
    """In the first layer o_T is the true zero-shot output; in later ones the inputs carry demonstrations."""
    layers = parts_of(record(family))
    zero = torch.zeros(K, dtype=torch.float64)
    for form in (dual.output_a, dual.output_b, dual.output_c):
        assert relative(form(layers[0][1], zero), layers[0][0].zero_shot) < EXACT
    assert relative(layers[0][1].out_rest, layers[0][0].zero_shot) < EXACT
    assert relative(layers[2][1].out_rest, layers[2][0].zero_shot) > 1e-3


@every_family
def test_a_wrong_mask_of_demonstration_tokens_fails(family: str) -> None:
    """Any split rebuilds the output; only the right one gives the zero-shot output."""
    recorded = record(family)
    first = recorded.layers[0]
    wrong = torch.roll(recorded.owners, 3)
    parts = split(first, wrong, K)
    assert relative(dual.output_b(parts), first.output) < EXACT
    assert relative(parts.out_rest, first.zero_shot) > 1e-4


@every_family
def test_leaving_one_demonstration_out_is_the_block_identity(family: str) -> None:
    for layer, parts in parts_of(record(family)):
        outputs = dual.without(parts)
        for b in range(K):
            kept = torch.ones(K, dtype=torch.float64)
            kept[b] = 0
            assert relative(outputs[..., b, :], dual.output_b(parts, kept)) < EXACT
            assert relative(outputs[..., b, :], recomputed_without(layer, record(family).owners, b)) < EXACT


def recomputed_without(layer: LayerRecord, owners: Tensor, b: int) -> Tensor:
    """Plain softmax attention over all visible tokens but those of demonstration b."""
    group = layer.query.shape[0] // layer.keys.shape[0]
    keys, values = (t.repeat_interleave(group, 0) for t in (layer.keys, layer.values))
    at = torch.arange(keys.shape[1])
    gap = layer.positions[:, None] - at[None]
    visible = (gap >= 0) & (owners != b)[None]
    if layer.window is not None:
        visible = visible & (gap < layer.window)
    scores = (layer.scale * layer.query @ keys.transpose(1, 2)).masked_fill(~visible, float("-inf"))
    return torch.softmax(scores, -1) @ values


@every_family
def test_the_slope_in_a_weight_is_the_closed_form(family: str) -> None:
    alpha = torch.tensor((0.5, 1.0, 2.0), dtype=torch.float64)
    _, parts = parts_of(record(family))[1]
    jacobian = torch.autograd.functional.jacobian(lambda a: dual.output_c(parts, a), alpha)
    assert isinstance(jacobian, Tensor)
    assert torch.allclose(dual.slope(parts, alpha), jacobian.movedim(-1, -2), atol=1e-13)


def test_the_slope_exists_where_a_weight_is_zero() -> None:
    _, parts = parts_of(record("llama"))[0]
    zero, step = torch.tensor((0.0, 1.0, 1.0), dtype=torch.float64), 1e-7
    push = torch.tensor((step, 1.0, 1.0), dtype=torch.float64)
    difference = (dual.output_b(parts, push) - dual.output_b(parts, zero)) / step
    assert torch.allclose(dual.slope(parts, zero)[..., 0, :], difference, atol=1e-5)


def feature_map(layer: LayerRecord, head: int) -> tuple[Tensor, Tensor]:
    """Explicit finite phi with phi(q).phi(k) = exp(scale q.k) over one KV head's keys and its queries.

    The exp kernel is positive definite: an eigenfactor of its Gram matrix over these points is such a map.
    Returns phi of the keys [n, m] and of the queries of every query head of the group [G * S, m].
    """
    group = layer.query.shape[0] // layer.keys.shape[0]
    queries = layer.query[head * group : (head + 1) * group].flatten(0, 1)
    points = torch.cat([layer.keys[head], queries]) * abs(layer.scale) ** 0.5
    norms = points.square().sum(1) / 2
    # exp(x.y) = exp(|x|^2/2) exp(-|x-y|^2/2) exp(|y|^2/2): factor the middle, whose diagonal is 1.
    middle = torch.exp(points @ points.T - norms[:, None] - norms[None, :])
    values, vectors = torch.linalg.eigh(middle)
    phi = torch.exp(norms)[:, None] * vectors * values.clamp_min(0).sqrt()
    return phi[: layer.keys.shape[1]], phi[layer.keys.shape[1] :]


@every_family
@pytest.mark.parametrize("eta", [1.0, 0.05])
def test_form_c_is_one_gradient_step_with_an_explicit_feature_map(family: str, eta: float) -> None:
    """One dual model per KV head, tested at each of its query heads; W0 and dW do not depend on the query."""
    recorded = record(family)
    layer = recorded.layers[1]
    owners, start = recorded.owners, int(layer.positions[0])
    alpha = torch.tensor(ALPHA, dtype=torch.float64)
    seen = owners[:start]  # one set of visible tokens for all queries: everything before the query
    parts = dual.decompose(
        layer.query, *_grouped(layer, start), seen, K, layer.scale, torch.ones(start, dtype=torch.bool)
    )
    for head in range(layer.keys.shape[0]):
        phi_k, phi_q = feature_map(layer, head)
        ones = torch.ones(start, 1, dtype=torch.float64)
        values = torch.cat([layer.values[head, :start], ones], dim=1)  # [v; 1]
        rest = seen < 0
        weights = torch.zeros(start, dtype=torch.float64)
        for b in range(K):
            weights[seen == b] = alpha[b]
        w0 = (values[rest].T @ phi_k[:start][rest]).requires_grad_(True)
        loss = -(weights[:, None] * values * (phi_k[:start] @ w0.T)).sum() / eta
        (slope,) = torch.autograd.grad(loss, w0)
        stepped = w0.detach() - eta * slope
        y = phi_q @ stepped.T  # [G * S, d + 1]
        y0 = phi_q @ w0.detach().T
        group = layer.query.shape[0] // layer.keys.shape[0]
        heads = slice(head * group, (head + 1) * group)
        rebuilt = (y[:, :-1] / y[:, -1:]).view(group, -1, values.shape[1] - 1)
        initial = (y0[:, :-1] / y0[:, -1:]).view(group, -1, values.shape[1] - 1)
        assert relative(rebuilt, dual.output_c(parts, alpha)[heads]) < 1e-10
        assert relative(initial, parts.out_rest[heads]) < 1e-10


@every_family
def test_form_b_is_one_gradient_step_with_an_explicit_feature_map(family: str) -> None:
    """Labels v_i - o_T, learning signal p_i / Z(q): the step starts at o_T and ends at the layer's output."""
    recorded = record(family)
    layer = recorded.layers[2]
    owners, start = recorded.owners, int(layer.positions[0])
    seen = owners[:start]
    parts = dual.decompose(
        layer.query, *_grouped(layer, start), seen, K, layer.scale, torch.ones(start, dtype=torch.bool)
    )
    group = layer.query.shape[0] // layer.keys.shape[0]
    for head in range(layer.keys.shape[0]):
        phi_k, phi_q = feature_map(layer, head)
        phi_k, values, rest = phi_k[:start], layer.values[head, :start], seen < 0
        for place in (0, len(phi_q) - 1):
            q = phi_q[place]
            p = phi_k @ q
            w0 = ((values[rest].T @ phi_k[rest]) / p[rest].sum()).requires_grad_(True)
            o_t = (w0 @ q).detach()
            labels = values[~rest] - o_t
            loss = -(labels * (phi_k[~rest] @ w0.T)).sum() / p.sum()
            (slope,) = torch.autograd.grad(loss, w0)
            row = head * group + place // layer.query.shape[1], place % layer.query.shape[1]
            assert torch.allclose(o_t, parts.out_rest[row], atol=1e-10)
            assert torch.allclose((w0.detach() - slope) @ q, dual.output_b(parts)[row], atol=1e-10)


def _grouped(layer: LayerRecord, stop: int) -> tuple[Tensor, Tensor]:
    group = layer.query.shape[0] // layer.keys.shape[0]
    return (
        layer.keys.repeat_interleave(group, 0)[:, None, :stop],
        layer.values.repeat_interleave(group, 0)[:, None, :stop],
    )


def test_the_eager_kernel_rounds_to_float32_and_sdpa_does_not() -> None:
    """Why the checks run on SDPA: transformers' eager softmax is float32 whatever the model's dtype."""
    loaded = make_loaded("llama", dtype=torch.float64)
    prompt, start = _prompt("llama")
    inputs: list[Tensor] = []
    projection = loaded.model.model.layers[0].self_attn.o_proj
    handle = projection.register_forward_pre_hook(lambda _, args: inputs.append(args[0]))
    with torch.no_grad(), own_attention(loaded.model):
        for kernel in ("sdpa", "eager"):
            loaded.model.set_attn_implementation(kernel)
            loaded.model(input_ids=torch.tensor([prompt.ids]), use_cache=False)
    handle.remove()
    layer, parts = parts_of(record("llama"))[0]
    heads = layer.query.shape[0]
    sdpa, eager = (g[0].unflatten(-1, (heads, -1)).transpose(0, 1)[:, start:] for g in inputs)
    assert relative(dual.output_b(parts), sdpa) < EXACT
    assert EXACT < relative(dual.output_b(parts), eager) < 1e-6


def test_no_demonstrations_leave_the_layer_alone() -> None:
    layer = record("gpt2").layers[0]
    parts = split(layer, torch.full_like(record("gpt2").owners, -1), 0)
    assert parts.shares.shape[-1] == 0
    for form in (dual.output_a, dual.output_b, dual.output_c):
        assert relative(form(parts), layer.output) < EXACT
