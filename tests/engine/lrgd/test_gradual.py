"""Effects that are told before they are exact: what is told, from how many costs, and the last word."""

import json

import pytest
import torch
from torch import Tensor

from engine.lrgd.effects import Estimator, effects, weightings
from engine.lrgd.gradual import DOUBT, beside, first, gradually
from engine.lrgd.kriging import continued, design
from engine.lrgd.objective import Differentiable, Effects, Objective, Remembered, Tabled
from engine.lrgd.shapley import exact
from tests.engine.lrgd.losses import ones, steep


class Counted:
    """An Objective that counts the weightings it computes."""

    def __init__(self, objective: Objective) -> None:
        self.objective, self.rows = objective, 0

    def value(self, alpha: Tensor) -> Tensor:
        self.rows += len(alpha)
        return self.objective.value(alpha)

    def gradient(self, alpha: Tensor) -> tuple[Tensor, Tensor]:
        return self.objective.gradient(alpha)


def told(objective: Objective, k: int, estimator: Estimator) -> tuple[list[tuple[Effects, int]], Effects]:
    heard: list[tuple[Effects, int]] = []
    last = gradually(Remembered(objective), ones(k), estimator, lambda *said: heard.append(said))
    return heard, last


KINDS: list[tuple[int, Estimator]] = [(3, "exact"), (4, "auto"), (6, "auto"), (8, "auto"), (8, "exact")]


@pytest.mark.parametrize(("k", "estimator"), KINDS)
def test_the_last_word_is_the_estimators_own_from_the_same_costs(k: int, estimator: Estimator) -> None:
    counted = Counted(steep(k))
    heard, last = told(counted, k, estimator)
    plain = effects(steep(k), ones(k), estimator)
    assert torch.allclose(last.effects, plain.effects, rtol=0, atol=1e-12)
    assert (last.estimator, last.passes) == (plain.estimator, plain.passes)
    assert counted.rows == plain.passes == weightings(k, estimator)
    assert all(of == plain.passes for _, of in heard)
    passes = [found.passes for found, _ in heard]
    assert passes == sorted(set(passes))
    assert all(one < plain.passes for one in passes)
    assert k == 3 or passes[0] == (2 if k <= 6 else 4) * k + 2


@pytest.mark.parametrize("k", [0, 1, 2])
def test_of_few_nothing_is_told_before_the_end(k: int) -> None:
    heard, last = told(steep(k), k, "auto")
    assert heard == []
    assert last.passes == 2**k


def test_an_additive_game_is_known_from_the_first_piece() -> None:
    slope = torch.tensor([0.5, -1.0, 2.0, 0.0, 0.25], dtype=torch.float64)
    heard, _ = told(Differentiable(lambda a: 3 - a @ slope), 5, "exact")
    assert [found.passes for found, _ in heard] == [12, 22]
    for found, _ in heard:
        assert found.reach is not None
        assert torch.allclose(found.effects, slope, atol=1e-6)
        assert float(found.reach.max()) < 1e-5


@pytest.mark.parametrize("k", [4, 5, 6])
def test_intervals_hold_and_shrink_on_games_like_a_models(k: int) -> None:
    """95 % is what they say; these are games with a jump at small weights, where a line errs most."""
    held: list[bool] = []
    narrower = 0
    for seed in range(40):
        heard, last = told(steep(k, seed), k, "exact")
        reaches = []
        for found, _ in heard:
            assert found.reach is not None
            held += ((found.effects - last.effects).abs() <= found.reach + 1e-9).tolist()
            reaches.append(float(found.reach.mean()))
        narrower += reaches[-1] <= reaches[0]
    assert sum(held) >= 0.9 * len(held)
    assert narrower >= 36


