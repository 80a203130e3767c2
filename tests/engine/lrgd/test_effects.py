"""Effects on losses whose right answer is known: axioms, refinement, and where they must fail."""

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from engine.lrgd.agreement import removal, spearman
from engine.lrgd.aumann import aumann
from engine.lrgd.effects import effects
from engine.lrgd.objective import Differentiable, Remembered
from engine.lrgd.shapley import coalitions, exact, interactions, shapley
from tests.engine.lrgd.losses import copies, ones, steep

numbers = st.floats(-3, 3, allow_nan=False)


def by_permutations(losses: Tensor, k: int) -> list[float]:
    """Shapley values from their definition: mean marginal drop over all orders of joining."""
    values = [0.0] * k
    orders = list(itertools.permutations(range(k)))
    for order in orders:
        inside = 0
        for b in order:
            values[b] += float(losses[inside] - losses[inside | 1 << b]) / len(orders)
            inside |= 1 << b
    return values


@given(st.integers(1, 4).flatmap(lambda k: st.lists(numbers, min_size=2**k, max_size=2**k)))
def test_shapley_values_match_their_definition_and_add_up(values: list[float]) -> None:
    losses = torch.tensor(values, dtype=torch.float64)
    k = len(values).bit_length() - 1
    estimate = shapley(losses)
    assert estimate.tolist() == pytest.approx(by_permutations(losses, k), abs=1e-12)
    assert float(estimate.sum()) == pytest.approx(float(losses[0] - losses[-1]), abs=1e-12)


def test_coalitions_are_the_bits_of_the_row() -> None:
    assert coalitions(2, ones(1)).tolist() == [[0, 0], [1, 0], [0, 1], [1, 1]]


@given(slopes=st.lists(numbers, min_size=1, max_size=6), weights=st.lists(st.floats(0, 3), min_size=6))
def test_on_an_additive_loss_all_estimators_give_each_its_own_part(
    slopes: list[float], weights: list[float]
) -> None:
    slope = torch.tensor(slopes, dtype=torch.float64)
    weight = torch.tensor(weights[: len(slopes)], dtype=torch.float64)
    objective = Differentiable(lambda alpha: 1 - alpha @ slope)
    for estimate in (exact(objective, weight), aumann(objective, weight)):
        assert torch.allclose(estimate.effects, slope * weight, atol=1e-9)
        assert estimate.completeness_error < 1e-9


@given(st.integers(0, 50))
@settings(max_examples=20, deadline=None)
def test_both_estimators_are_symmetric_and_complete(seed: int) -> None:
    """Equal demonstrations get equal effects; one without influence gets none; all add up to the gain."""
    inner = steep(2, seed)
    objective = Differentiable(
        lambda a: inner._cost(torch.stack([a[:, 0] + a[:, 1], a[:, 3]], dim=1))  # b 0 and 1 alike, 2 unused
    )
    for estimate in (exact(objective, ones(4)), aumann(objective, ones(4))):
        assert float(estimate.effects[0]) == pytest.approx(float(estimate.effects[1]), abs=1e-9)
        assert float(estimate.effects[2]) == pytest.approx(0, abs=1e-9)
        assert estimate.completeness_error == pytest.approx(
            abs(float(estimate.effects.sum()) - estimate.total), abs=1e-12
        )


@pytest.mark.parametrize("seed", range(6))
def test_the_integral_refines_until_it_is_complete_to_two_percent(seed: int) -> None:
    estimate = aumann(steep(6, seed), ones(6))
    assert abs(estimate.total) > 1
    assert estimate.completeness_error <= 0.02 * abs(estimate.total)
    assert estimate.passes <= 32


def test_without_refinement_a_jump_is_not_resolved_and_the_error_says_so() -> None:
    """Teeth: what the effects leave of the gain shows what a fixed rule misses."""
    sharp = Differentiable(lambda a: 5 * torch.sigmoid((0.02 - a.mean(1)) * 2000))
    once = aumann(sharp, ones(3), budget=12)
    more = aumann(sharp, ones(3), budget=200)
    assert once.passes == 12
    assert once.completeness_error > 0.02 * 5
    assert more.completeness_error <= 0.02 * 5 < once.completeness_error
    assert once.completeness_error == pytest.approx(abs(float(once.effects.sum()) - once.total))


def test_a_gain_of_nothing_ends_at_once() -> None:
    estimate = aumann(Differentiable(lambda a: 3 + 1e-5 * torch.sin(20 * a).sum(1)), ones(4))
    assert estimate.passes == 12
    assert estimate.completeness_error < 1e-3


def test_the_integral_says_nothing_of_its_error() -> None:
    """It is complete and still far from the Shapley values: no interval may be read off it."""
    estimate, true = aumann(copies(6, 4), ones(6)), exact(copies(6, 4), ones(6))
    assert estimate.completeness_error < 0.02 * estimate.total
    assert float((estimate.effects - true.effects).abs().max()) > 0.03 * estimate.total
    assert (estimate.reach, estimate.noisy, estimate.interactions) == (None, None, None)


def test_the_integral_agrees_with_exact_shapley_values_where_demonstrations_barely_interact() -> None:
    draw = torch.Generator().manual_seed(3)
    pull = torch.rand(5, generator=draw, dtype=torch.float64)
    objective = Differentiable(lambda a: -torch.log1p(a @ pull * 0.1))
    first, second = exact(objective, ones(5)).effects, aumann(objective, ones(5)).effects
    assert torch.allclose(first, second, atol=2e-3)
    assert spearman(first.tolist(), second.tolist()) == pytest.approx(1)


