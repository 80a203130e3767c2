"""Margin and loss of a target under weightings: against scores of whole prompts run one by one."""

import pytest
import torch

from engine.llm.explain.reprompt import Reprompts
from engine.llm.scoring.gates import WeightedPrompt
from engine.llm.scoring.log_probs import Head, Row, suffix_logprobs, tree_logprobs
from engine.llm.scoring.measures import reading, without_specks
from engine.llm.scoring.memory import PrefillCache
from engine.llm.scoring.ranking import Task, demo_head, prepare, rank_candidates
from engine.llm.scoring.token_tree import groves, grown
from engine.lrgd.shapley import coalitions
from engine.prompts import PLAIN, encode, render
from engine.prompts.segments import label_answer, title_answer
from tests.engine.conftest import FAMILIES, TITLES, make_loaded
from tests.engine.llm.reference import answer_logprob

HISTORY, CANDIDATES, TARGET = TITLES[2:6], TITLES[4:10], 2
SCORINGS = ("sum", "mean", "calibrated", "yes_no", "listwise")
MODES = ("direct", "total", "reprompt")


def asked(loaded, task: Task, mode: str, measure: str = "margin"):
    cache = PrefillCache()
    question, fitted, _, _ = prepare(loaded, task)
    head = demo_head(loaded, fitted, cache)
    ask = reading(loaded, question, measure, cache)  # type: ignore[arg-type]
    if mode == "reprompt":
        return question, Reprompts(loaded, fitted, head, ask)
    return question, WeightedPrompt(loaded, fitted, head, ask, mode)  # type: ignore[arg-type]


def naive(loaded, question, demos, alpha: list[float] | None, mode: str) -> tuple[float, float]:
    """Margin and loss from one whole prompt per answer, by the model's own attention."""
    layout = render(PLAIN, question.scoring, demos, HISTORY)
    prompt = encode(loaded.encoder, layout)

    def logprob(ask: tuple[str, ...], answer: tuple[str, ...]) -> float:
        ids = (*prompt.ids, *loaded.encoder.joined(ask))
        owners = [*prompt.owners(), *[-1] * (len(ids) - len(prompt.ids))]
        return answer_logprob(loaded, ids, loaded.encoder.joined(answer), owners, alpha, mode)

    pieces = PLAIN.form(question.scoring)
    titles = question.candidates
    if question.scoring == "yes_no":
        pairs = [
            [logprob(pieces.ask([t]), pieces.yes_no_answer(yes)) for yes in (True, False)] for t in titles
        ]
        scores = [yes - no for yes, no in pairs]
        loss = -float(torch.log_softmax(torch.tensor(pairs[TARGET], dtype=torch.float64), 0)[0])
    elif question.scoring == "listwise":
        count = len(titles)
        each = [
            [
                logprob(pieces.ask([titles[c] for c in order]), label_answer(order.index(t), count))
                for order in question.orders
            ]
            for t in range(count)
        ]
        scores = [sum(values) / len(values) for values in each]
        loss = -scores[TARGET]
    else:
        found = [logprob((), title_answer(t)) for t in titles]
        loss, scores = -found[TARGET], found
        if question.scoring == "mean":
            scores = [
                v / len(loaded.encoder.joined(title_answer(t))) for v, t in zip(found, titles, strict=True)
            ]
        if question.scoring == "calibrated":
            empty = encode(loaded.encoder, render(PLAIN, "calibrated", [], []))
            prior = [
                answer_logprob(loaded, empty.ids, loaded.encoder.joined(title_answer(t))) for t in titles
            ]
            scores = [v - p for v, p in zip(found, prior, strict=True)]
    return float(torch.log_softmax(torch.tensor(scores, dtype=torch.float64), 0)[TARGET]), loss


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("scoring", SCORINGS)
def test_both_measures_are_those_of_whole_prompts(scoring: str, mode: str, demos) -> None:
    loaded = make_loaded("llama" if mode != "total" else "mistral", dtype=torch.float64)
    task = Task(demos, HISTORY, CANDIDATES, TARGET, scoring=scoring)  # type: ignore[arg-type]
    question, objective = asked(loaded, task, mode)
    alphas = [[1.0, 1.0, 1.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]]
    if mode != "reprompt":
        alphas[1] = [0.5, 2.0, 0.0]
    costs = objective.costs(torch.tensor(alphas, dtype=torch.float64)).tolist()
    for alpha, (cost, loss) in zip(alphas, costs, strict=True):
        shown, gate = demos, alpha
        if mode == "reprompt":
            shown, gate = [demo for demo, weight in zip(demos, alpha, strict=True) if weight], None
        margin, nats = naive(loaded, question, shown, gate, mode)
        assert -cost == pytest.approx(margin, abs=1e-9)
        assert loss == pytest.approx(nats, abs=1e-9)


@pytest.mark.parametrize("scoring", SCORINGS)
@pytest.mark.parametrize("family", FAMILIES)
def test_margin_and_loss_are_those_of_the_ranking(family: str, scoring: str, demos) -> None:
    loaded = make_loaded(family)
    weights = (0.5, 1.0, 2.0)
    task = Task(demos, HISTORY, CANDIDATES, TARGET, scoring=scoring, weights=weights)  # type: ignore[arg-type]
    ranked = rank_candidates(loaded, task)
    costs = asked(loaded, task, "direct")[1].costs(torch.tensor([weights]))[0].tolist()
    assert [-costs[0], costs[1]] == pytest.approx([ranked.margin, ranked.loss], abs=2e-4)
    only = asked(loaded, task, "direct", "loss")[1].costs(torch.tensor([weights]))
    assert only.shape == (1, 1)
    assert float(only) == pytest.approx(costs[1], abs=1e-4)


