"""Effects of adding each of a pool: those of prompts written with it; slopes: those of small changes."""

from dataclasses import replace

import pytest
import torch

from db.errors import BadInput
from engine.llm.explain import predicted_effects
from engine.llm.explain.predicted_effects import added, side_by_side, slopes
from engine.llm.scoring.measures import Measure
from engine.llm.scoring.memory import PrefillCache
from engine.llm.scoring.ranking import RankResult, Task, rank_candidates
from engine.prompts import Example
from tests.engine.conftest import FAMILIES, TITLES, make_loaded

HISTORY = TITLES[2:6]
CANDIDATES = TITLES[5:10]
POOL = tuple(Example(tuple(TITLES[i : i + 1 + i % 3]), TITLES[(i + 5) % len(TITLES)]) for i in range(5))
BARE = Task((), HISTORY, CANDIDATES, 2)
LONG = Example(tuple(" ".join(TITLES[i : i + 3]) for i in range(6)), TITLES[1])


def with_it(task: Task, demo: Example) -> Task:
    weights = None if task.weights is None else (*task.weights, 1.0)
    return replace(task, demos=(*task.demos, demo), weights=weights)


def value(ranked: RankResult, measure: Measure) -> float:
    """Higher is better."""
    found = ranked.margin if measure == "margin" else ranked.loss
    assert found is not None
    return found if measure == "margin" else -found


def naive(loaded, task: Task, measure: Measure = "margin") -> list[float]:
    """From prompts written with each one."""
    before = value(rank_candidates(loaded, task), measure)
    return [value(rank_candidates(loaded, with_it(task, demo)), measure) - before for demo in POOL]


@pytest.mark.parametrize("scoring", ["sum", "calibrated", "yes_no", "listwise"])
@pytest.mark.parametrize("family", FAMILIES)
def test_alone_it_is_what_the_prompt_written_with_it_gives(family: str, scoring: str) -> None:
    loaded, task = make_loaded(family), replace(BARE, scoring=scoring)
    found = added(loaded, task, POOL)
    assert found.effects == pytest.approx(naive(loaded, task), abs=2e-4)
    assert found.value == pytest.approx(rank_candidates(loaded, task).margin, abs=2e-4)
    # Teeth: they differ (a label after a long list is out of a sliding window's sight of them).
    assert scoring == "listwise" or len({round(effect or 0.0, 4) for effect in found.effects}) == len(POOL)


@pytest.mark.parametrize("measure", ["margin", "loss"])
@pytest.mark.parametrize("weights", [None, (0.5, 2.0, 1.0)])
def test_behind_others_it_is_added_last_and_at_weight_one(weights, measure: Measure, demos) -> None:
    loaded = make_loaded("llama", "chat")
    task = replace(BARE, demos=demos, weights=weights, hint=TITLES[:2])
    found = added(loaded, task, POOL, measure)
    assert found.effects == pytest.approx(naive(loaded, task, measure), abs=2e-4)
    # Teeth: what a demonstration does alone is another question.
    alone = added(loaded, replace(task, demos=(), weights=None), POOL, measure)
    assert found.effects != pytest.approx(alone.effects, abs=1e-2)


def test_what_takes_room_from_the_rest_is_measured_as_it_would_be_run(demos) -> None:
    loaded = make_loaded("llama")
    task = replace(BARE, demos=demos * 2)
    short = replace(loaded, context_length=len(rank_candidates(loaded, task).text) // 2)
    never = Example((" ".join(TITLES * 20),), TITLES[1])
    for length in range(150, 400, 50):
        small = replace(short, context_length=length)
        ranked = rank_candidates(small, with_it(task, LONG))
        found = added(small, task, [LONG, POOL[0], never])
        bare = rank_candidates(small, task)
        assert found.value == pytest.approx(bare.margin, abs=2e-4)
        assert found.effects[2] is None
        if len(task.demos) in ranked.kept:
            assert found.effects[0] == pytest.approx(ranked.margin - bare.margin, abs=2e-4)  # type: ignore[operator]
        else:
            assert found.effects[0] is None
    assert added(loaded, task, []).effects == []


def test_a_changed_weight_computes_no_demonstration_again(monkeypatch: pytest.MonkeyPatch, demos) -> None:
    loaded, cache, runs = make_loaded("llama"), PrefillCache(), []
    true = predicted_effects.continuations

    def counted(loaded, base, rows):
        runs.append(len(rows))
        return true(loaded, base, rows)

    monkeypatch.setattr(predicted_effects, "continuations", counted)
    for weights in (None, (0.0, 1.0, 2.0)):
        added(loaded, replace(BARE, demos=demos, weights=weights), POOL, "margin", cache)
    assert runs == [len(POOL)]


@pytest.mark.parametrize("measure", ["margin", "loss"])
@pytest.mark.parametrize("family", ["gpt_neox", "opt"])  # others normalize in float32 whatever their format
def test_slopes_are_those_of_small_changes_of_weights(family: str, measure: Measure, demos) -> None:
    loaded = make_loaded(family, dtype=torch.float64)
    task = replace(BARE, demos=demos, weights=(1.0, 0.5, 2.0))
    prompts = predicted_effects._Prompts(loaded, task, POOL, measure, PrefillCache())
    cost, many = side_by_side(prompts), len(POOL)
    start, step = torch.full((many,), 1 / many, dtype=torch.float64), 1e-5
    with torch.no_grad():
        ends = [[cost(start + sign * step * row) for row in torch.eye(many).double()] for sign in (1, -1)]
    numeric = dict(
        zip(
            prompts.whole,
            [float(below - above) / (2 * step) for above, below in zip(*ends, strict=True)],
            strict=True,
        )
    )
    found = slopes(loaded, task, POOL, measure)
    assert found == pytest.approx([numeric[i] for i in range(many)], rel=1e-5, abs=1e-8)
    assert max(abs(slope or 0.0) for slope in found) > 1e-3


def test_one_side_by_side_is_the_prompt_with_it() -> None:
    loaded = make_loaded("llama")
    prompts = predicted_effects._Prompts(loaded, BARE, POOL[:1], "margin", PrefillCache())
    cost = float(side_by_side(prompts)(torch.ones(1)))
    assert -cost == pytest.approx(rank_candidates(loaded, with_it(BARE, POOL[0])).margin, abs=2e-4)
    assert slopes(loaded, BARE, []) == []


def test_refusals() -> None:
    loaded = make_loaded("llama")
    with pytest.raises(BadInput, match="target"):
        added(loaded, replace(BARE, target=None), POOL)
    with pytest.raises(BadInput, match="plain prompts"):
        added(loaded, replace(BARE, edits=(lambda _loaded, prefix, _cache: prefix,)), POOL)
