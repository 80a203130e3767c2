"""The probes' margins and losses are those of the rankings they stand for, on several architectures."""

from collections.abc import Callable

import pytest
import torch

from engine.llm.loading.load import LoadedModel
from engine.llm.scoring.edits.values import ValueNoise
from engine.llm.scoring.ranking import Task, rank_candidates
from engine.optimize.objective import ProbeCosts, Trial
from engine.prompts import PLAIN, Example

MEASURES = ("margin", "loss")
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
    loaded: LoadedModel,
    trial: Trial,
    demos: tuple[Example, ...],
    scoring: str,
    weights: tuple[float, ...],
    measure: str = "margin",
) -> float:
    """What a ranking of the prompt costs."""
    task = Task(demos, trial.history, trial.candidates, 0, scoring=scoring, weights=weights)  # type: ignore[arg-type]
    found = rank_candidates(loaded, task)
    assert found.loss is not None
    assert found.margin is not None
    return -found.margin if measure == "margin" else found.loss


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("family", ["llama", "mistral", "gpt2"])
@pytest.mark.parametrize("scoring", SCORINGS)
def test_a_probes_cost_is_what_a_ranking_says(
    loaded: Load, demos: tuple[Example, ...], trials: list[Trial], family: str, scoring: str, measure: str
) -> None:
    model = loaded(family)
    weightings = [(1.0, 1.0, 1.0), (2.0, 0.0, 0.5)]
    probes = ProbeCosts(model, PLAIN, scoring, trials, measure)  # type: ignore[arg-type]
    found = probes.costs(demos, torch.tensor(weightings))
    for m, weights in enumerate(weightings):
        for p, trial in enumerate(trials):
            expected = by_ranking(model, trial, demos, scoring, weights, measure)
            assert float(found[m, p]) == pytest.approx(expected, abs=3e-4)


@pytest.mark.parametrize("scoring", ["calibrated", "listwise"])
def test_what_a_probe_must_not_see_is_not_written(
    loaded: Load, demos: tuple[Example, ...], trials: list[Trial], scoring: str
) -> None:
    probes = ProbeCosts(loaded("llama"), PLAIN, scoring, trials)
    bare = [by_ranking(loaded("llama"), trial, (), scoring, ()) for trial in trials]
    assert probes.costs([])[0].tolist() == pytest.approx(bare, abs=3e-4)
    hidden = torch.tensor([[False, False, False], [True, False, False], [False, True, True]])
    weights = torch.tensor([[0.5, 2.0, 1.5]])
    found = probes.costs(demos, weights, hidden)[0]
    for p, shown in enumerate([(0, 1, 2), (1, 2), (0,)]):
        written, at = tuple(demos[b] for b in shown), tuple(float(weights[0, b]) for b in shown)
        expected = by_ranking(loaded("llama"), trials[p], written, scoring, at)
        assert float(found[p]) == pytest.approx(expected, abs=3e-4)
    # Turned down instead, it would be another number: positions would stay.
    gated = by_ranking(loaded("llama"), trials[2], demos, scoring, (0.5, 0.0, 0.0))
    assert abs(gated - float(found[2])) > 1e-3


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("scoring", ["sum", "yes_no", "listwise"])
def test_the_gradient_is_that_of_the_cost(
    loaded: Load, demos: tuple[Example, ...], trials: list[Trial], scoring: str, measure: str
) -> None:
    model = loaded("llama", "bpe", torch.float64)
    measured = ProbeCosts(model, PLAIN, scoring, trials, measure)  # type: ignore[arg-type]
    alpha = torch.tensor([1.2, 0.7, 1.0], dtype=torch.float64)
    hidden = torch.tensor([[False, False, True], [False, True, False], [False, False, False]])
    share = torch.tensor([0.5, 0.2, 0.3], dtype=torch.float64)
    cost, slope = measured.gradient(demos, alpha, hidden, share)
    assert cost == pytest.approx(float(measured.costs(demos, alpha[None], hidden)[0] @ share), abs=1e-6)
    step = 1e-2  # norms are computed in float32, whose noise a smaller step would show
    for b in range(3):
        ends = torch.stack([alpha, alpha])
        ends[0, b] += step
        ends[1, b] -= step
        up, down = measured.costs(demos, ends, hidden) @ share
        assert float(slope[b]) == pytest.approx(float(up - down) / (2 * step), rel=2e-2, abs=5e-5)


def test_a_weight_of_what_nobody_sees_has_no_slope(
    loaded: Load, demos: tuple[Example, ...], trials: list[Trial]
) -> None:
    measured = ProbeCosts(loaded("gpt2"), PLAIN, "sum", trials)
    everyone, share = torch.ones(3, 3, dtype=torch.bool), torch.full((3,), 1 / 3)
    assert measured.gradient(demos, torch.ones(3), everyone, share)[1].tolist() == [0.0] * 3


def test_what_does_not_fit_is_said(loaded: Load, demos: tuple[Example, ...], trials: list[Trial]) -> None:
    loss = ProbeCosts(loaded("llama"), PLAIN, "sum", trials)
    assert loss.fits(demos)
    assert not loss.fits(demos * 12)


def test_edited_values_give_what_a_ranking_under_the_edit_says(
    loaded: Load, demos: tuple[Example, ...], trials: list[Trial]
) -> None:
    model, edit = loaded("llama"), ValueNoise(0.5, seed=3, draw=1)
    loss = ProbeCosts(model, PLAIN, "sum", trials)
    found = loss.costs(demos, edits=[edit])[0]
    for p, trial in enumerate(trials):
        task = Task(demos, trial.history, trial.candidates, 0, scoring="sum", edits=(edit,))
        assert float(found[p]) == pytest.approx(-(rank_candidates(model, task).margin or 0.0), abs=3e-4)
    assert (loss.costs(demos)[0] - found).abs().max() > 1e-3  # and the kept values stay as they were
