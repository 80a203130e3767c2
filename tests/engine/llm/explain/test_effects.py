"""Effects of demonstrations: against losses of whole prompts, against ranking, and what is refused."""

import dataclasses

import pytest
import torch

from db.errors import BadInput
from engine.llm.attention import lens
from engine.llm.explain.effects import demonstration_effects
from engine.llm.scoring.ranking import Task, rank_candidates
from engine.prompts import Example, encode, render
from engine.prompts.segments import title_answer
from tests.engine.conftest import FAMILIES, TITLES, make_loaded
from tests.engine.llm.reference import answer_logprob

HISTORY = TITLES[2:6]
CANDIDATES = TITLES[5:10]
SCORINGS = ("sum", "mean", "calibrated", "yes_no", "listwise")


def task(demos: tuple[Example, ...], **changes) -> Task:
    return dataclasses.replace(Task(demos, HISTORY, CANDIDATES, 2), **changes)


def full_loss(loaded, demos: tuple[Example, ...], alpha: list[float] | None = None) -> float:
    prompt = encode(loaded.encoder, render("plain", "sum", demos, HISTORY))
    answer = loaded.encoder.joined(title_answer(CANDIDATES[2]))
    return -answer_logprob(loaded, prompt.ids, answer, prompt.owners(), alpha)


@pytest.mark.parametrize("scoring", SCORINGS)
@pytest.mark.parametrize("family", ["qwen2", "opt"])
def test_ranking_and_effects_speak_of_the_same_losses(family: str, scoring: str, demos) -> None:
    loaded = make_loaded(family)
    asked = task(demos, scoring=scoring, weights=(0.5, 1.0, 2.0))
    ranked, found = rank_candidates(loaded, asked), demonstration_effects(loaded, asked)
    assert found.loss == pytest.approx(ranked.loss, abs=1e-4)
    assert found.loss_reprompt_zero_shot == pytest.approx(ranked.loss_zero_shot, abs=1e-4)
    assert sum(found.effects) == pytest.approx(found.effect_total, abs=1e-5)
    assert found.effect_total == pytest.approx(found.loss_zero_shot - found.loss, abs=1e-9)


@pytest.mark.parametrize("family", FAMILIES)
def test_removal_and_reprompt_are_full_prompts_without_one(family: str, demos) -> None:
    loaded = make_loaded(family)
    found = demonstration_effects(loaded, task(demos), leave_one_out=True)
    whole = full_loss(loaded, demos)
    assert found.loss == pytest.approx(whole, abs=1e-4)
    assert found.loss_zero_shot == pytest.approx(full_loss(loaded, demos, [0.0] * 3), abs=1e-4)
    assert found.loss_reprompt_zero_shot == pytest.approx(full_loss(loaded, ()), abs=1e-4)
    gone = [[0.0 if b == c else 1.0 for c in range(3)] for b in range(3)]
    removal = [full_loss(loaded, demos, alpha) - whole for alpha in gone]
    reprompt = [full_loss(loaded, demos[:b] + demos[b + 1 :]) - whole for b in range(3)]
    assert found.removal == pytest.approx(removal, abs=2e-4)
    assert found.reprompt == pytest.approx(reprompt, abs=2e-4)


@pytest.mark.parametrize("mode", ["direct", "total"])
def test_path_and_exact_explain_the_same_gain(mode: str, demos) -> None:
    loaded = make_loaded("gpt2", dtype=torch.float64)
    first, second = (demonstration_effects(loaded, task(demos), e, mode=mode) for e in ("exact", "path"))
    assert first.effect_total == pytest.approx(second.effect_total, abs=1e-9)
    assert first.completeness_error < 1e-9
    assert second.completeness_error <= max(0.02 * abs(second.effect_total), 1e-3)
    assert first.effects == pytest.approx(second.effects, abs=0.05)


def test_attention_mass_is_the_share_of_the_answers_attention(demos) -> None:
    """Against weights recomputed from a recording of the whole prompt."""
    loaded = make_loaded("llama")
    found = demonstration_effects(loaded, task(demos)).mass
    prompt = encode(loaded.encoder, render("plain", "sum", demos, HISTORY))
    answer = loaded.encoder.joined(title_answer(CANDIDATES[2]))
    ids = (*prompt.ids, *answer[:-1])
    owners = torch.tensor(prompt.owners() + [-1] * (len(answer) - 1))
    seen: list[lens.Seen] = []
    current = lens.Pass(observe=seen.append, log_alpha=torch.zeros(1, 3), key_owners=owners)
    current.query_owners = owners
    with torch.no_grad(), lens.looking(current):
        loaded.model(input_ids=torch.tensor([ids]), use_cache=False)
    per_layer = [s.weights[0, :, -len(answer) :] for s in seen if s.weights is not None]
    truth = [sum(float(w[..., owners == b].sum(-1).mean()) for w in per_layer) / 3 for b in range(3)]
    assert found == pytest.approx(truth, abs=1e-5)


def test_a_weight_of_zero_has_no_effect_and_equals_removal(demos) -> None:
    loaded = make_loaded("qwen3")
    off = demonstration_effects(loaded, task(demos, weights=(1.0, 0.0, 1.0)), leave_one_out=True)
    on = demonstration_effects(loaded, task(demos), leave_one_out=True)
    assert off.effects[1] == pytest.approx(0, abs=1e-6)
    assert off.removal is not None
    assert off.removal[1] == 0
    assert off.loss - on.loss == pytest.approx((on.removal or [])[1], abs=1e-5)


def test_exact_effects_of_nine_demonstrations_are_refused(demos) -> None:
    with pytest.raises(BadInput, match="strata or path"):
        demonstration_effects(make_loaded("llama"), task(demos * 3), "exact")