@pytest.mark.parametrize("mode", ["direct", "total"])
@pytest.mark.parametrize(("family", "size", "close"), [("gpt2", 1e-5, 1e-6), ("qwen2", 1e-3, 2e-3)])
def test_the_slope_of_the_margin_is_its_difference_quotient(
    family: str, size: float, close: float, mode: str, demos
) -> None:
    """qwen2 has a sliding window that binds, and norms in float32 whatever the model's precision."""
    loaded = make_loaded(family, dtype=torch.float64)
    objective = asked(loaded, Task(demos, HISTORY, CANDIDATES, TARGET), mode)[1]
    at = torch.tensor([[0.7, 1.3, 0.4]], dtype=torch.float64)
    step = size * torch.eye(3, dtype=torch.float64)
    slope = objective.gradient(at)[1][0]
    quotient = (objective.value(at + step) - objective.value(at - step)) / (2 * size)
    assert torch.allclose(slope, quotient, atol=close)


@pytest.mark.parametrize("least", [1e-40, 1e-12])
def test_a_candidate_of_no_share_has_no_slope(least: float, demos) -> None:
    """What would become denormal numbers further back is 0; what the rest sums to stays as it was."""
    loaded = make_loaded("llama")
    question, *_ = prepare(loaded, Task(demos, HISTORY, CANDIDATES[:3], 0))
    ask = reading(loaded, question, "margin", PrefillCache())
    shares = torch.tensor([[0.3, 0.7, least]], dtype=torch.float64)
    logprobs = shares.log().float().requires_grad_(True)
    (slopes,) = torch.autograd.grad(ask.costs(logprobs)[0, 0], logprobs)
    assert slopes.tolist()[0] == [pytest.approx(-0.7), pytest.approx(0.7), 0.0]


def test_a_slope_that_rounding_would_keep_is_kept() -> None:
    slopes = torch.tensor([[1.0, -1e-8, 0.0], [0.0, 0.0, 0.0]])
    assert torch.equal(without_specks(slopes), slopes)


@pytest.mark.parametrize("family", ["qwen2", "gpt2", "opt"])
def test_a_tree_scores_its_rows_as_if_each_were_alone(family: str, demos) -> None:
    """Whatever shares a tree, and however many trees there are."""
    loaded = make_loaded(family, dtype=torch.float64)
    _, fitted, _, _ = prepare(loaded, Task(demos, HISTORY, CANDIDATES, TARGET))
    head = demo_head(loaded, fitted, PrefillCache()).head()
    draw = torch.Generator().manual_seed(1)
    tails = [torch.randint(6, 400, (n,), generator=draw).tolist() for n in (1, 2, 5, 9, 3, 3)]
    rows = [Row((7, 8, 9, *tail), min(2, len(tail))) for tail in [*tails, tails[2][:3], tails[3]]]
    gates = torch.tensor([[0.0, -1.0, 0.3], [0.0, 0.0, 0.0]], dtype=torch.float64)
    each = [suffix_logprobs(loaded, head, rows, gates[g : g + 1]) for g in range(2)]
    assert torch.allclose(tree_logprobs(loaded, head, rows, gates), torch.stack(each), atol=1e-12)
    none = Head((), (), torch.zeros(0, dtype=torch.long), ())
    alone = suffix_logprobs(loaded, none, rows)[None]
    assert torch.allclose(tree_logprobs(loaded, none, rows), alone, atol=1e-12)


def test_what_rows_begin_with_stands_once_and_each_row_is_a_line() -> None:
    tree = grown([(1, 2, 3), (1, 2, 4, 5), (1, 9), (1, 2, 3)])
    assert tree.tokens == (1, 2, 4)
    assert tree.paths == ((0, 1), (0, 1, 2), (0,), (0, 1))
    assert tree.lines().tolist() == [[True, False, False], [True, True, False], [True, True, True]]


def test_rows_that_share_much_share_a_tree_and_long_strangers_do_not() -> None:
    query = tuple(range(50))
    few = [(*query, 100 + n, 5) for n in range(10)]
    assert len(groves(few, 64)) == 1
    lists = [(*query, *range(1000 * n, 1000 * n + 900), label) for n in range(1, 4) for label in (1, 2)]
    parts = groves(lists, 64)
    assert sorted(map(sorted, parts)) == [[0, 1], [2, 3], [4, 5]]
    many = groves([(*query, 100 + n, 5, 6, 7, 8) for n in range(500)], 64)
    assert 1 < len(many) < 50
    assert sorted(place for part in many for place in part) == list(range(500))


def test_a_query_is_read_once_per_weighting(demos, monkeypatch: pytest.MonkeyPatch) -> None:
    from engine.llm.scoring import log_probs

    loaded, fed = make_loaded("llama"), []
    forward = log_probs._forward
    monkeypatch.setattr(
        log_probs, "_forward", lambda *given, **more: fed.append(given[2].numel()) or forward(*given, **more)
    )
    task = Task(demos, HISTORY, CANDIDATES, TARGET)
    objective = asked(loaded, task, "direct")[1]
    fed.clear()
    objective.costs(coalitions(3, torch.ones(3)))
    _, fitted, _, _ = prepare(loaded, task)
    query = len(fitted.encoded) - len(fitted.encoded.before("query"))
    answers = sum(len(loaded.encoder.joined(title_answer(title))) for title in CANDIDATES)
    assert sum(fed) <= 8 * (query + answers)