@given(st.integers(2, 4).flatmap(lambda k: st.lists(numbers, min_size=2**k, max_size=2**k)))
def test_an_interaction_is_what_one_adds_to_the_others_value(values: list[float]) -> None:
    """By its definition: the value of a pair where the other is always there, less where it never is."""
    losses = torch.tensor(values, dtype=torch.float64)
    k = len(values).bit_length() - 1
    found, rows = interactions(losses), torch.arange(2**k)
    for a, b in itertools.permutations(range(k), 2):
        there, gone = losses[(rows >> b) & 1 == 1], losses[(rows >> b) & 1 == 0]
        place = a - (a > b)
        assert float(found[a, b]) == pytest.approx(
            float(shapley(there)[place] - shapley(gone)[place]), abs=1e-9
        )
    assert found.diagonal().tolist() == [0.0] * k


def test_copies_are_redundant_and_partners_need_each_other() -> None:
    game = Differentiable(lambda a: -4 * a[:, :2].amax(1) - 3 * a[:, 2] * a[:, 3] - a[:, 4])
    found = exact(game, ones(5)).interactions
    assert found is not None
    assert float(found[0, 1]) == pytest.approx(-4)
    assert float(found[2, 3]) == pytest.approx(3)
    assert float(found[[0, 2, 4], [2, 4, 0]].abs().max()) < 1e-12


def test_auto_is_exact_up_to_six_and_kriging_beyond() -> None:
    estimate = {k: effects(steep(k), ones(k)) for k in (1, 6, 7)}
    assert [estimate[k].estimator for k in estimate] == ["exact", "exact", "kriging"]
    assert [estimate[k].passes for k in (1, 6)] == [2, 64]
    assert effects(steep(3), ones(3), "aumann").estimator == "aumann"
    assert effects(steep(7), ones(7), "exact").passes == 128


def test_more_than_eight_demonstrations_have_no_exact_values() -> None:
    with pytest.raises(ValueError, match="limit of 8"):
        exact(steep(9), ones(9))


@pytest.mark.parametrize("estimator", ["auto", "exact", "kriging", "aumann"])
def test_no_demonstrations_have_no_effects(estimator) -> None:
    estimate = effects(
        Differentiable(lambda a: torch.full((len(a),), 2.5, dtype=torch.float64)), ones(0), estimator
    )
    assert estimate.effects.shape == (0,)
    assert (estimate.total, estimate.cost_on, estimate.completeness_error) == (0.0, 2.5, 0.0)


def test_effects_are_relative_to_the_weights_asked_for() -> None:
    weights = torch.tensor([0.0, 0.5, 2.0], dtype=torch.float64)
    objective = steep(3)
    for estimate in (exact(objective, weights), aumann(objective, weights)):
        assert float(estimate.effects[0]) == pytest.approx(0, abs=1e-9)
        assert estimate.cost_on == pytest.approx(float(objective.value(weights[None])))
        assert estimate.cost_off == pytest.approx(
            float(objective.value(torch.zeros(1, 3, dtype=torch.float64)))
        )


def test_removal_is_the_rise_of_the_loss_without_one() -> None:
    table = torch.tensor([5.0, 4.0, 3.5, 1.0], dtype=torch.float64)
    objective = Differentiable(lambda a: table[(a[:, 0] > 0).long() + 2 * (a[:, 1] > 0).long()])
    assert removal(objective, ones(2)).tolist() == [2.5, 3.0]
    assert removal(objective, ones(0)).shape == (0,)


def test_a_weighting_is_computed_once() -> None:
    asked: list[int] = []

    def loss(alpha: Tensor) -> Tensor:
        asked.append(len(alpha))
        return alpha.sum(1)

    objective = Remembered(Differentiable(loss))
    exact(objective, ones(3))
    removal(objective, ones(3))
    assert asked == [8]


def test_two_readings_of_one_pass_share_it() -> None:
    asked: list[int] = []

    class Both:
        def costs(self, alpha: Tensor) -> Tensor:
            asked.append(len(alpha))
            return torch.stack([-alpha.sum(1), alpha.prod(1)], dim=1)

    first = Remembered(Both(), 2)  # type: ignore[arg-type]
    assert exact(first, ones(2)).effects.tolist() == [1.0, 1.0]
    assert exact(first.column(1), ones(2)).effects.tolist() == [-0.5, -0.5]
    assert asked == [4]
    with pytest.raises(ValueError, match="gradient"):
        first.column(1).gradient(ones(2)[None])


@pytest.mark.parametrize(
    ("first", "second", "value"),
    [
        ([1, 2, 3], [10, 20, 40], 1.0),
        ([1, 2, 3], [3, 2, 1], -1.0),
        ([1.0], [2.0], None),
        ([1, 1, 1], [1, 2, 3], None),
        ([1, 2, 3], [0, 0, 0], None),
        ([], [], None),
    ],
)
def test_rank_correlation_is_none_where_it_is_undefined(first, second, value) -> None:
    estimate = spearman(first, second)
    assert estimate is None if value is None else math.isclose(estimate or 0, value)
