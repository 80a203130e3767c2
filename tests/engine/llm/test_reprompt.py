"""Losses of prompts written with some of the demonstrations, against each prompt run whole on its own."""

import itertools

import pytest
import torch

from engine.llm import reprompt
from engine.llm.measure import Task, demo_head, prepare
from engine.llm.memory import PrefillCache
from engine.llm.reprompt import Reprompts
from engine.prompts import Example, encode, render
from engine.prompts.segments import title_answer
from tests.engine.conftest import FAMILIES, TITLES, make_loaded
from tests.engine.llm.reference import answer_logprob

HISTORY = TITLES[2:6]
CANDIDATES = TITLES[5:10]


def asked(loaded, demos: tuple[Example, ...]) -> Reprompts:
    question, fitted, _, _ = prepare(loaded, Task(demos, HISTORY, CANDIDATES, 2))
    return Reprompts(loaded, fitted, demo_head(loaded, fitted, PrefillCache()), question)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_coalition_is_the_prompt_written_with_it(family: str, demos) -> None:
    loaded = make_loaded(family)
    found = asked(loaded, demos).all()
    answer = loaded.encoder.joined(title_answer(CANDIDATES[2]))
    for place in range(8):
        shown = [demo for b, demo in enumerate(demos) if place >> b & 1]
        prompt = encode(loaded.encoder, render("plain", "sum", shown, HISTORY))
        assert float(found[place]) == pytest.approx(-answer_logprob(loaded, prompt.ids, answer), abs=2e-4)


def test_a_coalition_reads_only_what_no_shorter_one_has_read(demos, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 2^k prompts each adds one demonstration; beginnings of the whole prompt cost nothing."""
    loaded, read, losses = make_loaded("llama"), [], []
    extend, score = reprompt.extend, reprompt.suffix_logprobs
    monkeypatch.setattr(reprompt, "extend", lambda *given: read.append(given[2]) or extend(*given))
    monkeypatch.setattr(reprompt, "suffix_logprobs", lambda *given: losses.append(1) or score(*given))
    ask = asked(loaded, demos)
    whole = ask.all()
    _, fitted, _, _ = prepare(loaded, Task(demos, HISTORY, CANDIDATES, 2))
    spans = [span for span in fitted.encoded.spans if span.kind == "demo"]
    alone = {tuple(fitted.encoded.ids[span.start : span.stop]) for span in spans}
    assert len(read) == 2**3 - 4  # none, the first, the first two and all three are there already
    assert all(tuple(ids) in alone for ids in read)
    assert len(losses) == 8
    assert ask([[0, 2], [1]]) == [float(whole[5]), float(whole[2])]
    assert len(losses) == 8


def test_one_left_out_alone_reads_what_follows_in_one_go(demos, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded, read = make_loaded("gpt2", dtype=torch.float64), []
    extend = reprompt.extend
    monkeypatch.setattr(reprompt, "extend", lambda *given: read.append(1) or extend(*given))
    ask = asked(loaded, demos)
    found = ask([list(members) for members in itertools.combinations(range(3), 2)])
    assert len(read) == 2
    assert found == pytest.approx([float(ask.all()[place]) for place in (3, 5, 6)], abs=1e-9)
