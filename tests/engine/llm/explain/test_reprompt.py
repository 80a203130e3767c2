"""Losses of prompts written with some of the demonstrations, against each prompt run whole on its own."""

import pytest
import torch

from db.errors import BadInput
from engine.llm.explain import reprompt
from engine.llm.explain.effects import demonstration_effects
from engine.llm.explain.reprompt import Reprompts
from engine.llm.scoring.measures import Reading, reading
from engine.llm.scoring.memory import PrefillCache
from engine.llm.scoring.ranking import Task, demo_head, prepare, rank_candidates
from engine.lrgd.shapley import coalitions
from engine.prompts import PLAIN, Example, encode, render
from engine.prompts.segments import title_answer
from tests.engine.conftest import FAMILIES, TITLES, make_loaded
from tests.engine.llm.reference import answer_logprob

HISTORY = TITLES[2:6]
CANDIDATES = TITLES[5:10]


def asked(loaded, demos: tuple[Example, ...]) -> Reprompts:
    question, fitted, _, _ = prepare(loaded, Task(demos, HISTORY, CANDIDATES, 2))
    ask = reading(loaded, question, "loss", PrefillCache())
    return Reprompts(loaded, fitted, demo_head(loaded, fitted, PrefillCache()), ask)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_coalition_is_the_prompt_written_with_it(family: str, demos) -> None:
    loaded = make_loaded(family)
    found = asked(loaded, demos).value(coalitions(3, torch.ones(3)))
    answer = loaded.encoder.joined(title_answer(CANDIDATES[2]))
    for place in range(8):
        shown = [demo for b, demo in enumerate(demos) if place >> b & 1]
        prompt = encode(loaded.encoder, render(PLAIN, "sum", shown, HISTORY))
        assert float(found[place]) == pytest.approx(-answer_logprob(loaded, prompt.ids, answer), abs=2e-4)


def test_a_coalition_reads_only_what_no_shorter_one_has_read(demos, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 2^k prompts each adds one demonstration; beginnings of the whole prompt cost nothing."""
    loaded, read, losses = make_loaded("llama"), [], []
    extend, score = reprompt.extend, Reading.logprobs
    monkeypatch.setattr(reprompt, "extend", lambda *given: read.append(given[2]) or extend(*given))
    monkeypatch.setattr(Reading, "logprobs", lambda *given: losses.append(1) or score(*given))
    ask = asked(loaded, demos)
    ask.value(coalitions(3, torch.ones(3)).flip(0))  # whatever the order they are asked in
    _, fitted, _, _ = prepare(loaded, Task(demos, HISTORY, CANDIDATES, 2))
    spans = [span for span in fitted.encoded.spans if span.kind == "demo"]
    alone = {tuple(fitted.encoded.ids[span.start : span.stop]) for span in spans}
    assert len(read) == 2**3 - 4  # none, the first, the first two and all three are there already
    assert all(tuple(ids) in alone for ids in read)
    assert len(losses) == 8


def test_one_left_out_alone_reads_what_follows_in_one_go(demos, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded, read = make_loaded("gpt2", dtype=torch.float64), []
    extend = reprompt.extend
    monkeypatch.setattr(reprompt, "extend", lambda *given: read.append(1) or extend(*given))
    found = asked(loaded, demos).value(1 - torch.eye(3, dtype=torch.float64))
    assert len(read) == 2
    every = asked(loaded, demos).value(coalitions(3, torch.ones(3, dtype=torch.float64)))
    assert torch.allclose(found, every[[6, 5, 3]], atol=1e-12)


def test_a_long_coalition_leaves_the_shorter_ones_that_it_begins_with(
    demos, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that the order in which coalitions are asked about costs nothing."""
    loaded, read = make_loaded("gpt2", dtype=torch.float64), []
    extend = reprompt.extend
    monkeypatch.setattr(reprompt, "extend", lambda *given: read.append(len(given[2])) or extend(*given))
    ask, rows = asked(loaded, demos), coalitions(3, torch.ones(3, dtype=torch.float64))
    late_first = torch.cat([ask.value(rows[[row]]) for row in (6, 4, 2, 5)])  # {1, 2}, {2}, {1}, {0, 2}
    assert len(read) == 3, "{1} was read on the way to {1, 2}"
    assert torch.allclose(late_first, asked(loaded, demos).value(rows)[[6, 4, 2, 5]], atol=1e-12)


@pytest.mark.parametrize("mode", ["direct", "reprompt"])
def test_what_is_written_is_weighted(mode: str, demos) -> None:
    """With all there, weights act as they do in ranking; one at 0 is not written."""
    loaded = make_loaded("qwen3", dtype=torch.float64)
    weights = (0.5, 2.0, 1.0)
    found = demonstration_effects(
        loaded,
        Task(demos, HISTORY, CANDIDATES, 2, weights=weights),
        "exact",
        mode=mode,  # type: ignore[arg-type]
        measure="loss",
    )
    gain = found.gains["loss"]
    ranked = rank_candidates(loaded, Task(demos, HISTORY, CANDIDATES, 2, weights=weights))
    assert gain.value == pytest.approx(ranked.loss, abs=1e-6)
    bare = ranked.loss_zero_shot if mode == "reprompt" else gain.zero_shot
    assert gain.zero_shot == pytest.approx(bare, abs=1e-6)
    gone = Task(demos[1:], HISTORY, CANDIDATES, 2, weights=weights[1:])
    shorter = rank_candidates(loaded, gone).loss
    assert shorter is not None
    value = asked(loaded, demos).value(torch.tensor([[0.0, 2.0, 1.0]], dtype=torch.float64))
    assert float(value[0]) == pytest.approx(shorter, abs=1e-6)


@pytest.mark.parametrize("weights", [None, (0.5, 2.0, 1.5), (2.0, 0.0, 0.5)])
def test_leaving_one_out_is_the_prompt_written_without_it_at_the_others_weights(
    weights: tuple[float, ...] | None, demos
) -> None:
    loaded = make_loaded("qwen3", dtype=torch.float64)
    task = Task(demos, HISTORY, CANDIDATES, 2, weights=weights)
    found = demonstration_effects(loaded, task, leave_one_out=True, mode="reprompt", measure="loss")
    assert found.leave_one_out is not None
    given = weights or (1.0,) * len(demos)

    def loss(kept: list[int]) -> float:
        written = [b for b in kept if given[b] > 0]  # one at 0 is not written
        asked = Task(
            tuple(demos[b] for b in written),
            HISTORY,
            CANDIDATES,
            2,
            weights=tuple(given[b] for b in written),
        )
        found = rank_candidates(loaded, asked).loss
        assert found is not None
        return found

    whole = loss([0, 1, 2])
    for b in range(3):
        without = loss([other for other in range(3) if other != b])
        assert found.leave_one_out[b] == pytest.approx(without - whole, abs=1e-6)


def test_a_prompt_written_anew_has_no_slope(demos) -> None:
    with pytest.raises(BadInput, match="no gradient"):
        demonstration_effects(
            make_loaded("llama"), Task(demos, HISTORY, CANDIDATES, 2), "aumann", mode="reprompt"
        )
