"""Contributions of tokens: against gates of single tokens, and against the effects they divide."""

import dataclasses
import math

import pytest
import torch

from engine.llm.attention.attend import gated
from engine.llm.explain import token_parts as dividing
from engine.llm.explain.effects import demonstration_effects
from engine.llm.explain.token_parts import token_parts
from engine.llm.scoring.gates import WeightedPrompt
from engine.llm.scoring.measures import SIGNS, reading
from engine.llm.scoring.memory import PrefillCache
from engine.llm.scoring.ranking import Task, demo_head, prepare
from engine.prompts import Example
from tests.engine.conftest import FAMILIES, TITLES, make_loaded

HISTORY, CANDIDATES = TITLES[2:6], TITLES[5:10]
WEIGHTS = (0.5, 1.0, 2.0)


def task(demos: tuple[Example, ...], **changes) -> Task:
    return dataclasses.replace(Task(demos, HISTORY, CANDIDATES, 2, weights=WEIGHTS), **changes)


@pytest.mark.parametrize("scoring", ["sum", "calibrated", "yes_no", "listwise"])
@pytest.mark.parametrize("measure", ["margin", "loss"])
def test_tokens_add_up_to_each_demonstrations_own_effect_and_share(measure, scoring, demos) -> None:
    loaded = make_loaded("qwen2", dtype=torch.float64)
    asked = task(demos, scoring=scoring)
    parts = token_parts(loaded, asked, measure)
    whole = demonstration_effects(loaded, asked, "aumann", measure=measure)
    own = [parts.owners == b for b in range(3)]
    sums = [float(parts.effect[:, :, mine].sum()) for mine in own]
    assert sums == pytest.approx(whole.effects, abs=1e-12)
    gain = SIGNS[measure] * (parts.value_off - parts.value)
    assert sum(sums) == pytest.approx(gain, abs=parts.error + 1e-12)
    shares = [float(parts.attention[:, :, mine].sum(-1).mean()) for mine in own]
    assert shares == pytest.approx(whole.mass or [], abs=1e-6)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_tokens_slope_is_that_of_a_gate_on_this_token_alone(family: str, demos, monkeypatch) -> None:
    """Against the same prompt with one gate per token, by autograd and by small differences."""
    loaded, cache = make_loaded(family, dtype=torch.float64), PrefillCache()
    asked = task(demos)
    question, fitted, _, _ = prepare(loaded, asked)
    head = demo_head(loaded, fitted, cache)
    ask = reading(loaded, question, "margin", cache)
    prompt = WeightedPrompt(loaded, fitted, head, ask)
    alpha = torch.tensor(WEIGHTS, dtype=torch.float64)
    places = torch.nonzero(head.owners >= 0)[:, 0]
    owners = head.owners[places]
    players = dividing._Players(prompt, alpha, places, owners, torch.Size((3, 4)), lambda _: None)
    _, slopes = players._slopes(alpha)

    # Every token as a demonstration of its own: the gate's slope is the sum over layers and heads.
    single = torch.full_like(head.owners, -1)
    single[places] = torch.arange(len(places))
    alone = dataclasses.replace(head, owners=single)
    gates = WeightedPrompt(loaded, dataclasses.replace(fitted, kept=tuple(range(len(places)))), alone, ask)
    _, truth = gates.gradient(alpha[owners][None])
    assert torch.allclose(slopes.sum((0, 1)), truth[0], atol=1e-12)

    if family not in ("gpt_neox", "gpt2", "opt"):
        return  # their norms are computed in float32: small differences are lost in it
    # One head alone: its gate is moved a little.
    layer, chosen, token, step = 1, 2, int(len(places) // 2), 1e-5
    calls = []

    def moved(by: float):
        def gate(query, log_alpha, query_owners):
            found = gated(query, log_alpha, query_owners).clone()
            if calls and calls.pop(0) == layer:
                found[:, chosen, :, query.shape[-1] + token] += math.log1p(by / WEIGHTS[owners[token]])
            return found

        return gate

    costs = []
    for by in (step, -step):
        monkeypatch.setattr("engine.llm.attention.lens.gated", moved(by))
        calls[:] = [0, 1, 2] * 20
        costs.append(float(gates.value(alpha[owners][None])[0]))
    assert (costs[0] - costs[1]) / (2 * step) == pytest.approx(float(slopes[layer, chosen, token]), abs=1e-6)


def test_a_demonstration_of_weight_0_contributes_nothing(demos) -> None:
    loaded = make_loaded("gpt2", dtype=torch.float64)
    parts = token_parts(loaded, task(demos, weights=(0.0, 1.0, 1.0)))
    mine = parts.owners == 0
    assert not parts.effect[:, :, mine].any()
    assert not parts.attention[:, :, mine].any()
    assert parts.effect[:, :, ~mine].abs().sum() > 0
