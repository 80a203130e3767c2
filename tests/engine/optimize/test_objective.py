"""The probes' losses are those of the rankings they stand for, on several architectures."""

from collections.abc import Callable

import pytest
import torch

from engine.llm.loading.load import LoadedModel
from engine.llm.scoring.edits.values import ValueNoise
from engine.llm.scoring.ranking import Task, rank_candidates
from engine.optimize.objective import ProbeLoss, Trial
from engine.prompts import Example

SCORINGS = ("sum", "mean", "calibrated", "yes_no", "listwise")
Load = Callable[..., LoadedModel]


@pytest.fixture
def trials(titles: tuple[str, ...]) -> list[Trial]:
    return [
        Trial(titles[:2], titles[2:6]),
        Trial(titles[3:7], (titles[8], titles[0], titles[9], titles[1])),
        Trial(titles[5:6], (titles[1], titles[7], titles[3], titles[2])),
    ]


def by_ranking(
    loaded: LoadedModel, trial: Trial, demos: tuple[Example, ...], scoring: str, weights: tuple[float, ...]
) -> float:
    task = Task(demos, trial.history, trial.candidates, 0, scoring=scoring, weights=weights)  # type: ignore[arg-type]
    value = rank_candidates(loaded, task).loss
    assert value is not None
    return value


@pytest.mark.parametrize("family", ["llama", "mistral", "gpt2"])
@pytest.mark.parametrize("scoring", SCORINGS)
def test_a_probes_loss_is_what_a_ranking_says(
    loaded: Load, demos: tuple[Example, ...], trials: list[Trial], family: str, scoring: str
) -> None:
    model = loaded(family)
    weightings = [(1.0, 1.0, 1.0), (2.0, 0.0, 0.5)]
    found = ProbeLoss(model, "plain", scoring, trials).losses(demos, torch.tensor(weightings))
    for m, weights in enumerate(weightings):
        for p, trial in enumerate(trials):
            expected = by_ranking(model, trial, demos, scoring, weights)
            assert float(found[m, p]) == pytest.approx(expected, abs=2e-4)


@pytest.mark.parametrize("scoring", ["calibrated", "listwise"])
def test_without_demonstrations_and_with_hidden_ones(
    loaded: Load, demos: tuple[Example, ...], trials: list[Trial], scoring: str
) -> None:
    loss = ProbeLoss(loaded("llama"), "plain", scoring, trials)
    bare = [by_ranking(loaded("llama"), trial, (), scoring, ()) for trial in trials]
    assert loss.losses([])[0].tolist() == pytest.approx(bare, abs=2e-4)
    hidden = torch.tensor([[False, False, False], [True, False, False], [False, True, True]])
    found = loss.losses(demos, None, hidden)[0]
    for p, weights in enumerate([(1.0, 1.0, 1.0), (0.0, 1.0, 1.0), (1.0, 0.0, 0.0)]):
        expected = by_ranking(loaded("llama"), trials[p], demos, scoring, weights)
        assert float(found[p]) == pytest.approx(expected, abs=2e-4)


@pytest.mark.parametrize("scoring", ["sum", "yes_no", "listwise"])
def test_the_gradient_is_that_of_the_loss(
    loaded: Load, demos: tuple[Example, ...], trials: list[Trial], scoring: str
) -> None:
    model = loaded("llama", "bpe", torch.float64)
    measured = ProbeLoss(model, "plain", scoring, trials)
    alpha = torch.tensor([1.2, 0.7, 1.0], dtype=torch.float64)
    hidden = torch.tensor([[False, False, True], [False, True, False], [False, False, False]])
    share = torch.tensor([0.5, 0.2, 0.3], dtype=torch.float64)
    loss, slope = measured.gradient(demos, alpha, hidden, share)
    assert loss == pytest.approx(float(measured.losses(demos, alpha[None], hidden)[0] @ share), abs=1e-6)
    step = 1e-2  # norms are computed in float32, whose noise a smaller step would show
    for b in range(3):
        ends = torch.stack([alpha, alpha])
        ends[0, b] += step
        ends[1, b] -= step
        up, down = measured.losses(demos, ends, hidden) @ share
        assert float(slope[b]) == pytest.approx(float(up - down) / (2 * step), rel=2e-2, abs=2e-5)


def test_what_does_not_fit_is_said(loaded: Load, demos: tuple[Example, ...], trials: list[Trial]) -> None:
    loss = ProbeLoss(loaded("llama"), "plain", "sum", trials)
    assert loss.fits(demos)
    assert not loss.fits(demos * 12)


def test_edited_values_give_what_a_ranking_under_the_edit_says(
    loaded: Load, demos: tuple[Example, ...], trials: list[Trial]
) -> None:
    model, edit = loaded("llama"), ValueNoise(0.5, seed=3, draw=1)
    loss = ProbeLoss(model, "plain", "sum", trials)
    found = loss.losses(demos, edits=[edit])[0]
    for p, trial in enumerate(trials):
        task = Task(demos, trial.history, trial.candidates, 0, scoring="sum", edits=(edit,))
        assert float(found[p]) == pytest.approx(rank_candidates(model, task).loss, abs=2e-4)
    assert (loss.losses(demos)[0] - found).abs().max() > 1e-3  # and the kept values stay as they were
