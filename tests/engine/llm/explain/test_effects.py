"""Effects of demonstrations: against losses of whole prompts, against ranking, and what is refused."""

import copy
import dataclasses

import pytest
import torch

from db.errors import BadInput
from engine.llm.attention import lens
from engine.llm.explain import effects as explaining
from engine.llm.explain.effects import EffectsResult, Estimate, Known, demonstration_effects
from engine.llm.scoring.ranking import Task, rank_candidates
from engine.prompts import PLAIN, Example, encode, render
from engine.prompts.segments import title_answer
from tests.engine.conftest import FAMILIES, TITLES, make_loaded
from tests.engine.llm.reference import answer_logprob

HISTORY = TITLES[2:6]
CANDIDATES = TITLES[5:10]
SCORINGS = ("sum", "mean", "calibrated", "yes_no", "listwise")


def task(demos: tuple[Example, ...], **changes) -> Task:
    return dataclasses.replace(Task(demos, HISTORY, CANDIDATES, 2), **changes)


def full_loss(loaded, demos: tuple[Example, ...], alpha: list[float] | None = None) -> float:
    prompt = encode(loaded.encoder, render(PLAIN, "sum", demos, HISTORY))
    answer = loaded.encoder.joined(title_answer(CANDIDATES[2]))
    return -answer_logprob(loaded, prompt.ids, answer, prompt.owners(), alpha)


@pytest.mark.parametrize("measure", ["margin", "loss"])
@pytest.mark.parametrize("scoring", SCORINGS)
@pytest.mark.parametrize("family", ["qwen2", "opt"])
def test_ranking_and_effects_speak_of_the_same_values(family: str, scoring: str, measure: str, demos) -> None:
    loaded = make_loaded(family)
    asked = task(demos, scoring=scoring, weights=(0.5, 1.0, 2.0))
    ranked, found = rank_candidates(loaded, asked), demonstration_effects(loaded, asked, measure=measure)
    of_run = {
        "margin": (ranked.margin, ranked.margin_zero_shot),
        "loss": (ranked.loss, ranked.loss_zero_shot),
    }
    for name, gain in found.gains.items():
        assert gain.value == pytest.approx(of_run[name][0], abs=2e-4), name
        sign = 1 if name == "margin" else -1
        assert gain.total == pytest.approx(sign * (gain.value - gain.zero_shot), abs=1e-9)
    assert list(found.gains) == ["loss"] if measure == "loss" else ["loss", "margin"]
    assert found.zero_shot == pytest.approx(of_run[measure][1], abs=2e-4)
    assert sum(found.effects) == pytest.approx(found.gains[measure].total, abs=1e-5)
    again = demonstration_effects(loaded, asked, measure="loss")
    second = found.effects if measure == "loss" else found.second
    assert second == pytest.approx(again.effects, abs=2e-4)


@pytest.mark.parametrize("family", FAMILIES)
def test_leaving_one_out_is_a_full_prompt_without_it(family: str, demos) -> None:
    """By its weight, or from the prompt: both against the model's own attention over whole prompts."""
    loaded = make_loaded(family)
    gated = demonstration_effects(loaded, task(demos), leave_one_out=True, measure="loss")
    whole = full_loss(loaded, demos)
    gain = gated.gains["loss"]
    assert gain.value == pytest.approx(whole, abs=1e-4)
    assert gain.zero_shot == pytest.approx(full_loss(loaded, demos, [0.0] * 3), abs=1e-4)
    assert gated.zero_shot == pytest.approx(full_loss(loaded, ()), abs=1e-4)
    gone = [[0.0 if b == c else 1.0 for c in range(3)] for b in range(3)]
    removal = [full_loss(loaded, demos, alpha) - whole for alpha in gone]
    assert gated.leave_one_out == pytest.approx(removal, abs=2e-4)
    dropped = demonstration_effects(loaded, task(demos), leave_one_out=True, mode="reprompt", measure="loss")
    rewritten = [full_loss(loaded, demos[:b] + demos[b + 1 :]) - whole for b in range(3)]
    assert dropped.leave_one_out == pytest.approx(rewritten, abs=2e-4)
    assert dropped.gains["loss"].zero_shot == pytest.approx(dropped.zero_shot, abs=1e-4)


