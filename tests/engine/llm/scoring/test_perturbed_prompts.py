"""Perturbed prompts: what each edit does to the real model's attention, ranking and effects."""

from dataclasses import replace

import pytest
import torch

from db.choices import EDITS
from db.errors import BadInput
from db.requests.edits import parse
from engine.llm.attention import lens
from engine.llm.explain.effects import demonstration_effects
from engine.llm.explain.perturbation_stats import perturbation_stats
from engine.llm.scoring import perturbed_prompts
from engine.llm.scoring.edits.negatives import Negatives
from engine.llm.scoring.edits.values import ValueNoise
from engine.llm.scoring.log_probs import Row, prefill, suffix_logprobs
from engine.llm.scoring.memory import PrefillCache
from engine.llm.scoring.perturbed_prompts import draws_of, rank_perturbed
from engine.llm.scoring.ranking import Task, demo_head, prepare, rank_candidates
from engine.prompts import PLAIN, Example
from tests.engine.conftest import FAMILIES, TITLES, make_loaded

DISLIKED = TITLES[8:10]


@pytest.fixture
def task(demos: tuple[Example, ...]) -> Task:
    return Task(demos, TITLES[2:6], TITLES[5:10], 2)


@pytest.mark.parametrize("family", FAMILIES)
def test_value_noise_adds_the_weighted_noise_to_every_layers_output(family: str, task: Task) -> None:
    """With the perturbed pass's own attention weights and values: o - sum a_j v_j = sum_D a_i eps_i."""
    loaded, cache = make_loaded(family, dtype=torch.float64), PrefillCache()
    _, fitted, _, _ = prepare(loaded, task)
    plain = demo_head(loaded, fitted, cache)
    edited = ValueNoise(0.5, 3, 1)(loaded, plain, cache)
    seen: list[lens.Seen] = []
    row = Row(fitted.encoded.ids[len(plain) :], 1)
    with torch.no_grad():
        suffix_logprobs(
            loaded, edited.head(), [row], torch.zeros(1, 3, dtype=torch.float64), observe=seen.append
        )
    inside = plain.owners >= 0
    for each in seen:
        assert each.weights is not None
        noise = edited.values[each.layer] - plain.values[each.layer]
        assert bool((noise[:, :, ~inside] == 0).all())
        heads = each.query.shape[1] // plain.values[each.layer].shape[1]
        spread = noise[:, :, inside].repeat_interleave(heads, 1)
        added = each.weights[..., : len(plain)][..., inside] @ spread
        own = each.values[:, :, len(plain) :]
        values = torch.cat([plain.values[each.layer], own], 2).repeat_interleave(heads, 1)
        assert torch.allclose(each.output - each.weights @ values, added, rtol=0, atol=1e-10)
        assert float(added.abs().max()) > 1e-4


def test_negatives_take_the_mean_of_disliked_titles_off_every_demonstration_token(task: Task) -> None:
    loaded, cache = make_loaded("llama"), PrefillCache()
    _, fitted, _, _ = prepare(loaded, task)
    head = demo_head(loaded, fitted, cache)
    edited = Negatives(0.5, DISLIKED, PLAIN, "sum")(loaded, head, cache)
    inside = head.owners >= 0
    values = []
    for title in DISLIKED:
        before = loaded.encoder.joined(("Purchases in order, then the next one.\n\n", "Bought:\n", "-"))
        own = loaded.encoder.joined((f" {title}\n",))
        alone = prefill(loaded, (*before, *own), [-1] * (len(before) + len(own)))
        values.append(alone.values[1][0, :, -len(own) :])
    mean = torch.cat(values, 1).mean(1)
    change = (edited.values[1] - head.values[1])[0]
    assert torch.allclose(change[:, inside], -0.5 * mean[:, None].expand_as(change[:, inside]), atol=1e-6)
    assert bool((change[:, ~inside] == 0).all())
    assert edited.keys is head.keys


def test_the_cached_prompt_is_not_touched_by_an_edit(task: Task) -> None:
    loaded, cache = make_loaded("llama"), PrefillCache()
    before = rank_candidates(loaded, task, cache)
    for text in ("values:0.5", "negatives", "order", "typos"):
        rank_perturbed(loaded, task, parse(text), 0, cache, DISLIKED)
    assert rank_candidates(loaded, task, cache).scores == pytest.approx(before.scores, abs=1e-5)


@pytest.mark.parametrize("scoring", ["sum", "mean", "calibrated", "yes_no", "listwise"])
def test_ridge_is_smaller_weights_in_every_scoring_mode(scoring: str, task: Task) -> None:
    loaded, asked = make_loaded("llama"), replace(task, scoring=scoring, weights=(1.0, 0.5, 2.0))
    found = rank_perturbed(loaded, asked, parse("ridge:0.25"), 0)
    assert found.scores == pytest.approx(
        rank_candidates(loaded, replace(asked, weights=(0.75, 0.375, 1.5))).scores, abs=1e-6
    )
    assert found.scores != pytest.approx(rank_candidates(loaded, asked).scores, abs=1e-4)
    gone = rank_perturbed(loaded, asked, parse("ridge:1"), 0)
    assert gone.scores == pytest.approx(rank_candidates(loaded, replace(asked, weights=(0.0,) * 3)).scores)


