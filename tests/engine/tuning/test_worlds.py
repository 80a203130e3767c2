"""Training prompts: the engine's own text, honest demonstrations, worlds that end."""

import itertools
import random

import pytest
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from engine.prompts import PLAIN, Example, PieceEncoder, encode, render
from engine.prompts.segments import title_answer
from engine.tuning.evaluate_embedded import EMBEDDED
from engine.tuning.worlds import (
    MAX_DEMOS,
    MAX_TOKENS,
    SCALES,
    STAGES,
    Layout,
    PromptWorld,
    copying,
    prompt,
    samples,
)


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerBase:
    return AutoTokenizer.from_pretrained(EMBEDDED)


@pytest.fixture(scope="module")
def layout(tokenizer: PreTrainedTokenizerBase) -> Layout:
    return Layout(tokenizer)


@pytest.mark.parametrize("demos", [0, 1, 4])
def test_trains_on_exactly_what_the_engine_renders(
    tokenizer: PreTrainedTokenizerBase, layout: Layout, demos: int
) -> None:
    titles = ["Fire Emblem: The Sacred Stones", "Oakdale Pro Kettle", "Café 1oz. (日本)", "Tent", "Kite, Red"]
    ids = dict(zip(titles, layout.titles(titles), strict=True))
    windows = [(titles[:2], titles[2]), (titles[1:4], titles[4])] * 2
    sample = prompt(
        layout,
        [([ids[t] for t in history], ids[answer]) for history, answer in windows[:demos]],
        [ids[t] for t in titles[2:]],
        ids[titles[0]],
        random.Random(0),
    )
    encoder = PieceEncoder(tokenizer)
    examples = [Example(tuple(history), answer) for history, answer in windows[:demos]]
    shared = encode(encoder, render(PLAIN, "sum", examples, titles[2:])).ids
    answer = encoder.joined(title_answer(titles[0]))
    assert sample.ids == [*shared, *answer]


def test_answers_weigh_one_and_the_rest_less(layout: Layout) -> None:
    title = layout.titles(["Oakdale Pro Kettle"])[0]
    sample = prompt(layout, [([title], title)], [title], title, random.Random(0))
    assert sample.weights[-len(title) :] == [1.0] * len(title)
    # The demonstration's answer (and the blank line that closes it) and the query's.
    assert sample.weights.count(1.0) == 2 * len(title) + len(layout.blank)
    assert set(sample.weights) == {0.3, 1.0}


def test_positions_rise_with_gaps_only_between_segments(layout: Layout) -> None:
    title = layout.titles(["Oakdale Pro Kettle"])[0]
    rng = random.Random(1)
    samples = [prompt(layout, [([title], title)] * 3, [title], title, rng) for _ in range(200)]
    gaps = {b - a for sample in samples for a, b in itertools.pairwise(sample.positions)}
    assert min(gaps) == 1
    assert len(gaps) > 20
    borders = [
        {i for i, (a, b) in enumerate(itertools.pairwise(sample.positions)) if b - a > 1}
        for sample in samples
    ]
    segments = 5  # prefix, three demonstrations, query
    assert len(set().union(*borders)) == segments - 1
    assert len({sample.positions[0] for sample in samples}) > 20


@pytest.mark.parametrize("kind", ["copy", *SCALES])
def test_samples_fit_and_differ(layout: Layout, kind: str) -> None:
    drawn = list(itertools.islice(samples(layout, 3, kind), 60))
    assert all(len(s.ids) == len(s.weights) == len(s.positions) <= MAX_TOKENS for s in drawn)
    assert max(s.positions[-1] for s in drawn) < 2048
    assert len({tuple(s.ids) for s in drawn}) > 50
    again = list(itertools.islice(samples(layout, 3, kind), 60))
    assert [s.ids for s in again] == [s.ids for s in drawn]


def test_own_demonstrations_end_before_the_target(layout: Layout) -> None:
    """Otherwise the answer could be looked up, and the model would learn to rely on it."""
    world = PromptWorld(layout, SCALES["medium"], (4, 1, 0))
    seen = 0
    for user in range(len(world.length)):
        target = world.length[user] - 2
        history = world.bought[user, :target].tolist()
        for other, position in world.places(user, target, history):
            assert 1 <= position < world.length[other]
            assert other != user or position < target
            seen += other == user
    assert seen > 5


def test_small_worlds_end_and_carry_several_demonstrations(layout: Layout) -> None:
    worlds = [PromptWorld(layout, SCALES["small"], (5, 2, number)) for number in range(40)]
    drawn = [world.sample() for world in worlds]
    marker = layout.following
    counts = [
        sum(s.ids[i : i + len(marker)] == marker for i in range(len(s.ids))) - 1
        for s, world in zip(drawn, worlds, strict=True)
        if world.max_demos == MAX_DEMOS
    ]
    assert max(counts) >= 5
    assert min(counts) == 0


def test_copying_says_one_string_in_pieces(layout: Layout) -> None:
    sample = copying(layout, random.Random(2))
    size = sample.weights.index(1.0) - 1
    followed = {(a, b) for a, b in itertools.pairwise([*sample.ids[:size], sample.ids[0]])}
    inside = [
        pair
        for pair, weight in zip(itertools.pairwise(sample.ids), sample.weights[1:], strict=True)
        if weight == 1
    ]
    assert set(inside) <= followed


def test_stages_name_known_kinds() -> None:
    for shares in STAGES.values():
        assert set(shares) <= {"copy", *SCALES}
        assert sum(shares.values()) == pytest.approx(1)
