"""Scores over a shared prompt equal one full prompt per candidate by the model's own attention."""

import pytest
import torch

from db.errors import ModelError, OutOfMemory
from engine.llm.scoring import gates, log_probs, memory
from engine.llm.scoring.gates import WeightedPrompt
from engine.llm.scoring.measures import reading
from engine.llm.scoring.ranking import Task, demo_head, prepare, rank_candidates
from engine.prompts import PLAIN, Example, encode, render
from engine.prompts.orders import cyclic_orders
from engine.prompts.segments import label_answer, title_answer
from tests.engine.conftest import CONTEXT, FAMILIES, TITLES, make_loaded
from tests.engine.llm.reference import answer_logprob, stock_logprobs

HISTORY = TITLES[2:6]
CANDIDATES = TITLES[5:10]
WEIGHTS = (0.5, 0.0, 2.0)
SCORINGS = ("sum", "mean", "calibrated", "yes_no", "listwise")


def task(demos: tuple[Example, ...], scoring: str, weights: tuple[float, ...] | None = None) -> Task:
    return Task(demos, HISTORY, CANDIDATES, 2, scoring, weights)  # type: ignore[arg-type]


def expected(loaded, demos, scoring, weights) -> list[float]:
    """One full prompt per candidate (and per answer or list), ids joined, stock kernel."""
    encoder = loaded.encoder
    prompt = encode(encoder, render(PLAIN, scoring, demos, HISTORY))
    owners = prompt.owners()

    def full(tail: tuple[int, ...], answer: tuple[int, ...]) -> float:
        return answer_logprob(loaded, (*prompt.ids, *tail), answer, owners, weights)

    def asked(titles: list[str]) -> tuple[int, ...]:
        return encoder.joined(PLAIN.form(scoring).ask(titles))

    if scoring == "yes_no":
        yes, no = (encoder.joined(PLAIN.form("yes_no").yes_no_answer(value)) for value in (True, False))
        return [full(asked([c]), yes) - full(asked([c]), no) for c in CANDIDATES]
    if scoring == "listwise":
        total = [0.0] * len(CANDIDATES)
        orders = cyclic_orders(len(CANDIDATES), 0)
        for order in orders:
            listed = asked([CANDIDATES[c] for c in order])
            for place, c in enumerate(order):
                label = encoder.joined(label_answer(place, len(CANDIDATES)))
                total[c] += full(listed, label) / len(orders)
        return total
    answers = [encoder.joined(title_answer(c)) for c in CANDIDATES]
    found = [full((), answer) for answer in answers]
    if scoring == "mean":
        return [value / len(answer) for value, answer in zip(found, answers, strict=True)]
    if scoring == "calibrated":
        bare = encode(encoder, render(PLAIN, scoring, [], [])).ids
        return [v - answer_logprob(loaded, bare, a) for v, a in zip(found, answers, strict=True)]
    return found


@pytest.mark.parametrize("scoring", SCORINGS)
@pytest.mark.parametrize("family", FAMILIES)
def test_scores_equal_one_full_prompt_per_candidate(family: str, scoring: str, demos) -> None:
    loaded = make_loaded(family)
    result = rank_candidates(loaded, task(demos, scoring))
    assert result.scores == pytest.approx(expected(loaded, demos, scoring, None), abs=1e-4)
    assert result.scores_zero_shot == pytest.approx(expected(loaded, (), scoring, None), abs=1e-4)


@pytest.mark.parametrize("scoring", SCORINGS)
@pytest.mark.parametrize("family", FAMILIES)
def test_weighted_scores_equal_a_full_prompt_under_a_written_out_mask(
    family: str, scoring: str, demos
) -> None:
    loaded = make_loaded(family)
    result = rank_candidates(loaded, task(demos, scoring, WEIGHTS))
    assert result.scores == pytest.approx(expected(loaded, demos, scoring, WEIGHTS), abs=1e-4)


@pytest.mark.parametrize("scoring", SCORINGS)
@pytest.mark.parametrize("family", ["llama", "qwen2", "gpt2"])
def test_weight_zero_hides_the_demonstrations_and_weight_one_is_the_plain_prompt(
    family: str, scoring: str, demos
) -> None:
    """Hidden from the query and from all that follows it: every edge into a demonstration is cut."""
    loaded = make_loaded(family)
    hidden, plain = (rank_candidates(loaded, task(demos, scoring, (w,) * 3)) for w in (0.0, 1.0))
    assert hidden.scores == pytest.approx(expected(loaded, demos, scoring, (0.0,) * 3), abs=1e-4)
    assert plain.scores == rank_candidates(loaded, task(demos, scoring)).scores
    nearly = rank_candidates(loaded, task(demos, scoring, (1.0 + 1e-9, 1.0, 1.0)))  # runs through the gate
    assert nearly.scores == pytest.approx(plain.scores, abs=1e-4)
    assert hidden.scores != pytest.approx(plain.scores, abs=1e-3)


