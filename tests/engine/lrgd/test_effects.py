"""Effects on losses whose right answer is known: axioms, certificates, and where they must fail."""

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
from engine.lrgd.objective import Differentiable, Effects, Remembered
from engine.lrgd.path import path
from engine.lrgd.shapley import coalitions, exact, shapley, strata
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
    for estimate in (exact(objective, weight), aumann(objective, weight), path(objective, weight)):
        assert torch.allclose(estimate.effects, slope * weight, atol=1e-9)
        assert estimate.completeness_error < 1e-9


@given(st.integers(0, 50))
@settings(max_examples=20, deadline=None)
def test_both_estimators_are_symmetric_and_complete(seed: int) -> None:
    """Equal demonstrations get equal effects; one without influence gets none; all add up to the gain."""
    inner = steep(2, seed)
    objective = Differentiable(
        lambda a: inner._loss(torch.stack([a[:, 0] + a[:, 1], a[:, 3]], dim=1))  # b 0 and 1 alike, 2 unused
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
    assert estimate.nodes <= 32


def test_without_refinement_a_jump_is_not_resolved_and_the_error_says_so() -> None:
    """Teeth: the certificate sees what a fixed rule misses."""
    sharp = Differentiable(lambda a: 5 * torch.sigmoid((0.02 - a.mean(1)) * 2000))
    once = aumann(sharp, ones(3), budget=12)
    more = aumann(sharp, ones(3), budget=200)
    assert once.nodes == 12
    assert once.completeness_error > 0.02 * 5
    assert more.completeness_error <= 0.02 * 5 < once.completeness_error
    assert once.completeness_error == pytest.approx(abs(float(once.effects.sum()) - once.total))


def test_a_gain_of_nothing_ends_at_once() -> None:
    estimate = aumann(Differentiable(lambda a: 3 + 1e-5 * torch.sin(20 * a).sum(1)), ones(4))
    assert estimate.nodes == 12
    assert estimate.completeness_error < 1e-3


def test_the_integral_agrees_with_exact_shapley_values_where_demonstrations_barely_interact() -> None:
    draw = torch.Generator().manual_seed(3)
    pull = torch.rand(5, generator=draw, dtype=torch.float64)
    objective = Differentiable(lambda a: -torch.log1p(a @ pull * 0.1))
    first, second = exact(objective, ones(5)).effects, aumann(objective, ones(5)).effects
    assert torch.allclose(first, second, atol=2e-3)
    assert spearman(first.tolist(), second.tolist()) == pytest.approx(1)


@settings(deadline=None, max_examples=30)
@given(st.integers(3, 4).flatmap(lambda k: st.lists(numbers, min_size=2**k, max_size=2**k)))
def test_up_to_four_all_strata_are_there_and_the_values_exact(values: list[float]) -> None:
    table = torch.tensor(values, dtype=torch.float64)
    k = len(values).bit_length() - 1
    objective = Differentiable(lambda a: table[(a > 0).long() @ (2 ** torch.arange(k))])
    estimate, true = strata(objective, ones(k)), exact(objective, ones(k))
    assert torch.allclose(estimate.effects, true.effects, atol=max(1e-9, estimate.certified_error))
    assert estimate.nodes == 2**k or estimate.certified_error <= 0.02 * max(abs(true.total), 0.05)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("make", [steep, lambda k, seed: copies(k, 4, seed)])
def test_strata_come_near_shapley_values_for_a_quarter_of_the_losses(make, seed: int) -> None:
    objective = make(8, seed)
    true, estimate = exact(objective, ones(8)), strata(objective, ones(8))
    assert estimate.nodes <= 74 < true.nodes == 256
    assert float((estimate.effects - true.effects).abs().max()) < 0.05 * abs(true.total)
    rank = spearman(estimate.effects.tolist(), true.effects.tolist())
    assert rank is not None
    assert rank > 0.9
    assert _error(estimate, true) <= _error(aumann(objective, ones(8)), true)


def test_strata_treat_twins_alike_and_find_those_that_do_nothing() -> None:
    objective = Differentiable(lambda a: 5 * torch.exp(-2 * a[:, :4].sum(1) - a[:, 4] * a[:, 5]))
    estimate = strata(objective, ones(9))
    assert estimate.effects[:4].tolist() == pytest.approx([float(estimate.effects[0])] * 4, abs=1e-9)
    assert float(estimate.effects[6:].abs().max()) < 0.05 * estimate.total
    assert estimate.completeness_error < 1e-9


def test_many_demonstrations_take_a_design_in_which_all_have_equally_many_partners() -> None:
    seen: list[Tensor] = []

    class Noted:
        def value(self, alpha: Tensor) -> Tensor:
            seen.append(alpha)
            return 4 * torch.exp(-3 * alpha[:, :5].sum(1)) + 0.01 * alpha[:, 5:].sum(1)

        gradient = Differentiable.gradient

    estimate = strata(Noted(), ones(40))
    assert estimate.nodes <= 2 + 2 * 40 + 2 * 128
    two = torch.cat([rows[rows.sum(1) == 2] for rows in seen])
    assert len(set(two.sum(0).tolist())) == 1
    assert set(estimate.effects.topk(5).indices.tolist()) == {0, 1, 2, 3, 4}


def _error(estimate: Effects, true: Effects) -> float:
    return float((estimate.effects - true.effects).abs().max())


def test_auto_is_exact_up_to_six_and_strata_beyond() -> None:
    estimate = {k: effects(steep(k), ones(k)) for k in (1, 6, 7)}
    assert [estimate[k].estimator for k in estimate] == ["exact", "exact", "strata"]
    assert [estimate[k].nodes for k in (1, 6)] == [2, 64]
    for name in ("path", "aumann"):
        assert effects(steep(3), ones(3), name).estimator == name  # type: ignore[arg-type]
    assert effects(steep(7), ones(7), "exact").nodes == 128


def test_more_than_eight_demonstrations_have_no_exact_values() -> None:
    with pytest.raises(ValueError, match="limit of 8"):
        exact(steep(9), ones(9))


@pytest.mark.parametrize("estimator", ["auto", "exact", "strata", "path", "aumann"])
def test_no_demonstrations_have_no_effects(estimator) -> None:
    estimate = effects(
        Differentiable(lambda a: torch.full((len(a),), 2.5, dtype=torch.float64)), ones(0), estimator
    )
    assert estimate.effects.shape == (0,)
    assert (estimate.total, estimate.loss_on, estimate.completeness_error) == (0.0, 2.5, 0.0)


def test_effects_are_relative_to_the_weights_asked_for() -> None:
    weights = torch.tensor([0.0, 0.5, 2.0], dtype=torch.float64)
    objective = steep(3)
    for estimate in (exact(objective, weights), strata(objective, weights), path(objective, weights)):
        assert float(estimate.effects[0]) == pytest.approx(0, abs=1e-9)
        assert estimate.loss_on == pytest.approx(float(objective.value(weights[None])))
        assert estimate.loss_off == pytest.approx(
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
