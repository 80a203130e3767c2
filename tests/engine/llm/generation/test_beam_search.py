"""Beam search over a catalogue's titles: against the exhaustive ranking, and what it may give at all."""

import numpy as np
import pytest
import torch
from torch import Tensor

from engine.llm.generation import beam_search
from engine.llm.generation.beam_search import Found, search
from engine.llm.generation.prefix_tree import TitleTree, build
from engine.llm.generation.title_scores import (
    Calibrated,
    Mean,
    Scale,
    Sum,
    priors,
)
from engine.llm.loading.load import LoadedModel
from engine.llm.scoring.gates import log_gate
from engine.llm.scoring.log_probs import Prefix, extend, prefill
from engine.prompts import PLAIN, Example, encode, render
from engine.prompts.segments import title_answer
from tests.engine.conftest import FAMILIES, TITLES, TOKENIZERS, make_loaded
from tests.engine.llm.reference import answer_logprob

WORDS = [word for title in TITLES for word in title.split()]
CATALOGUE = (
    *TITLES,
    *(f"{a} {b}" for a in WORDS[:4] for b in WORDS[4:9]),
    "Robot",  # begins another title
    "Robot Orchard",  # twice in the catalogue
    " Robot   Orchard\n",
    "Robot Orchard Deluxe Edition With All Of The Paper Kingdoms And The Long Tide",
)
DEMOS = (Example(TITLES[:3], TITLES[3]), Example(TITLES[4:6], TITLES[7]))
WEIGHTS = (0.5, 2.0)
EVERYTHING = 1000
SCALES = ("sum", "mean", "calibrated")


def asked(loaded: LoadedModel, weights: tuple[float, ...] | None = None) -> tuple[Prefix, Tensor | None]:
    """The prompt's keys and values, and its gate."""
    prompt = encode(loaded.encoder, render(PLAIN, "sum", DEMOS, TITLES[2:5]))
    gate = None if weights is None else log_gate(torch.tensor(weights, dtype=torch.float64))
    part = prompt.before("query")
    rest = prompt.ids[len(part) :]
    head = prefill(loaded, part.ids, part.owners())
    return extend(loaded, head.head(), rest, [-1] * len(rest), gate), gate


def scale_of(loaded: LoadedModel, name: str) -> Scale:
    """One of SCALES for the catalogue's tree."""
    tree = build(loaded.encoder, CATALOGUE)
    if name == "calibrated":
        empty = encode(loaded.encoder, render(PLAIN, "sum", [], []))
        return Calibrated(tree, priors(loaded, prefill(loaded, empty.ids, empty.owners()), tree))
    return Mean(tree) if name == "mean" else Sum()


def exhaustive(loaded: LoadedModel, weights: tuple[float, ...] | None = None, scale: str = "sum"):
    """Every item's score by one whole forward of the model's own attention."""
    empty = encode(loaded.encoder, render(PLAIN, "sum", [], [])).ids
    prompt = encode(loaded.encoder, render(PLAIN, "sum", DEMOS, TITLES[2:5]))
    scores = []
    for title in CATALOGUE:
        ids = loaded.encoder.joined(title_answer(title))
        alpha = None if weights is None else list(weights)
        score = answer_logprob(loaded, prompt.ids, ids, prompt.owners(), alpha)
        if scale == "calibrated":
            score -= answer_logprob(loaded, empty, ids)
        scores.append(score / len(ids) if scale == "mean" else score)
    return np.array(scores)


def agrees(found: Found, scores: np.ndarray, top: int) -> None:
    """The list is the `top` best of `scores`, in their order (up to what rounding can turn round)."""
    best = np.sort(scores)[::-1][:top]
    assert len(set(found.items)) == len(found.items) == len(best)
    np.testing.assert_allclose(found.scores, best, atol=1e-4)
    np.testing.assert_allclose(scores[found.items], best, atol=1e-4)
    assert found.scores == sorted(found.scores, reverse=True)


@pytest.mark.parametrize("weights", [None, WEIGHTS, (0.0, 1.0), (0.0, 0.0)])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_beam_as_wide_as_the_catalogue_gives_the_exhaustive_ranking(family: str, weights) -> None:
    loaded = make_loaded(family)
    prompt, gate = asked(loaded, weights)
    tree = build(loaded.encoder, CATALOGUE)
    found = search(loaded, prompt, tree, len(CATALOGUE), EVERYTHING, gate)
    assert found.proven
    agrees(found, exhaustive(loaded, weights), len(CATALOGUE))


def test_weight_one_finds_the_plain_list_and_weight_zero_another() -> None:
    loaded = make_loaded("llama")
    tree = build(loaded.encoder, CATALOGUE)
    plain, ones, zeros = (
        search(loaded, prompt, tree, len(CATALOGUE), EVERYTHING, gate)
        for prompt, gate in (asked(loaded, weights) for weights in (None, (1.0, 1.0), (0.0, 0.0)))
    )
    assert ones.scores == pytest.approx(plain.scores, abs=1e-5)
    assert zeros.scores != pytest.approx(plain.scores, abs=1e-3)


