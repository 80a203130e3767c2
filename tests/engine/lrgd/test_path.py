"""Owen's path integral: a balanced design, exact where only pairs interact, near Shapley values elsewhere."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from engine.lrgd.agreement import spearman
from engine.lrgd.objective import Differentiable
from engine.lrgd.path import design, path
from engine.lrgd.shapley import exact
from tests.engine.lrgd.losses import copies, ones, steep


@pytest.mark.parametrize("k", [5, 6, 8, 9, 16, 21])
def test_the_design_holds_every_pair_and_triple_equally_often(k: int) -> None:
    members = design(torch.randn(k, generator=torch.Generator().manual_seed(k)))
    assert members[0].sum() == 0
    assert members[1].sum() == k
    assert len(set(map(tuple, members.tolist()))) == len(members)
    signs = 2 * members - 1
    assert torch.equal(signs.T @ signs, len(members) * torch.eye(k))
    threes = torch.einsum("ra,rb,rc->abc", signs, signs, signs)
    assert float(threes.abs().max()) == 0


def test_the_four_strongest_fall_on_each_other() -> None:
    first = torch.tensor([0.0, 5.0, 1.0, 4.0, 0.5, 3.0, 6.0, 2.0])
    signs = 2 * design(first) - 1
    strongest = signs[:, first.topk(4).indices].prod(1)
    assert len(set(strongest.tolist())) == 1
    others = [signs[:, list(four)].prod(1) for four in itertools.combinations([6, 1, 3, 2], 4)]
    assert all(len(set(other.tolist())) == 2 for other in others)


@settings(deadline=None, max_examples=25)
@given(st.integers(5, 8), st.integers(0, 10_000))
def test_it_is_exact_where_only_pairs_interact(k: int, seed: int) -> None:
    draw = torch.Generator().manual_seed(seed)
    alone = torch.randn(k, generator=draw, dtype=torch.float64)
    pairs = torch.randn(k, k, generator=draw, dtype=torch.float64)
    objective = Differentiable(lambda a: 2 - a @ alone + ((a @ pairs) * a).sum(1))
    weights = 0.5 + torch.rand(k, generator=draw, dtype=torch.float64)
    # A demonstration's own square is no interaction in a coalition: it is there or not.
    estimate, true = path(objective, weights), exact(objective, weights)
    assert torch.allclose(estimate.effects, true.effects, atol=1e-9)
    assert estimate.certified_error < 1e-9
    assert estimate.total == pytest.approx(true.total)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("make", [steep, lambda k, seed: copies(k, 4, seed)])
def test_it_comes_near_shapley_values_for_an_eighth_of_the_losses(make, seed: int) -> None:
    objective = make(8, seed)
    true, estimate = exact(objective, ones(8)), path(objective, ones(8))
    assert estimate.nodes == 32
    assert estimate.completeness_error < 1e-9
    rank = spearman(estimate.effects.tolist(), true.effects.tolist())
    assert rank is not None
    assert rank > 0.92
    assert float((estimate.effects - true.effects).abs().max()) < 0.15 * abs(true.total)


@pytest.mark.parametrize("k, nodes", [(1, 2), (4, 16), (7, 30), (8, 32), (16, 64), (32, 128)])
def test_its_cost_grows_with_k_and_small_k_is_exact(k: int, nodes: int) -> None:
    asked: list[Tensor] = []
    objective = steep(k)
    watched = Differentiable(lambda a: asked.append(a) or objective._loss(a))  # type: ignore[func-returns-value]
    estimate = path(watched, ones(k))
    assert estimate.estimator == "path"
    assert estimate.nodes == nodes >= len(torch.unique(torch.cat(asked), dim=0))
    assert sum(len(rows) for rows in asked) == estimate.nodes  # nothing is computed twice
    if k <= 4:
        assert torch.allclose(estimate.effects, exact(objective, ones(k)).effects)


def test_what_is_shared_of_the_rest_is_told() -> None:
    """Teeth: where many do together what none does alone, the design cannot see it and says so."""
    together = Differentiable(lambda a: -6 * (a[:, :5].sum(1) >= 5).double())
    estimate = path(together, ones(8))
    assert float(estimate.effects.sum()) == pytest.approx(6)
    assert estimate.certified_error > 0.02 * 6
