"""Weights go where the loss goes down, as far as ridge and bounds let them."""

import pytest
import torch
from torch import Tensor

from engine.optimize.learn_weights import LARGEST, SMALLEST, learn


def toward(goal: list[float]):
    """A bowl in log space with its bottom at `goal`."""
    bottom = torch.tensor(goal, dtype=torch.float64).log()

    def loss_and_slope(alpha: Tensor) -> tuple[float, Tensor]:
        leaf = alpha.clone().requires_grad_(True)
        loss = ((leaf.log() - bottom) ** 2).sum()
        (slope,) = torch.autograd.grad(loss, leaf)
        return float(loss.detach()), slope

    return loss_and_slope


def test_without_noise_and_ridge_it_finds_the_bottom() -> None:
    found = learn(toward([2.0, 0.5, 1.0]), 3, steps=200, ridge=0.0, noise=0.0, seed=0)
    assert found.weights == pytest.approx((2.0, 0.5, 1.0), abs=0.05)
    assert found.costs[-1] < 0.01 < found.costs[0]


def test_a_ridge_keeps_weights_near_one() -> None:
    spread = {}
    for ridge in (0.0, 1.0, 50.0):
        weights = learn(toward([2.5, 0.4]), 2, steps=100, ridge=ridge, noise=0.0, seed=0).weights
        spread[ridge] = max(abs(weight - 1) for weight in weights)
    assert spread[0.0] > spread[1.0] > spread[50.0]
    assert spread[50.0] < 0.2


def test_weights_stay_within_what_a_person_can_set() -> None:
    found = learn(toward([1e6, 1e-6]), 2, steps=60, ridge=0.0, noise=0.0, seed=0)
    assert found.weights == pytest.approx((LARGEST, SMALLEST))


def test_noise_is_drawn_from_the_seed_and_one_loss_is_told_per_step() -> None:
    told: list[int] = []
    one = learn(
        toward([2.0, 1.0]), 2, steps=5, ridge=0.1, noise=0.3, seed=1, report=lambda n, _: told.append(n)
    )
    same = learn(toward([2.0, 1.0]), 2, steps=5, ridge=0.1, noise=0.3, seed=1)
    other = learn(toward([2.0, 1.0]), 2, steps=5, ridge=0.1, noise=0.3, seed=2)
    assert one == same != other
    assert told == [0, 1, 2, 3, 4]
    assert len(one.costs) == 5


def test_a_flat_loss_moves_nothing() -> None:
    found = learn(lambda alpha: (1.0, torch.zeros(2)), 2, steps=9, ridge=0.0, noise=0.5, seed=0)
    assert found.weights == (1.0, 1.0)
    assert len(found.costs) == 1