@pytest.mark.parametrize("name", [name for name, kind in EDITS.items() if kind.drawn])
def test_a_random_edit_ranks_by_the_mean_of_its_draws(name: str, task: Task) -> None:
    """Draw by draw as many as asked for, in any order; the first is the prompt as it stands."""
    loaded = make_loaded("llama")
    edits = parse(name if name == "order" else f"{name}:0.6")
    found = rank_perturbed(loaded, task, edits, 5)
    draws = draws_of(task, edits, 5, range(perturbed_prompts.DRAWS))
    plain = rank_candidates(loaded, task)
    assert rank_candidates(loaded, draws[0].task).scores == pytest.approx(plain.scores, abs=1e-5)
    assert draws[::-1] == draws_of(task, edits, 5, range(perturbed_prompts.DRAWS)[::-1])
    each = [torch.tensor(rank_candidates(loaded, draw.task).scores) for draw in draws]
    assert found.scores == pytest.approx(torch.stack(each).mean(0).tolist(), abs=1e-5)
    assert len({tuple(scores.tolist()) for scores in each}) > 2
    assert (found.text, found.kept, found.scores_zero_shot) == (
        plain.text,
        plain.kept,
        plain.scores_zero_shot,
    )


def test_edits_act_together_and_order_comes_last(task: Task) -> None:
    edits = parse("order+ridge:0.5+weights:0.3")
    assert [edit.name for edit in edits] == ["weights", "ridge", "order"]
    [draw] = draws_of(task, edits, 1, [2])
    [noisy] = draws_of(task, edits[:1], 1, [2])
    assert noisy.task.weights is not None
    assert draw.task.weights == pytest.approx([0.5 * noisy.task.weights[b] for b in draw.order])
    assert draw.task.demos == tuple(task.demos[b] for b in draw.order)


def test_demonstrations_out_of_sight_make_an_edit_of_their_values_void(task: Task) -> None:
    loaded, off = make_loaded("qwen2"), replace(task, weights=(0.0, 0.0, 0.0))
    edited = replace(off, edits=(ValueNoise(1.0, 0, 1), Negatives(1.0, DISLIKED, PLAIN, "sum")))
    assert rank_candidates(loaded, edited).scores == rank_candidates(loaded, off).scores


def test_effects_under_a_value_edit_are_complete_and_leave_one_out_edits_the_shorter_prompt(
    task: Task,
) -> None:
    loaded = make_loaded("llama")
    edited = replace(task, edits=(Negatives(2.0, DISLIKED, PLAIN, "sum"),))
    found = demonstration_effects(loaded, edited)
    assert found.gains["margin"].value == pytest.approx(rank_candidates(loaded, edited).margin, abs=1e-4)
    assert sum(found.effects) == pytest.approx(found.gains["margin"].total, abs=1e-5)
    assert found.effects != pytest.approx(demonstration_effects(loaded, task).effects, abs=1e-3)
    dropped = demonstration_effects(loaded, edited, leave_one_out=True, mode="reprompt", measure="loss")
    shorter = rank_candidates(loaded, replace(edited, demos=task.demos[1:])).loss
    assert dropped.gains["loss"].value == pytest.approx(rank_candidates(loaded, edited).loss, abs=1e-4)
    assert dropped.leave_one_out is not None
    assert dropped.gains["loss"].value + dropped.leave_one_out[0] == pytest.approx(shorter, abs=1e-4)
    bare = rank_candidates(loaded, edited).loss_zero_shot
    assert dropped.gains["loss"].zero_shot == pytest.approx(bare, abs=1e-4)
    with pytest.raises(BadInput, match="total"):
        demonstration_effects(loaded, edited, mode="total")


def test_spreads_are_moments_of_the_effects_of_each_draw(task: Task) -> None:
    loaded = make_loaded("llama")
    edits = parse("order+weights+ridge:0.5+values:0.5+dropout:0.5")
    plain, *found = perturbation_stats(loaded, task, edits, draws=3, seed=2)
    assert plain.edit is None
    assert plain.effects[:, 0].tolist() == pytest.approx(
        demonstration_effects(loaded, task).effects, abs=1e-5
    )
    for spread in found:
        assert spread.edit is not None
        assert spread.draws == (3 if spread.edit.kind.drawn else 1)
        assert spread.effects.sum(0).tolist() == pytest.approx(spread.totals.tolist(), abs=1e-4)
        numbers = range(1, 4) if spread.edit.kind.drawn else [0]
        for column, draw in enumerate(draws_of(task, [spread.edit], 2, numbers)):
            effects = demonstration_effects(loaded, draw.task).effects
            back = [effects[draw.order.index(b)] for b in range(3)]
            assert spread.effects[:, column].tolist() == pytest.approx(back, abs=1e-4)
    assert float(found[-1].effects.std(1).max()) > 0


def test_a_spread_needs_a_target_and_draws(task: Task) -> None:
    with pytest.raises(BadInput, match="target"):
        perturbation_stats(make_loaded("llama"), replace(task, target=None), parse("order"))
    with pytest.raises(BadInput, match="draws"):
        perturbation_stats(make_loaded("llama"), task, parse("order"), draws=0)