@pytest.mark.parametrize("name", ["crossing", "metaspace", "wordpiece", "chat"])
@pytest.mark.parametrize("scoring", ["sum", "yes_no"])
def test_scores_hold_on_every_manner_of_tokenizer(name: str, scoring: str, demos) -> None:
    loaded = make_loaded("qwen3", name)
    result = rank_candidates(loaded, task(demos, scoring, WEIGHTS))
    assert result.scores == pytest.approx(expected(loaded, demos, scoring, WEIGHTS), abs=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
def test_prefill_and_extension_predict_what_the_whole_prompt_predicts(
    family: str, demos, monkeypatch
) -> None:
    loaded = make_loaded(family, dtype=torch.float64)
    prompt = encode(loaded.encoder, render(PLAIN, "sum", demos, HISTORY))
    truth = stock_logprobs(loaded, prompt.ids)[-1]
    whole = log_probs.prefill(loaded, prompt.ids, prompt.owners())
    assert torch.allclose(whole.next_logprobs, truth, atol=1e-10)
    monkeypatch.setattr(log_probs, "_CHUNK", 17)
    for cut in (1, 40):
        longer = log_probs.extend(loaded, whole.cut(cut), prompt.ids[cut:], prompt.owners()[cut:])
        assert torch.allclose(longer.next_logprobs, truth, atol=1e-10)
        assert longer.ids == prompt.ids
        for ours, theirs in zip(longer.keys, whole.keys, strict=True):
            assert torch.allclose(ours, theirs, atol=1e-10)


@pytest.mark.parametrize("way", ["value", "gradient"])
def test_losses_and_gradients_halve_what_does_not_fit(way: str, demos, monkeypatch) -> None:
    """A graph keeps what its rows take: then the gradient's own batch is halved, not only those inside it."""
    loaded = make_loaded("llama")
    question, fitted, *_ = prepare(loaded, task(demos, "sum"))
    ask = reading(loaded, question, "loss", memory.PrefillCache())
    loss = WeightedPrompt(loaded, fitted, demo_head(loaded, fitted, memory.PrefillCache()), ask)
    alpha = torch.rand(6, 3, generator=torch.Generator().manual_seed(0))
    truth = getattr(loss, way)(alpha)
    honest, held = log_probs._score, [0]

    def small(loaded, base, rows, *rest):
        held[0] += len(rows)
        if held[0] > 2:
            held[0] = 0  # whoever catches this lets go of the graph
            raise torch.OutOfMemoryError("CUDA out of memory")
        found = honest(loaded, base, rows, *rest)
        held[0] *= torch.is_grad_enabled()
        return found

    def fresh(rows, size, work, what, true=memory.in_batches):
        def begun(part):
            held[0] = 0
            return work(part)

        return true(rows, size, begun, what)

    monkeypatch.setattr(log_probs, "_score", small)
    monkeypatch.setattr(gates, "in_batches", fresh)
    for ours, whole in zip(getattr(loss, way)(alpha), truth, strict=True):
        torch.testing.assert_close(ours, whole, atol=1e-5, rtol=1e-5)


def test_an_error_that_says_what_did_not_fit_is_kept() -> None:
    def work(rows):
        raise OutOfMemory("This prompt of 200 tokens does not fit.")

    with pytest.raises(OutOfMemory, match="200 tokens"):
        memory.in_batches([1, 2], 2, work, "a test")


def test_another_error_is_not_mistaken_for_one_of_memory() -> None:
    def broken(_):
        raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes"):
        memory.in_batches([1, 2], 2, broken, "a test")


def test_rows_are_scored_in_small_batches_and_come_back_in_order(demos, monkeypatch) -> None:
    loaded = make_loaded("gpt2")
    whole = rank_candidates(loaded, task(demos, "sum")).scores
    monkeypatch.setattr(log_probs, "rows_at_once", lambda device, elements: 2)
    assert rank_candidates(loaded, task(demos, "sum")).scores == pytest.approx(whole, abs=1e-5)


def test_a_prompt_past_the_context_is_refused() -> None:
    loaded = make_loaded("gpt2")
    with pytest.raises(ModelError, match=f"takes {CONTEXT}"):
        log_probs.prefill(loaded, [5] * (CONTEXT + 1), [-1] * (CONTEXT + 1))


def test_rows_of_like_length_run_together_and_none_is_lost() -> None:
    lengths = [40, 3, 38, 41, 4, 39, 3, 40, 39, 41] * 30
    order = sorted(range(len(lengths)), key=lambda r: lengths[r])
    groups = log_probs._alike(order, lengths, 64)
    assert [r for group in groups for r in group] == order
    for group in groups:
        assert len(group) * max(lengths[r] for r in group) - sum(lengths[r] for r in group) <= 64
    assert 1 < len(groups) < 12
    assert log_probs._alike([1, 0], [40, 3], 64) == [[1, 0]]  # two rows are not worth two passes