@pytest.mark.parametrize("tokenizer", TOKENIZERS)
@pytest.mark.parametrize("scale", SCALES)
def test_pruning_loses_nothing_on_any_tokenizer(tokenizer: str, scale: str) -> None:
    loaded = make_loaded("qwen2", tokenizer)
    prompt, _ = asked(loaded)
    found = search(
        loaded, prompt, build(loaded.encoder, CATALOGUE), 7, EVERYTHING, scale=scale_of(loaded, scale)
    )
    assert found.proven
    agrees(found, exhaustive(loaded, scale=scale), 7)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("width", [1, 2, 3, 5, 8])
def test_a_narrow_beam_gives_true_scores_and_knows_when_it_is_exact(width: int, scale: str) -> None:
    for family in ("llama", "mistral"):
        loaded = make_loaded(family)
        prompt, gate = asked(loaded, WEIGHTS)
        tree = build(loaded.encoder, CATALOGUE)
        found = search(loaded, prompt, tree, 3, width, gate, scale_of(loaded, scale))
        scores = exhaustive(loaded, WEIGHTS, scale)
        np.testing.assert_allclose(found.scores, scores[found.items], atol=1e-4)
        if found.proven:
            agrees(found, scores, 3)
        assert found == search(loaded, prompt, tree, 3, width, gate, scale_of(loaded, scale))


def test_a_narrow_beam_can_be_wrong_and_then_does_not_call_itself_proven() -> None:
    wrong = 0
    for family in FAMILIES:
        loaded = make_loaded(family)
        prompt, _ = asked(loaded)
        found = search(loaded, prompt, build(loaded.encoder, CATALOGUE), 5, 1)
        best = np.sort(exhaustive(loaded))[::-1][:5]
        if len(found.items) < 5 or not np.allclose(found.scores, best, atol=1e-4):
            wrong += 1
            assert not found.proven
    assert wrong


def test_one_title_gives_all_its_items_and_an_excluded_item_never() -> None:
    loaded = make_loaded("llama")
    prompt, _ = asked(loaded)
    tree = build(loaded.encoder, CATALOGUE)
    twins = [i for i, title in enumerate(CATALOGUE) if title.split() == ["Robot", "Orchard"]]
    every = search(loaded, prompt, tree, EVERYTHING, EVERYTHING)
    assert sorted(every.items) == list(range(len(CATALOGUE)))
    places = [every.items.index(item) for item in twins]
    assert places == list(range(places[0], places[0] + len(twins)))
    assert len({every.scores[place] for place in places}) == 1
    gone = {twins[0], every.items[0], every.items[1], CATALOGUE.index("Robot")}
    fewer = search(loaded, prompt, tree, 10, EVERYTHING, excluded=sorted(gone))
    assert fewer.items == [item for item in every.items if item not in gone][:10]
    all_gone = search(loaded, prompt, tree, 10, EVERYTHING, excluded=range(len(CATALOGUE)))
    assert all_gone.items == []


def test_small_batches_give_the_same_list(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = make_loaded("gpt2")
    prompt, _ = asked(loaded)
    tree = build(loaded.encoder, CATALOGUE)
    whole = search(loaded, prompt, tree, 12, 10)
    monkeypatch.setattr(beam_search, "rows_at_once", lambda device, elements: 2)
    parts = search(loaded, prompt, tree, 12, 10)
    assert parts.items == whole.items
    assert parts.passes > whole.passes
    np.testing.assert_allclose(parts.scores, whole.scores, atol=1e-4)


@pytest.mark.parametrize("tokenizer", TOKENIZERS)
def test_the_tree_spells_every_title_and_nothing_else(tokenizer: str) -> None:
    encoder = make_loaded("llama", tokenizer).encoder
    tree = build(encoder, CATALOGUE)
    rows = [tuple(tree.row(r).tolist()) for r in range(len(tree))]
    assert rows == sorted(set(rows))
    for r in range(len(tree)):
        for item in tree.items_of(r):
            assert encoder.joined(title_answer(CATALOGUE[item])) == rows[r]
    assert sorted(tree.items.tolist()) == list(range(len(CATALOGUE)))
    assert sorted(walk(tree, 0, len(tree), ())) == rows


def walk(tree: TitleTree, start: int, stop: int, spelled: tuple[int, ...]) -> list[tuple[int, ...]]:
    """All sequences the tree offers, by its children alone."""
    depth = len(spelled)
    found = []
    if len(tree.row(start)) == depth:
        found.append(spelled)
        start += 1
    if start == stop:
        return found
    children = tree.children(start, stop, depth)
    assert len(set(children.tokens.tolist())) == len(children.tokens)
    for token, a, b in zip(children.tokens, children.starts, children.stops, strict=True):
        found += walk(tree, int(a), int(b), (*spelled, int(token)))
    return found
