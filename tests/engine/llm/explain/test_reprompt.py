"""Losses of prompts written with some of the demonstrations, against each prompt run whole on its own."""

import pytest
import torch

from db.errors import BadInput
from engine.llm.explain.effects import demonstration_effects
from engine.llm.explain.reprompt import Reprompts
from engine.llm.scoring.measures import reading
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


def read_by(loaded, work) -> list[int]:
    """Tokens that go through the model in each pass of `work`."""
    tokens: list[int] = []
    handle = loaded.model.get_input_embeddings().register_forward_hook(
        lambda module, args, out: tokens.append(out.shape[0] * out.shape[1])
    )
    work()
    handle.remove()
    return tokens


def lengths(loaded, demos: tuple[Example, ...]) -> tuple[list[int], int]:
    """Tokens of each demonstration, and of the query with the answer but for its last."""
    _, fitted, _, _ = prepare(loaded, Task(demos, HISTORY, CANDIDATES, 2))
    of_demos = [span.stop - span.start for span in fitted.encoded.spans if span.kind == "demo"]
    query = len(fitted.encoded) - len(fitted.encoded.before("query"))
    return of_demos, query + len(loaded.encoder.joined(title_answer(CANDIDATES[2]))) - 1


def test_a_coalition_reads_only_what_no_shorter_one_has_read(demos) -> None:
    """Of 2^k prompts each adds its last demonstration; beginnings of the whole prompt cost nothing. All that
    have as many are read in one pass."""
    loaded = make_loaded("llama")
    ask, of_demos = asked(loaded, demos), lengths(loaded, demos)[0]
    rows = coalitions(3, torch.ones(3)).flip(0)  # whatever the order they are asked in
    tokens = read_by(loaded, lambda: ask.value(rows))
    # none, the first, the first two and all three are there already
    alone = of_demos[1] + 3 * of_demos[2]
    assert sum(tokens) == alone + 8 * lengths(loaded, demos)[1]
    assert len(tokens) == 4


def test_one_left_out_alone_reads_what_follows_it(demos) -> None:
    loaded = make_loaded("gpt2", dtype=torch.float64)
    of_demos, end = lengths(loaded, demos)
    found, ask = [], asked(loaded, demos)
    tokens = read_by(loaded, lambda: found.append(ask.value(1 - torch.eye(3, dtype=torch.float64))))
    assert sum(tokens) == of_demos[1] + 2 * of_demos[2] + 3 * end
    every = asked(loaded, demos).value(coalitions(3, torch.ones(3, dtype=torch.float64)))
    assert torch.allclose(found[0], every[[6, 5, 3]], atol=1e-12)


def test_a_long_coalition_leaves_the_shorter_ones_that_it_begins_with(demos) -> None:
    """So that the order in which coalitions are asked about costs nothing."""
    loaded = make_loaded("gpt2", dtype=torch.float64)
    ask, rows = asked(loaded, demos), coalitions(3, torch.ones(3, dtype=torch.float64))
    of_demos, end = lengths(loaded, demos)
    first = read_by(loaded, lambda: ask.value(rows[[6]]))  # {1, 2}
    assert sum(first) == of_demos[1] + of_demos[2] + end
    found = []
    later = read_by(loaded, lambda: found.append(ask.value(rows[[2]])))  # {1}, which was read on the way
    assert sum(later) == end
    assert torch.allclose(found[0], asked(loaded, demos).value(rows)[[2]], atol=1e-12)


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