@pytest.mark.parametrize("measure", ["margin", "loss"])
def test_dropping_one_keeps_the_weights_of_the_others(measure: str, demos) -> None:
    """Against rankings of shorter prompts: a mutant with another's weight, or none, gives other numbers."""
    loaded = make_loaded("gpt2", dtype=torch.float64)
    weights = (0.3, 2.0, 1.4)
    found = demonstration_effects(
        loaded, task(demos, weights=weights), leave_one_out=True, mode="reprompt", measure=measure
    )

    def ranked(kept: list[int]) -> float:
        result = rank_candidates(
            loaded, task(tuple(demos[b] for b in kept), weights=tuple(weights[b] for b in kept))
        )
        value = result.margin if measure == "margin" else -(result.loss or 0.0)
        assert value is not None
        return value

    costs = [ranked([0, 1, 2]) - ranked([c for c in range(3) if c != b]) for b in range(3)]
    assert found.leave_one_out == pytest.approx(costs, abs=1e-6)


def test_what_later_demonstrations_read_is_gated_in_mode_total_alone(demos) -> None:
    loaded = make_loaded("gpt2", dtype=torch.float64)
    direct, total = (
        demonstration_effects(loaded, task(demos), leave_one_out=True, mode=mode, measure="loss")
        for mode in ("direct", "total")
    )
    whole = full_loss(loaded, demos)
    prompt = encode(loaded.encoder, render(PLAIN, "sum", demos, HISTORY))
    answer = loaded.encoder.joined(title_answer(CANDIDATES[2]))
    gated = -answer_logprob(loaded, prompt.ids, answer, prompt.owners(), [0.0, 1.0, 1.0], "total")
    assert (total.leave_one_out or [])[0] == pytest.approx(gated - whole, abs=1e-9)
    assert abs((total.leave_one_out or [])[0] - (direct.leave_one_out or [])[0]) > 1e-4
    # Nothing stands between the last one and the query.
    assert (total.leave_one_out or [])[2] == pytest.approx((direct.leave_one_out or [])[2], abs=1e-9)


@pytest.mark.parametrize("mode", ["direct", "total", "reprompt"])
def test_exact_effects_have_no_width_and_estimated_ones_hold_them(mode: str, demos) -> None:
    loaded = make_loaded("gpt2", dtype=torch.float64)
    seven = tuple(
        dataclasses.replace(demo, answer=answer)
        for demo in (demos * 3)[:7]
        for answer in [TITLES[len(demo.history) + (demos * 3).index(demo)]]
    )
    true = demonstration_effects(loaded, task(seven), "exact", mode=mode)
    estimated = demonstration_effects(loaded, task(seven), "kriging", mode=mode)
    assert true.intervals == [(value, value) for value in true.effects]
    assert (true.passes, estimated.passes) == (128, 64)
    held = [
        low <= value <= high
        for value, (low, high) in zip(true.effects, estimated.intervals or [], strict=True)
    ]
    assert sum(held) >= 6
    assert all(high > low for low, high in estimated.intervals or [])
    assert true.interactions is not None
    assert estimated.interactions is None


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_in_half_precision_intervals_include_the_arithmetic(dtype: torch.dtype, demos) -> None:
    """Against the same weights computed in float64."""
    half = make_loaded("llama", dtype=dtype)
    model = copy.deepcopy(half.model).to(torch.float64)
    true = dataclasses.replace(half, model=model, dtype=torch.float64)
    held, widths = [], []
    for place in range(len(CANDIDATES)):
        asked = task(demos, target=place)
        found, exact = demonstration_effects(half, asked), demonstration_effects(true, asked)
        assert found.arithmetic > 0 == exact.arithmetic
        for value, (low, high) in zip(exact.effects, found.intervals or [], strict=True):
            held.append(low <= value <= high)
            widths.append(high - low)
    assert sum(held) >= 0.8 * len(held)
    assert max(widths) < 0.5


def test_attention_mass_is_the_share_of_the_answers_attention(demos) -> None:
    """Against weights recomputed from a recording of the whole prompt."""
    loaded = make_loaded("llama")
    found = demonstration_effects(loaded, task(demos)).mass
    prompt = encode(loaded.encoder, render(PLAIN, "sum", demos, HISTORY))
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
    assert off.leave_one_out is not None
    assert off.leave_one_out[1] == 0
    lost = on.gains["margin"].value - off.gains["margin"].value
    assert lost == pytest.approx((on.leave_one_out or [])[1], abs=1e-5)


