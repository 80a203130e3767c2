"""Estimated Shapley values and their intervals: on games whose exact values are known."""

import itertools
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from engine.lrgd.kriging import _mean_kernel, _prior, _shapley_of_kernel, design, kriging, taken
from engine.lrgd.objective import Differentiable, Effects
from engine.lrgd.shapley import coalitions, exact, shapley
from tests.engine.lrgd.losses import copies, ones, steep

K = 8


def table(costs: Tensor) -> Differentiable:
    k = costs.numel().bit_length() - 1
    return Differentiable(lambda a: costs[(a > 0).long() @ (2 ** torch.arange(k))])


def held(estimate: Effects, true: Effects) -> Tensor:
    assert estimate.reach is not None
    return ((estimate.effects - true.effects).abs() <= estimate.reach + 1e-9).double()


@pytest.mark.parametrize("rho", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("k", [1, 2, 5])
def test_the_closed_forms_are_sums_over_all_coalitions(k: int, rho: float) -> None:
    members = coalitions(k, ones(k))
    kernel = rho ** torch.cdist(members, members, p=1)
    each = torch.stack([shapley(-kernel[:, t]) for t in range(2**k)], dim=1)
    assert torch.allclose(_shapley_of_kernel(rho, members), each, atol=1e-12)
    assert _prior(rho, k) == pytest.approx(
        float(torch.stack([shapley(-row) for row in each])[0, 0]), abs=1e-12
    )
    assert _mean_kernel(rho, 0, 0) == 1.0


@pytest.mark.parametrize("k", [1, 2, 5])
def test_all_coalitions_are_taken_of_few_and_nothing_is_uncertain(k: int) -> None:
    estimate = kriging(steep(k), ones(k))
    assert (estimate.estimator, estimate.passes) == ("exact", 2**k == taken(k) and 2**k)
    assert estimate.reach is not None
    assert float(estimate.reach.abs().max()) == 0


@pytest.mark.parametrize("k", [6, 7, 8, 16, 21, 40])
def test_the_design_holds_each_coalition_with_its_complement_once(k: int) -> None:
    rows = design(k)
    assert len(set(rows)) == len(rows) == taken(k) <= min(2**k, 2 * k + 264)
    assert rows[:2] == ((0,) * k, (1,) * k)
    assert {tuple(1 - bit for bit in row) for row in rows} == set(rows)
    two = np.array([row for row in rows if sum(row) == 2])
    assert len(set(two.sum(0))) == 1  # everyone has equally many partners
    assert sum(2 < sum(row) < k - 2 for row in rows) == 6


@settings(deadline=None, max_examples=20)
@given(st.integers(6, 9), st.integers(0, 10_000))
def test_on_an_additive_game_each_gets_its_own_part_for_sure(k: int, seed: int) -> None:
    draw = torch.Generator().manual_seed(seed)
    slope, weights = torch.randn(2, k, generator=draw, dtype=torch.float64)
    estimate = kriging(Differentiable(lambda a: 2 - a @ slope), weights.abs())
    assert torch.allclose(estimate.effects, slope * weights.abs(), atol=1e-6)
    assert estimate.reach is not None
    assert float(estimate.reach.max()) < 1e-5
    assert estimate.completeness_error < 1e-6


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10_000))
def test_no_interval_of_a_game_that_is_none_has_no_width(seed: int) -> None:
    """Kills the mutant that says of sampled values that they are sure."""
    draw = torch.Generator().manual_seed(seed)
    estimate = kriging(table(torch.randn(2**K, generator=draw, dtype=torch.float64)), ones(K))
    assert estimate.estimator == "kriging"
    assert estimate.reach is not None
    assert float(estimate.reach.min()) > 0.01


def redundant(draw: torch.Generator) -> Tensor:
    pull = 3 * torch.rand(K, generator=draw, dtype=torch.float64)
    return 5 * torch.exp(-coalitions(K, ones(K)) @ pull)


def threshold(draw: torch.Generator) -> Tensor:
    pull = torch.rand(K, generator=draw, dtype=torch.float64)
    least = (0.2 + 0.6 * torch.rand(1, generator=draw, dtype=torch.float64)) * pull.sum()
    return -5 * (coalitions(K, ones(K)) @ pull > least).double()


def random(draw: torch.Generator) -> Tensor:
    return torch.randn(2**K, generator=draw, dtype=torch.float64)


def partners(draw: torch.Generator) -> Tensor:
    pull, pairs = torch.randn(K, generator=draw), torch.randn(K, K, generator=draw)
    inside = coalitions(K, torch.ones(1))
    return (inside @ pull + ((inside @ pairs) * inside).sum(1)).double()


def jump(draw: torch.Generator) -> Tensor:
    return steep(K, int(torch.randint(1000, (1,), generator=draw))).value(coalitions(K, ones(K)))


@pytest.mark.parametrize("game", [redundant, threshold, random, partners, jump])
def test_intervals_hold_the_exact_value_as_often_as_they_say(
    game: Callable[[torch.Generator], Tensor],
) -> None:
    """95 % nominal; at least 85 % on the hardest games and a hundred of each."""
    draw, hits = torch.Generator().manual_seed(0), []
    for _ in range(100):
        costs = game(draw)
        hits.append(held(kriging(table(costs), ones(K)), exact(table(costs), ones(K))).mean())
    assert float(torch.stack(hits).mean()) >= 0.85


def test_a_jump_that_only_the_middle_shows_widens_the_intervals() -> None:
    """Five of eight together do what none does alone: the ends are flat, random coalitions are not."""
    costs = -6 * (coalitions(K, ones(K)).sum(1) >= 4).double()
    costs = costs + 0.01 * coalitions(K, ones(K)) @ torch.arange(K, dtype=torch.float64)
    estimate = kriging(table(costs), ones(K))
    assert estimate.reach is not None
    assert float(estimate.reach.min()) > 0.3
    assert held(estimate, exact(table(costs), ones(K))).all()


def test_what_an_effect_errs_by_where_costs_err_is_as_said() -> None:
    """`noisy` times the error of one cost is the spread of the effects over errors drawn."""
    clean = jump(torch.Generator().manual_seed(3))
    draw = torch.Generator().manual_seed(4)
    tables = [clean + 1e-4 * torch.randn(2**K, generator=draw, dtype=torch.float64) for _ in range(200)]
    for estimator in (exact, kriging):
        spread = torch.stack([estimator(table(t), ones(K)).effects for t in tables]).std(0) / 1e-4
        noisy = estimator(table(clean), ones(K)).noisy
        assert noisy is not None
        assert torch.allclose(spread, noisy, rtol=0.25)


def test_twins_are_treated_alike_and_idlers_get_nothing() -> None:
    objective = Differentiable(lambda a: 5 * torch.exp(-2 * a[:, :4].sum(1) - a[:, 4] * a[:, 5]))
    estimate = kriging(objective, ones(9))
    assert estimate.reach is not None
    apart = [
        abs(float(estimate.effects[a] - estimate.effects[b])) for a, b in itertools.combinations(range(4), 2)
    ]
    assert max(apart) <= float(estimate.reach.max())
    assert float(estimate.effects[6:].abs().max()) < 0.05 * estimate.total
    assert estimate.completeness_error < 1e-5


@pytest.mark.parametrize("seed", range(3))
def test_many_demonstrations_that_help_are_found(seed: int) -> None:
    estimate = kriging(copies(16, 5, seed), ones(16))
    assert set(estimate.effects.topk(5).indices.tolist()) == {0, 1, 2, 3, 4}
    assert estimate.passes == 280
