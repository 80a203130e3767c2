"""Iterative forward tuning: against the iteration written out with the model's own attention."""

from dataclasses import replace

import pytest
import torch

from db.errors import ModelError
from engine.llm.explain.effects import demonstration_effects
from engine.llm.loading.agreement import own_attention
from engine.llm.scoring.kv_tuning import ForwardTuned, Standing, iterations
from engine.llm.scoring.log_probs import Prefix
from engine.llm.scoring.memory import PrefillCache
from engine.llm.scoring.ranking import Task, demo_head, prepare, rank_candidates
from engine.prompts import Example
from tests.engine.conftest import TITLES, make_loaded

FAMILIES = ("llama", "qwen3", "phi3", "gpt_neox", "gpt2", "opt")  # those without a sliding window


@pytest.fixture
def task(demos: tuple[Example, ...]) -> Task:
    return Task(demos, TITLES[2:6], TITLES[5:10], 2)


def head_of(loaded, task: Task) -> Prefix:
    return demo_head(loaded, prepare(loaded, task)[1], PrefillCache())


@pytest.mark.parametrize("scoring", ["sum", "yes_no", "listwise"])
@pytest.mark.parametrize("family", FAMILIES)
def test_no_iteration_is_the_plain_prompt_exactly(family: str, scoring: str, task: Task) -> None:
    loaded, asked = make_loaded(family), replace(task, scoring=scoring, weights=(1.0, 0.5, 2.0))
    plain = rank_candidates(loaded, asked)
    none = rank_candidates(loaded, replace(asked, edits=(ForwardTuned(0),)))
    assert none.scores == pytest.approx(plain.scores, abs=1e-5)
    still = rank_candidates(loaded, replace(asked, edits=(ForwardTuned(3, step=0.0),)))
    assert still.scores == pytest.approx(plain.scores, abs=1e-5)
    moved = rank_candidates(loaded, replace(asked, edits=(ForwardTuned(1),)))
    assert moved.scores != pytest.approx(plain.scores, abs=1e-5)
    assert moved.scores_zero_shot == pytest.approx(plain.scores_zero_shot, abs=1e-5)


def twice_read(loaded, head: Prefix, start: int) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Keys and values of the demonstrations' tokens, by stock attention over a cache of the whole prefix."""
    from transformers import DynamicCache

    cache = DynamicCache()
    for layer in range(loaded.layers):
        cache.update(head.keys[layer], head.values[layer], layer)
    ids = torch.tensor([head.ids[start:]])
    own = ids.shape[1]
    seen = torch.ones(own, len(head) + own).tril(len(head)).bool()
    mask = torch.zeros(seen.shape, dtype=loaded.dtype).masked_fill_(~seen, float("-inf"))[None, None]
    with torch.no_grad(), own_attention(loaded.model):
        loaded.model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=torch.arange(start, len(head))[None],
            past_key_values=cache,
        )
    new = [(getattr(layer, "keys"), getattr(layer, "values")) for layer in cache.layers]  # noqa: B009
    return [k[:, :, len(head) :] for k, _ in new], [v[:, :, len(head) :] for _, v in new]


@pytest.mark.parametrize("family", ["llama", "qwen3", "gpt_neox", "gpt2"])
def test_an_iteration_is_a_second_reading_mixed_in_with_momentum(family: str, task: Task) -> None:
    """Against the model's own attention over its own cache, two iterations long."""
    loaded = make_loaded(family, dtype=torch.float64)
    head = head_of(loaded, task)
    start = int((head.owners < 0).sum())
    found = list(iterations(loaded, head, 2, step=0.3, momentum=0.6))
    assert found[0] is head
    current, motion = head, [0.0] * (2 * loaded.layers)
    for made in found[1:]:
        keys, values = twice_read(loaded, current, start)
        old = [*current.keys, *current.values]
        motion = [
            0.6 * m + 0.3 * (new - whole[:, :, start:])
            for m, new, whole in zip(motion, [*keys, *values], old, strict=True)
        ]
        for whole, moved, got in zip(old, motion, (*made.keys, *made.values), strict=True):
            assert torch.equal(got[:, :, :start], whole[:, :, :start])
            assert torch.allclose(got[:, :, start:], whole[:, :, start:] + moved, rtol=0, atol=1e-9)
        current = made
    assert torch.allclose(found[1].keys[0], head.keys[0], atol=1e-9)  # of the first layer nothing has changed
    assert not torch.allclose(found[1].keys[2], head.keys[2], atol=1e-4)


def test_the_edit_is_the_iterations_last_and_is_computed_once(task: Task, monkeypatch) -> None:
    loaded, cache = make_loaded("llama"), PrefillCache()
    head = head_of(loaded, task)
    *_, last = iterations(loaded, head, 3)
    tuned = rank_candidates(loaded, replace(task, edits=(ForwardTuned(3),)), cache)
    assert tuned.scores == rank_candidates(loaded, replace(task, edits=(Standing(last),))).scores
    monkeypatch.setattr("engine.llm.scoring.kv_tuning._read", lambda *_: pytest.fail("read again"))
    weighted = replace(task, edits=(ForwardTuned(3),), weights=(0.0, 0.0, 0.0))
    plain = rank_candidates(loaded, replace(task, weights=(0.0, 0.0, 0.0)))
    assert rank_candidates(loaded, weighted, cache).scores == pytest.approx(plain.scores, abs=1e-6)


def test_effects_explain_the_tuned_prompt(task: Task) -> None:
    loaded, tuned = make_loaded("llama"), replace(task, edits=(ForwardTuned(2),))
    found = demonstration_effects(loaded, tuned, leave_one_out=True)
    gain = found.gains["margin"]
    assert gain.value == pytest.approx(rank_candidates(loaded, tuned).margin, abs=1e-4)
    assert sum(found.effects) == pytest.approx(gain.total, abs=1e-5)


def test_without_demonstrations_there_is_nothing_to_iterate() -> None:
    loaded = make_loaded("llama")
    task = Task((), TITLES[2:6], TITLES[5:10], 2, edits=(ForwardTuned(4),))
    assert rank_candidates(loaded, task).scores == rank_candidates(loaded, replace(task, edits=())).scores


def test_a_sliding_window_that_would_hide_a_reading_is_refused(task: Task) -> None:
    with pytest.raises(ModelError, match="looks back"):
        rank_candidates(make_loaded("mistral"), replace(task, edits=(ForwardTuned(1),)))