def test_the_first_estimate_is_the_slope_times_the_weight() -> None:
    game = Differentiable(lambda a: 1 - a @ torch.tensor([2.0, -3.0], dtype=torch.float64))
    found = first(game, torch.tensor([0.5, 2.0], dtype=torch.float64))
    assert found.effects.tolist() == pytest.approx([1.0, -6.0])
    assert (found.estimator, found.reach) == ("gradient", None)


def test_integrals_over_weights_have_nothing_to_tell_before_they_end() -> None:
    heard, last = told(steep(3), 3, "aumann")
    assert (heard, last.estimator) == ([], "aumann")


def nearby(k: int, seed: int) -> tuple[Objective, Objective]:
    """A game and another that differs from it a little, in the parts and in pairs."""
    game, draw = steep(k, seed), torch.Generator().manual_seed(seed)
    slope = 0.3 * torch.randn(k, generator=draw, dtype=torch.float64)
    pairs = 0.03 * torch.randn(k, k, generator=draw, dtype=torch.float64)
    return Differentiable(lambda a: game.value(a) + a @ slope + ((a @ pairs) * a).sum(1)), game


def known(game: Objective, k: int) -> Tabled:
    """Its costs as they are stored."""
    remembered = Remembered(game)
    effects(remembered, ones(k))
    return Tabled(json.loads(json.dumps(remembered.table())))


@pytest.mark.parametrize("k", [4, 6, 8])
def test_a_game_beside_a_known_one_takes_few_costs_and_its_intervals_hold(k: int) -> None:
    held: list[bool] = []
    for seed in range(40):
        game, other = nearby(k, seed)
        counted = Counted(game)
        found = beside(Remembered(counted), known(other, k), ones(k), lambda _: True, lambda *_: None)
        true = exact(game, ones(k))
        assert (found.estimator, found.passes) == ("difference", counted.rows)
        assert found.passes == (2 * k + 2 if k <= 6 else 4 * k + 2)
        assert found.total == pytest.approx(true.total, abs=1e-9)
        assert float(found.effects.sum()) == pytest.approx(true.total, abs=1e-5)
        assert found.reach is not None
        held += ((found.effects - true.effects).abs() <= found.reach + 1e-9).tolist()
    assert sum(held) / len(held) >= 0.9


def test_what_is_not_enough_is_told_and_in_the_end_all_costs_are_taken() -> None:
    game, other = steep(6, 1), steep(6, 2)
    counted, heard = Counted(game), []
    found = beside(
        Remembered(counted), known(other, 6), ones(6), lambda _: False, lambda *said: heard.append(said)
    )
    assert [(near.passes, of) for near, of in heard] == [(n, 64) for n in (14, 26, 38, 50)]
    assert (found.estimator, found.passes, counted.rows) == ("exact", 64, 64)
    # In pieces a product of matrices may end in other last digits than at once.
    assert torch.allclose(found.effects, exact(game, ones(6)).effects, rtol=0, atol=1e-12)


def test_a_demonstration_of_weight_zero_is_in_the_table_either_way() -> None:
    weights = torch.tensor([0.0, 1.0, 2.0, 0.5], dtype=torch.float64)
    remembered = Remembered(steep(4))
    effects(remembered, weights)
    table = Tabled(remembered.table())
    assert len(remembered.table()) == 8
    assert torch.allclose(exact(table, weights).effects, exact(steep(4), weights).effects, rtol=0, atol=1e-12)


def test_doubt_about_the_field_widens_intervals_and_never_narrows_them() -> None:
    members, wider = torch.tensor(design(6)[:14], dtype=torch.float64), []
    for seed in range(10):
        costs = steep(6, seed).value(members)
        sure, doubtful = continued(members, costs), continued(members, costs, DOUBT)
        assert torch.equal(sure.effects, doubtful.effects)
        assert sure.reach is not None
        assert doubtful.reach is not None
        assert bool((doubtful.reach >= sure.reach).all())
        wider.append(float(doubtful.reach.max()) > float(sure.reach.max()))
    assert sum(wider) >= 5
