"""Ranking: lists, losses and margins, what is cached, and what does not fit."""

import dataclasses

import pytest
import torch

from db.errors import BadInput
from engine.llm.explain.effects import demonstration_effects
from engine.llm.scoring.memory import PrefillCache
from engine.llm.scoring.modes import longest_tail
from engine.llm.scoring.ranking import Task, prepare, rank_candidates
from engine.prompts import Example
from engine.prompts.orders import cyclic_orders
from tests.engine.conftest import TITLES, make_loaded

HISTORY = TITLES[2:6]
CANDIDATES = TITLES[5:10]
SCORINGS = ("sum", "mean", "calibrated", "yes_no", "listwise")


def task(demos: tuple[Example, ...], **changes) -> Task:
    return dataclasses.replace(Task(demos, HISTORY, CANDIDATES, 2), **changes)


def test_no_demonstrations_mean_no_effects_and_one_ranking() -> None:
    loaded = make_loaded("llama")
    ranked = rank_candidates(loaded, task(()))
    assert ranked.scores == ranked.scores_zero_shot
    assert (ranked.loss, ranked.margin) == (ranked.loss_zero_shot, ranked.margin_zero_shot)
    found = demonstration_effects(loaded, task(()), leave_one_out=True)
    assert (found.effects, found.leave_one_out, found.mass, found.intervals) == ([], [], [], [])
    assert {(gain.total, gain.value - gain.zero_shot) for gain in found.gains.values()} == {(0.0, 0.0)}


def test_a_changed_weight_reuses_the_prompt_and_the_zero_shot_scores(demos) -> None:
    """By the tokens that are read: those of demonstrations and of the bare prompt are read once."""
    loaded, cache = make_loaded("llama"), PrefillCache()
    read: list[int] = []
    handle = loaded.model.get_input_embeddings().register_forward_hook(
        lambda module, args, out: read.append(out.shape[0] * out.shape[1])
    )
    first = rank_candidates(loaded, task(demos), cache)
    whole = sum(read)
    second = rank_candidates(loaded, task(demos, weights=(0.2, 1.0, 1.0)), cache)
    handle.remove()
    _, fitted, zero, _ = prepare(loaded, task(demos))
    demonstrations = len(fitted.encoded.before("query"))
    assert sum(read) - whole <= whole - demonstrations - len(zero.encoded)
    assert second.scores != first.scores
    assert second.scores_zero_shot == first.scores_zero_shot
    fresh = rank_candidates(loaded, task(demos, weights=(0.2, 1.0, 1.0)))
    assert second.scores == pytest.approx(fresh.scores, abs=1e-5)


def test_two_models_never_share_a_prompt(demos) -> None:
    cache = PrefillCache()
    first = rank_candidates(make_loaded("llama"), task(demos), cache)
    second = rank_candidates(make_loaded("qwen3"), task(demos), cache)
    assert second.scores == pytest.approx(rank_candidates(make_loaded("qwen3"), task(demos)).scores, abs=1e-6)
    assert first.scores != second.scores


def test_what_did_not_fit_is_reported_and_has_no_effect(demos) -> None:
    loaded = make_loaded("llama")
    small = dataclasses.replace(loaded, context_length=90)
    ranked = rank_candidates(small, task(demos))
    assert [d.kind for d in ranked.dropped] == ["history"] * 3 + ["demo"]
    assert ranked.kept == (1, 2)
    assert ranked.tokens < 90
    found = demonstration_effects(small, task(demos, weights=(7.0, 1.0, 0.5)), leave_one_out=True)
    assert (found.effects[0], (found.leave_one_out or [1])[0], found.mass[0]) == (0.0, 0.0, 0.0)
    assert found.effects[1] != 0
    alone = demonstration_effects(loaded, task(demos[1:], history=HISTORY[-1:], weights=(1.0, 0.5)))
    assert found.effects[1:] == pytest.approx(alone.effects, abs=1e-5)


