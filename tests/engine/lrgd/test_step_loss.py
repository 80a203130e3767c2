"""The decrease of the dual model's own loss: against autograd on an explicit phi, and by its definition."""

import pytest
import torch

from engine.lrgd.step_loss import decreases


def phi(x: torch.Tensor, scale: float, degree: int = 14) -> torch.Tensor:
    """An explicit feature map [..., features] of exp(scale x.y): its Taylor series, tensor power by tensor
    power."""
    parts, power, factor = [torch.ones(*x.shape[:-1], 1, dtype=x.dtype)], x.new_ones(*x.shape[:-1], 1), 1.0
    for n in range(1, degree + 1):
        factor *= scale / n
        power = (power[..., :, None] * x[..., None, :]).flatten(-2)
        parts.append(factor**0.5 * power)
    return torch.cat(parts, dim=-1)


@pytest.fixture
def step() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Keys, values, owners and weights of three demonstrations in one head of two channels."""
    rng = torch.Generator().manual_seed(3)
    keys = torch.randn(1, 9, 2, generator=rng, dtype=torch.float64)
    values = torch.randn(1, 9, 3, generator=rng, dtype=torch.float64)
    return keys, values, torch.tensor([0, 0, 0, 1, 1, 2, 2, 2, 2]), torch.tensor([1.0, 0.5, 2.0])


def test_it_is_how_far_the_loss_falls_through_each_part_of_one_step_of_gradient_descent(step) -> None:
    keys, values, owners, weights = step
    scale, eta = 0.6, 0.37
    features = phi(keys[0], scale)
    assert torch.allclose(features @ features.T, torch.exp(scale * keys[0] @ keys[0].T), atol=1e-9)
    targets = torch.cat([values[0], torch.ones(9, 1, dtype=torch.float64)], dim=1)
    weight = weights.double()[owners]

    def loss(matrix: torch.Tensor) -> torch.Tensor:
        return -(weight * (targets * (features @ matrix.T)).sum(1)).sum() / eta

    start = torch.randn(4, features.shape[1], dtype=torch.float64).requires_grad_(True)
    (gradient,) = torch.autograd.grad(loss(start), start)
    parts = [
        weights[b].double() * targets[owners == b].T @ features[owners == b] for b in range(len(weights))
    ]
    assert torch.allclose(-eta * gradient, torch.stack(parts).sum(0), atol=1e-9), "all parts are the step"
    with torch.no_grad():
        falls = torch.stack([loss(start) - loss(start + part) for part in parts])
        whole = loss(start) - loss(start - eta * gradient)
    assert torch.allclose(decreases(keys, values, owners, weights, scale)[0], falls / whole, atol=1e-8)


def test_shares_add_up_to_one_in_every_head_however_large_the_scores(step) -> None:
    keys, values, owners, weights = step
    large = torch.cat([keys, 40 * keys])
    found = decreases(large, values.expand(2, -1, -1), owners, weights, 3.0)
    assert torch.isfinite(found).all()
    assert found.sum(1).tolist() == pytest.approx([1.0, 1.0])


def test_a_demonstration_of_weight_0_has_no_part_and_two_equal_ones_have_equal_parts(step) -> None:
    keys, values, owners, _ = step
    doubled = torch.cat([keys, keys], 1), torch.cat([values, values], 1), torch.cat([owners, owners + 3])
    found = decreases(*doubled, torch.ones(6), 0.6)[0]
    assert found[:3].tolist() == pytest.approx(found[3:].tolist())
    alone = decreases(*doubled, torch.tensor([1.0, 1, 1, 0, 0, 0]), 0.6)[0]
    assert alone[3:].tolist() == [0.0] * 3
    assert alone[:3].tolist() == pytest.approx((2 * found[:3]).tolist())
    assert not decreases(keys, values, owners, torch.zeros(3), 0.6).any()
