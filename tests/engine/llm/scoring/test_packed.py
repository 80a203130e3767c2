"""Prompts read side by side tell what each tells alone, and nothing is read twice."""

from dataclasses import replace

import pytest
import torch

from db.errors import ModelError, OutOfMemory
from engine.llm.loading.load import LoadedModel
from engine.llm.scoring import packed
from engine.llm.scoring.gates import log_gate
from engine.llm.scoring.log_probs import Row, prefill
from engine.llm.scoring.memory import PrefillCache
from engine.llm.scoring.packed import Prompt, read
from engine.llm.scoring.ranking import Task, prepare, rank_all, rank_candidates
from engine.prompts import Example
from tests.engine.conftest import CONTEXT, FAMILIES, TITLES, make_loaded
from tests.engine.llm.reference import answer_logprob

HISTORY = TITLES[2:6]
CANDIDATES = TITLES[5:10]
ROWS = (Row((7, 8, 9), 3), Row((7, 8), 2), Row((11,), 1), Row((7, 8, 12, 13), 3), Row((11,), 1))


def line(length: int, seed: int) -> tuple[int, ...]:
    drawn = torch.randint(20, 600, (length,), generator=torch.Generator().manual_seed(seed))
    return tuple(drawn.tolist())


def naive(loaded: LoadedModel, prompt: Prompt) -> list[float]:
    """One whole prompt per row by the model's own attention."""
    before = (*(prompt.base.ids if prompt.base else ()), *prompt.line)
    owners = [*(prompt.base.owners.tolist() if prompt.base else ()), *prompt.owners]
    weights = None if prompt.log_alpha is None else prompt.log_alpha.exp().tolist()
    return [
        answer_logprob(loaded, (*before, *row.ids[: -row.scored]), row.ids[-row.scored :], owners, weights)
        for row in prompt.rows
    ]


def prompts(loaded: LoadedModel) -> list[Prompt]:
    """With and without a beginning that is known, gated and not, with rows only and with a line only."""
    owned = (*(-1,) * 4, *(0,) * 20, *(1,) * 16)
    base = prefill(loaded, line(40, 1), owned).head()
    gate = log_gate(torch.tensor([0.0, 1.7]))
    longer = tuple(replace(row, ids=(*line(9, 5), *row.ids)) for row in ROWS)
    return [
        Prompt(line(50, 2), (-1,) * 50, ROWS),
        Prompt(line(12, 3), (-1,) * 12, ROWS, base),
        Prompt((), (), longer, base, gate),
        Prompt(line(40, 1), owned, longer, None, gate, kept=40),
        Prompt(line(3, 4), (-1,) * 3, ROWS[:1]),
        Prompt(line(30, 6), (-1,) * 30, (), base, kept=30),
    ]


@pytest.mark.parametrize("family", FAMILIES)
def test_side_by_side_they_tell_what_whole_prompts_tell(family: str) -> None:
    loaded = make_loaded(family)
    asked = prompts(loaded)
    for prompt, told in zip(asked, read(loaded, asked), strict=True):
        assert told.logprobs.tolist() == pytest.approx(naive(loaded, prompt), abs=2e-5)
    same = read(loaded, asked[:1])[0].logprobs
    assert same[2] == same[4]  # rows that are the same are a tie


@pytest.mark.parametrize("family", ["llama", "mistral", "gpt2"])
def test_what_is_kept_is_the_prefix_of_the_prompt(family: str) -> None:
    loaded = make_loaded(family)
    told = read(loaded, prompts(loaded))
    for n, ids in ((3, line(40, 1)), (5, (*line(40, 1), *line(30, 6)))):
        kept, whole = told[n].prefix, prefill(loaded, ids, [-1] * len(ids))
        assert kept is not None
        assert kept.ids == ids
        torch.testing.assert_close(kept.next_logprobs, whole.next_logprobs, atol=2e-5, rtol=0)
        for ours, theirs in zip((*kept.keys, *kept.values), (*whole.keys, *whole.values), strict=True):
            torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("tokens", [1, 60, 100_000])
def test_how_many_share_a_pass_changes_nothing(tokens: int, monkeypatch) -> None:
    loaded = make_loaded("llama")
    asked = prompts(loaded)
    whole = [told.logprobs.tolist() for told in read(loaded, asked)]
    monkeypatch.setitem(packed._TOKENS, "cpu", tokens)
    for told, before in zip(read(loaded, asked), whole, strict=True):
        assert told.logprobs.tolist() == pytest.approx(before, abs=1e-5)


@pytest.mark.parametrize("most", [2, 5])
def test_what_does_not_fit_is_halved_and_the_answers_stay(most: int, monkeypatch) -> None:
    """Prompts first, then the rows of one prompt; its beginning is kept all the same."""
    loaded = make_loaded("llama")
    asked = prompts(loaded)
    whole = read(loaded, asked)
    honest = packed._pass

    def small(loaded, chosen):
        if len(chosen) > 1 or len(chosen[0].prompt.rows) > most:
            raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried")
        return honest(loaded, chosen)

    monkeypatch.setattr(packed, "_pass", small)
    for told, before in zip(read(loaded, asked), whole, strict=True):
        assert told.logprobs.tolist() == pytest.approx(before.logprobs.tolist(), abs=1e-5)
        assert (told.prefix is None) == (before.prefix is None)
    same = read(loaded, asked[:1])[0].logprobs
    assert same[2] == same[4]


