"""Edits of the dual model: what each does to weights, values and the attention's output."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from engine.lrgd import perturb
from engine.lrgd.dual import decompose, output_b

counts = st.integers(1, 20)
seeds = st.integers(0, 2**31 - 1)


def weights_of(k: int) -> Tensor:
    return torch.linspace(0.5, 2.0, k, dtype=torch.float64)


@given(k=counts, draws=counts, seed=seeds)
@settings(max_examples=30, deadline=None)
def test_a_draw_depends_on_its_number_and_place_only(k: int, draws: int, seed: int) -> None:
    """More draws or more demonstrations leave the earlier ones as they are; the first row is unperturbed."""
    weights, more = weights_of(k), torch.cat([weights_of(k), torch.ones(3, dtype=torch.float64)])
    for edit, amount in ((perturb.weight_noise, 0.5), (perturb.dropout, 0.5)):
        few, many = edit(weights, draws, amount, seed), edit(more, draws + 4, amount, seed)
        assert few.shape == (draws, k)
        assert torch.equal(few, many[:draws, :k])
        assert torch.equal(few[0], weights)
    shuffled = perturb.orders(k, draws, seed)
    assert shuffled == perturb.orders(k, draws + 4, seed)[:draws]
    assert shuffled[0] == tuple(range(k))
    assert all(sorted(order) == list(range(k)) for order in shuffled)


def test_weight_noise_is_lognormal_of_mean_one() -> None:
    drawn = perturb.weight_noise(torch.tensor([2.0, 0.0], dtype=torch.float64), 20_000, 0.5, 3)[1:]
    assert float(drawn[:, 0].mean()) == pytest.approx(2.0, abs=0.03)
    assert float((drawn[:, 0] / 2).log().std()) == pytest.approx(0.5, abs=0.01)
    assert bool((drawn[:, 1] == 0).all())


def test_dropout_drops_at_its_rate_and_scales_nothing() -> None:
    drawn = perturb.dropout(torch.full((3,), 1.5), 5_000, 0.25, 1)[1:]
    assert set(drawn.unique().tolist()) == {0.0, 1.5}
    assert float((drawn == 0).float().mean()) == pytest.approx(0.25, abs=0.02)
    assert torch.equal(perturb.dropout(torch.ones(4), 3, 0.0, 1), torch.ones(3, 4))


def test_other_seeds_and_other_edits_draw_other_numbers() -> None:
    ones = torch.ones(6, dtype=torch.float64)
    assert not torch.equal(perturb.weight_noise(ones, 2, 0.5, 0), perturb.weight_noise(ones, 2, 0.5, 1))
    assert not torch.equal(perturb.weight_noise(ones, 3, 0.5, 0)[1], perturb.weight_noise(ones, 3, 0.5, 0)[2])


def test_ridge_shortens_the_step() -> None:
    assert perturb.ridge(torch.tensor([1.0, 0.5, 0.0]), 0.2).tolist() == pytest.approx([0.8, 0.4, 0.0])


def test_robust_is_mean_less_kappa_deviations() -> None:
    values = torch.tensor([[1.0, 3.0], [2.0, 2.0]], dtype=torch.float64)
    assert perturb.robust(values, 0.5).tolist() == [1.5, 2.0]
    assert perturb.robust(values[:, :1], 2.0).tolist() == [1.0, 2.0]


def layer(seed: int = 0) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Query [d], keys and values [n, d] of one head, owners [n] of two demonstrations."""
    draw = torch.Generator().manual_seed(seed)
    query, keys, values = (
        torch.randn(shape, generator=draw, dtype=torch.float64) for shape in ((4,), (7, 4), (7, 4))
    )
    return query, keys, values, torch.tensor([-1, -1, 0, 0, 1, 1, -1])


def attend(query: Tensor, keys: Tensor, values: Tensor, owners: Tensor) -> tuple[Tensor, Tensor]:
    """Output [d] and attention weights [n]."""
    dual = decompose(query, keys, values, owners, 2, 0.5)
    return output_b(dual), torch.softmax(0.5 * (keys @ query), 0)


def test_value_noise_adds_the_weighted_noise_of_demonstrations_to_the_output() -> None:
    query, keys, values, owners = layer()
    noise = perturb.value_noise(values, owners, 0.3, 5, 1, 0)
    assert bool((noise[owners < 0] == 0).all())
    assert bool((noise[owners >= 0] != 0).all())
    plain, shares = attend(query, keys, values, owners)
    noisy, _ = attend(query, keys, values + noise, owners)
    inside = owners >= 0
    assert torch.allclose(noisy - plain, (shares[inside, None] * noise[inside]).sum(0), rtol=0, atol=1e-14)


def test_value_noise_is_as_large_as_asked_and_draws_each_layer_anew() -> None:
    values, owners = 3 * torch.ones(2, 200, 16, dtype=torch.float64), torch.zeros(200, dtype=torch.long)
    noise = perturb.value_noise(values, owners, 0.1, 0, 1, 0)
    assert float(noise.std()) == pytest.approx(0.3, rel=0.03)
    assert not torch.equal(noise, perturb.value_noise(values, owners, 0.1, 0, 1, 1))
    assert not torch.equal(noise, perturb.value_noise(values, owners, 0.1, 0, 2, 0))
    assert torch.equal(noise, perturb.value_noise(values, owners, 0.1, 0, 1, 0))
    assert torch.equal(noise[:, :50], perturb.value_noise(values[:, :50], owners[:50], 0.1, 0, 1, 0))
    assert bool((perturb.value_noise(values, owners, 0.1, 0, 0, 0) == 0).all())
    assert bool((perturb.value_noise(values, owners - 1, 0.1, 0, 1, 0) == 0).all())


def test_negatives_push_by_the_demonstrations_share_of_attention() -> None:
    query, keys, values, owners = layer(1)
    disliked = torch.randn(3, 4, dtype=torch.float64)
    edit = perturb.negatives(values, owners, disliked, 0.7)
    plain, shares = attend(query, keys, values, owners)
    pushed, _ = attend(query, keys, values + edit, owners)
    share = shares[owners >= 0].sum()
    assert torch.allclose(pushed - plain, -0.7 * share * disliked.mean(0), rtol=0, atol=1e-14)