@pytest.mark.parametrize("scoring", SCORINGS)
@pytest.mark.parametrize("spare", [20, 0, -1])
def test_zero_shot_is_the_prompt_of_the_user_alone_whatever_the_demonstrations(
    scoring: str, spare: int, demos
) -> None:
    """The history makes room for demonstrations; the list without them shows all of it that fits alone."""

    def asked(shown: tuple[Example, ...]) -> Task:
        return task(shown, scoring=scoring, history=TITLES * 2)

    loaded, cache = make_loaded("llama"), PrefillCache()
    question, bare, _, _ = prepare(loaded, asked(()))
    room = len(bare.encoded) + longest_tail(loaded.encoder, question) + spare
    small = dataclasses.replace(loaded, context_length=room)
    alone = rank_candidates(small, asked(()))
    assert len(alone.dropped) == (spare < 0)
    for shown in (demos, demos[1:], demos[:1]):
        ranked = rank_candidates(small, asked(shown), cache)
        assert any(lost.kind == "history" for lost in ranked.dropped)
        assert ranked.kept
        assert ranked.dropped_zero_shot == alone.dropped
        assert ranked.scores_zero_shot == pytest.approx(alone.scores, abs=1e-5)
        assert ranked.loss_zero_shot == pytest.approx(alone.loss, abs=1e-5)


def test_calibration_takes_off_what_a_title_scores_alone(demos) -> None:
    loaded = make_loaded("llama")
    plain, calibrated = (rank_candidates(loaded, task(demos, scoring=s)) for s in ("sum", "calibrated"))
    prior = [a - b for a, b in zip(plain.scores, calibrated.scores, strict=True)]
    bare = [a - b for a, b in zip(plain.scores_zero_shot, calibrated.scores_zero_shot, strict=True)]
    assert prior == pytest.approx(bare, abs=1e-6)
    assert calibrated.loss == plain.loss


def test_a_disliked_target_makes_no_the_right_answer(demos) -> None:
    loaded = make_loaded("gpt2")
    liked, disliked = (
        rank_candidates(loaded, task(demos, scoring="yes_no", target_liked=liked)) for liked in (True, False)
    )
    assert liked.scores == disliked.scores
    yes, no = (torch.tensor(-x.loss).exp() for x in (liked, disliked) if x.loss is not None)
    assert float(yes + no) == pytest.approx(1, abs=1e-6)


def test_the_order_of_a_list_is_drawn_by_the_seed_and_averaged_out(demos) -> None:
    loaded = make_loaded("llama")
    first, again, other = (
        rank_candidates(loaded, task(demos, scoring="listwise", seed=s)).scores for s in (0, 0, 1)
    )
    assert first == again
    assert first != other
    orders = cyclic_orders(5, 0)
    assert len(set(orders)) == 4
    assert all(sorted(order) == list(range(5)) for order in orders)
    assert len({order[0] for order in orders}) == 4


def test_without_a_target_there_are_scores_and_no_losses(demos) -> None:
    ranked = rank_candidates(make_loaded("llama"), task(demos, target=None))
    assert len(ranked.scores) == 5
    assert (ranked.loss, ranked.margin) == (None, None)
    with pytest.raises(BadInput, match="target"):
        demonstration_effects(make_loaded("llama"), task(demos, target=None))


def test_the_margin_is_the_targets_log_share_among_the_candidates(demos) -> None:
    ranked = rank_candidates(make_loaded("llama"), task(demos))
    scores = torch.tensor(ranked.scores, dtype=torch.float64)
    assert ranked.margin == pytest.approx(float(scores[2] - scores.logsumexp(0)))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"weights": (1.0,)}, "one weight for each"),
        ({"weights": (1.0, -1.0, 1.0)}, "Weight 2"),
        ({"weights": (1.0, 1.0, float("nan"))}, "Weight 3"),
        ({"candidates": ()}, "no candidates"),
        ({"target": 9}, "not one of the 5"),
        ({"scoring": "best"}, "Choose one of"),
    ],
)
def test_a_wrong_request_is_named(changes, words: str, demos) -> None:
    with pytest.raises(BadInput, match=words):
        rank_candidates(make_loaded("llama"), task(demos, **changes))