def test_exact_effects_of_nine_demonstrations_are_refused(demos) -> None:
    with pytest.raises(BadInput, match="Use kriging"):
        demonstration_effects(make_loaded("llama"), task(demos * 3), "exact")


@pytest.mark.parametrize("mode", ["direct", "total", "reprompt"])
def test_where_it_takes_seconds_estimates_are_told_and_the_end_is_the_same(
    mode: str, demos, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded, heard = make_loaded("llama", dtype=torch.float64), []
    asked = task((*demos, *demos[:1]), weights=(0.5, 1.0, 2.0, 1.0))
    plain = demonstration_effects(loaded, asked, mode=mode, told=heard.append)
    assert heard == [], "at once"
    monkeypatch.setitem(explaining.SLOW, "cpu", 0)
    found = demonstration_effects(loaded, asked, mode=mode, told=heard.append)
    assert found.effects == pytest.approx(plain.effects, abs=1e-9)
    assert found.gains["loss"].total == pytest.approx(plain.gains["loss"].total, abs=1e-9)
    first, *rest = heard if mode != "reprompt" else [None, *heard]
    if first is not None:
        assert (first.estimator, first.passes, first.of, first.intervals) == ("gradient", 1, 16, None)
        assert len(first.effects) == 4
    assert [(one.estimator, one.passes, one.of) for one in rest] == [("kriging", 10, 16)]
    for one in rest:
        assert all(
            low <= effect <= high for effect, (low, high) in zip(one.effects, one.intervals, strict=True)
        )


def test_an_estimate_counts_a_demonstration_that_did_not_fit_as_nothing(
    demos, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = make_loaded("llama")
    monkeypatch.setitem(explaining.SLOW, "cpu", 0)
    heard: list[Estimate] = []
    many = task(demos * 12)
    found = demonstration_effects(loaded, many, estimator="kriging", told=heard.append)
    assert 0 < len(found.kept) < len(many.demos), "some have no room"
    assert len(heard) > 1
    for one in heard:
        assert len(one.effects) == len(many.demos)
        assert all(one.effects[b] == 0 for b in range(len(many.demos)) if b not in found.kept)


def wide(turned: EffectsResult) -> Known:
    """A random model's intervals are wide: all of them are narrow enough."""
    return Known(turned.costs or {}, 0.0, 1e9)


def test_dropping_is_told_from_turning_down_with_fewer_prompts(demos) -> None:
    loaded = make_loaded("llama", dtype=torch.float64)
    asked = task((*demos, *demos[:1]), weights=(0.5, 1.0, 2.0, 1.0))
    turned = demonstration_effects(loaded, asked, "difference")
    assert (turned.estimator, len(turned.costs or {})) == ("exact", 16)
    assert demonstration_effects(loaded, asked).costs is None, "nothing to save where it is there at once"
    true = demonstration_effects(loaded, asked, mode="reprompt", leave_one_out=True)
    found = demonstration_effects(
        loaded, asked, "difference", mode="reprompt", known=wide(turned), leave_one_out=True
    )
    assert (found.estimator, found.passes) == ("difference", 10)
    assert all(
        low <= effect <= high for effect, (low, high) in zip(true.effects, found.intervals or [], strict=True)
    )
    assert found.leave_one_out == pytest.approx(true.leave_one_out, abs=1e-9)
    for name, gain in found.gains.items():
        assert gain.total == pytest.approx(true.gains[name].total, abs=1e-9)
    assert found.second == pytest.approx(true.second, abs=0.1)
    assert sum(found.second or []) == pytest.approx(found.gains["loss"].total, abs=1e-6)
    assert found.interactions is None


def test_auto_tells_dropping_from_turning_down_where_it_takes_seconds(
    demos, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = make_loaded("llama", dtype=torch.float64)
    asked = task((*demos, *demos[:1]))
    monkeypatch.setitem(explaining.SLOW, "cpu", 0)
    known = wide(demonstration_effects(loaded, asked))
    assert demonstration_effects(loaded, asked, mode="reprompt", known=known).estimator == "difference"
    assert demonstration_effects(loaded, asked, "exact", mode="reprompt", known=known).estimator == "exact"
    monkeypatch.setitem(explaining.SLOW, "cpu", 1e18)
    assert demonstration_effects(loaded, asked, mode="reprompt", known=known).estimator == "exact"