def test_a_prompt_with_more_answers_than_are_held_at_once_takes_them_in_parts(monkeypatch) -> None:
    loaded = make_loaded("llama")
    titles = tuple(f"{a} {b}" for a in TITLES for b in TITLES[:4])
    whole = rank_candidates(loaded, Task((), HISTORY, titles, 2)).scores
    sizes: list[int] = []
    head = loaded.model.get_output_embeddings()
    handle = head.register_forward_hook(lambda module, args, out: sizes.append(out.numel() // out.shape[-1]))
    monkeypatch.setattr(packed, "_asked_at_once", lambda _: 64)
    assert rank_candidates(loaded, Task((), HISTORY, titles, 2)).scores == pytest.approx(whole, abs=1e-5)
    handle.remove()
    assert max(sizes) <= 64


def test_one_row_that_does_not_fit_is_a_clear_error(monkeypatch) -> None:
    def never(*_):
        raise torch.OutOfMemoryError("CUDA out of memory")

    loaded = make_loaded("llama")
    monkeypatch.setattr(packed, "_pass", never)
    with pytest.raises(OutOfMemory, match="one row at a time"):
        rank_candidates(loaded, Task((), HISTORY, CANDIDATES, 2))


def test_a_prompt_past_the_context_is_refused_before_anything_is_read(monkeypatch) -> None:
    loaded = make_loaded("gpt2")
    monkeypatch.setattr(packed, "_pass", lambda *_: pytest.fail("was read"))
    fits = Prompt(line(5, 0), (-1,) * 5, ROWS)
    with pytest.raises(ModelError, match=f"takes {CONTEXT}"):
        read(loaded, [fits, Prompt(line(CONTEXT - 2, 0), (-1,) * (CONTEXT - 2), ROWS)])


def test_a_row_whose_first_token_nothing_predicts_is_refused() -> None:
    loaded = make_loaded("llama")
    base = prefill(loaded, line(40, 1), (-1,) * 40).head()
    with pytest.raises(ValueError, match="predicts its first token"):
        read(loaded, [Prompt((), (), ROWS, base)])


@pytest.mark.parametrize("scoring", ["sum", "mean", "calibrated", "yes_no", "listwise"])
def test_rankings_side_by_side_are_those_one_by_one(scoring: str, demos: tuple[Example, ...]) -> None:
    loaded = make_loaded("qwen3")
    plain = Task(demos, HISTORY, CANDIDATES, 2, scoring)  # type: ignore[arg-type]
    tasks = [
        plain,
        replace(plain, weights=(0.3, 1.0, 0.0)),
        replace(plain, demos=()),
        replace(plain, demos=demos[:1], history=HISTORY[:1], target=None),
        plain,
    ]
    for together, task in zip(rank_all(loaded, tasks), tasks, strict=True):
        alone = rank_candidates(loaded, task)
        for name in ("scores", "scores_zero_shot", "loss", "margin_zero_shot", "tokens", "kept", "text"):
            assert getattr(together, name) == pytest.approx(getattr(alone, name), abs=2e-5)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("weights", [None, (0.5, 0.0, 2.0)])
def test_half_the_bits_give_nearly_the_same(family: str, weights: tuple[float, ...] | None, demos) -> None:
    task = Task(demos, HISTORY, CANDIDATES, 2, weights=weights)
    whole, half = (
        rank_candidates(make_loaded(family, dtype=dtype), task) for dtype in (torch.float32, torch.bfloat16)
    )
    assert half.scores == pytest.approx(whole.scores, abs=0.2)
    assert half.scores_zero_shot == pytest.approx(whole.scores_zero_shot, abs=0.2)


def test_every_token_is_read_once_and_only_what_is_asked_is_predicted(demos) -> None:
    """Demonstrations, query, titles' common beginnings; and the same titles behind the bare prompt."""
    loaded, cache = make_loaded("llama"), PrefillCache()
    fed: list[int] = []
    predicted: list[int] = []
    handles = [
        loaded.model.get_input_embeddings().register_forward_hook(
            lambda _, args, out: fed.append(out.shape[1])
        ),
        loaded.model.get_output_embeddings().register_forward_hook(
            lambda _, args, out: predicted.append(out.shape[1])
        ),
    ]
    tasks = [Task(demos, HISTORY, CANDIDATES, 2), Task(demos[1:], HISTORY, CANDIDATES, 2)]
    rank_all(loaded, tasks, cache)
    before = [
        len(prepare(loaded, task)[at].encoded) for task, at in ((tasks[0], 1), (tasks[1], 1), (tasks[0], 2))
    ]
    answers = [loaded.encoder.joined((" ", title, "\n")) for title in CANDIDATES]
    assert sum(fed) <= sum(before) + 3 * sum(map(len, answers))
    assert len(fed) == 1
    assert predicted[0] <= 3 * sum(map(len, answers)) + 2
    fed.clear()
    changed = [replace(task, weights=(0.5, *[1.0] * (len(task.demos) - 1))) for task in tasks]
    rank_all(loaded, changed, cache)
    query = [len(p.encoded) - len(p.encoded.before("query")) for p in (prepare(loaded, t)[1] for t in tasks)]
    assert sum(fed) <= sum(query) + 2 * sum(map(len, answers))
    for handle in handles:
        handle.remove()
