"""The bank gives the losses of plain prompts, and computes a demonstration once."""

from dataclasses import replace

import pytest

from engine.llm.explain.effects import demonstration_effects
from engine.llm.scoring import log_probs, per_demo_cache
from engine.llm.scoring.memory import PrefillCache
from engine.llm.scoring.per_demo_cache import single_losses
from engine.llm.scoring.ranking import Task
from engine.prompts import Example
from tests.engine.conftest import FAMILIES, TITLES, make_loaded

HISTORY = TITLES[2:6]
CANDIDATES = TITLES[5:10]
POOL = tuple(
    Example(tuple(TITLES[i : i + 1 + i % 4]), TITLES[(i + 5) % len(TITLES)]) for i in range(len(TITLES) - 1)
)


def written(loaded, task: Task, demo: Example) -> float:
    alone = Task((demo,), task.history, task.candidates, task.target, task.scoring)
    return demonstration_effects(loaded, alone, measure="loss").gains["loss"].value


@pytest.mark.parametrize("scoring", ["sum", "yes_no", "listwise"])
@pytest.mark.parametrize("family", FAMILIES)
def test_the_bank_gives_what_a_prompt_with_one_demonstration_gives(family: str, scoring: str) -> None:
    loaded = make_loaded(family)
    task = Task((), HISTORY, CANDIDATES, 2, scoring=scoring)
    found = single_losses(loaded, task, POOL)
    assert found == pytest.approx([written(loaded, task, demo) for demo in POOL], abs=1e-4)
    # Teeth: the demonstrations differ (a label after a long list is out of a sliding window's sight of them).
    assert scoring == "listwise" or len({round(loss, 6) for loss in found}) > len(POOL) // 2


def test_the_bank_shows_the_tasks_hint() -> None:
    loaded = make_loaded("llama")
    task = Task((), HISTORY, CANDIDATES, 2, hint=TITLES[:2])
    found = single_losses(loaded, task, POOL[:3])
    alone = [
        demonstration_effects(loaded, replace(task, demos=(demo,)), measure="loss").gains["loss"].value
        for demo in POOL[:3]
    ]
    assert found == pytest.approx(alone, abs=1e-4)
    assert found != pytest.approx(single_losses(loaded, replace(task, hint=()), POOL[:3]), abs=1e-3)


def test_another_query_computes_no_demonstration_again(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded, cache = make_loaded("llama"), PrefillCache()
    runs: list[int] = []
    true = log_probs.continuations

    def counted(loaded, base, rows):
        runs.append(len(rows))
        return true(loaded, base, rows)

    monkeypatch.setattr(per_demo_cache, "continuations", counted)
    for history in (HISTORY, TITLES[6:9]):
        single_losses(loaded, Task((), history, CANDIDATES, 2), POOL, cache)
    single_losses(loaded, Task((), HISTORY, CANDIDATES, 2), (*POOL, Example(TITLES[:2], TITLES[7])), cache)
    assert runs == [len(POOL), 1]


def test_a_small_budget_forgets_and_computes_again() -> None:
    loaded, task = make_loaded("llama"), Task((), HISTORY, CANDIDATES, 2)
    small = PrefillCache(limit_bytes=1)
    first = single_losses(loaded, task, POOL, small)
    assert single_losses(loaded, task, POOL, small) == pytest.approx(first, abs=1e-6)
    assert len(small._kept) == 1


def test_one_too_long_counts_as_not_there() -> None:
    loaded, task = make_loaded("llama"), Task((), HISTORY[:1], CANDIDATES, 2)
    long = Example((" ".join(TITLES * 20),), TITLES[1])
    found = single_losses(loaded, task, [POOL[0], long])
    assert found[0] == pytest.approx(written(loaded, task, POOL[0]), abs=1e-4)
    assert found[1] == pytest.approx(
        demonstration_effects(loaded, task, measure="loss").gains["loss"].value, abs=1e-4
    )


def test_an_empty_pool_has_no_losses() -> None:
    assert single_losses(make_loaded("llama"), Task((), HISTORY, CANDIDATES, 2), []) == []
