"""Effects that are told before they are exact: what is told, from how many costs, and the last word."""

import pytest
import torch
from torch import Tensor

from engine.lrgd.effects import Estimator, effects, weightings
from engine.lrgd.gradual import first, gradually
from engine.lrgd.objective import Differentiable, Effects, Objective, Remembered
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
