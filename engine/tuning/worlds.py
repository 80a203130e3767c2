"""Training prompts from many simulated worlds, laid out token for token as the engine renders them.

One prompt = 0 to 8 demonstrations and a query from one world that the model sees only for a few dozen
prompts (the layout of RecICL, arXiv 2410.23136). Titles come from three vocabularies: the store's own,
random token strings and strings of recurring chunks, so that reading associations off the context does not
depend on the words. Segments start at random positions with random gaps between them: the model must not
care where a demonstration stands, so that removing one by its weight and by writing the prompt again
agree.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from transformers import PreTrainedTokenizerBase

from engine.data.draws import generator
from engine.data.world import make_shoppers, make_world, purchase_times, shop
from engine.prompts import PLAIN, Example, PieceEncoder, render
from engine.prompts.segments import title_answer

OTHER_WEIGHT = 0.3
DEMO_HISTORY = 5
QUERY_HISTORY = 10
MAX_DEMOS = 8
MAX_TOKENS = 1024
_PROMPTS_PER_WORLD = 48  # on average
_WORLDS_AT_A_TIME = 16
_TRAINING_KEY = 20_111  # differs from the simulated store's


Title = list[int]  # token ids as they stand after the dash, line end included
Titles = list[Title]


@dataclass(frozen=True)
class Sample:
    """One training sequence: token ids, loss weight of predicting each token, rotary position of each.

    `rivals`: by place, the token that the one there is told from; at every other place the loss is over the
    whole vocabulary.
    """

    ids: list[int]
    weights: list[float]
    positions: list[int]
    rivals: dict[int, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Scale:
    """How large and how predictable the worlds of a stage are."""

    items: tuple[int, int]
    strength: tuple[float, float]
    departments: int
    lengths: tuple[int, int]


SCALES: dict[str, Scale] = {
    "small": Scale((16, 24), (0.8, 0.98), 3, (6, 12)),
    "medium": Scale((24, 240), (0.65, 0.95), 6, (5, 20)),
    "store": Scale((400, 2400), (0.3, 0.85), 10, (5, 40)),
}

#: Stage -> share of its samples by kind; "copy" is the warm-up in which induction heads form.
STAGES: dict[str, dict[str, float]] = {
    "copy": {"copy": 1.0},
    "small": {"copy": 0.25, "small": 0.75},
    "medium": {"copy": 0.03, "small": 0.25, "medium": 0.72},
    "store": {"copy": 0.02, "small": 0.13, "medium": 0.25, "store": 0.6},
}


class Layout:
    """The engine's own prompt pieces as token ids, so that training sees what ranking will render."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self._encoder = PieceEncoder(tokenizer)
        prefix, demo, _ = render(PLAIN, "sum", [Example(("history",), "answer")], ("history",))
        bought, dash, _, following, _, _, blank = (self.piece(text) for text in demo.pieces)
        self.prefix = list(self._encoder.joined(prefix.pieces))
        self.bought, self.dash, self.following, self.blank = bought, dash, following, blank
        self.vocabulary = len(tokenizer)

    def piece(self, text: str) -> list[int]:
        return list(self._encoder.ids(text))

    def titles(self, titles: list[str]) -> list[list[int]]:
        """Token ids of each title as an item or answer of a prompt."""
        pieces = [title_answer(title)[0] for title in titles]
        return self._encoder.tokenizer(pieces, add_special_tokens=False).input_ids

    def window(self, history: list[list[int]]) -> list[int]:
        ids = list(self.bought)
        for title in history:
            ids += self.dash + title
        return ids + self.following + self.dash


def prompt(
    layout: Layout, demos: list[tuple[Titles, Title]], query: Titles, answer: Title, rng: random.Random
) -> Sample:
    """Join demonstrations (history, answer) and the query; answers weigh 1, all other tokens 0.3."""
    segments = [(list(layout.prefix), len(layout.prefix))]
    for history, title in demos:
        window = layout.window(history)
        segments.append((window + title + layout.blank, len(window)))
    window = layout.window(query)
    segments.append((window + answer, len(window)))
    ids: list[int] = []
    weights: list[float] = []
    positions: list[int] = []
    gaps = rng.random() < 0.6
    at = rng.randrange(256) if rng.random() < 0.6 else 0
    for tokens, plain in segments:
        ids += tokens
        weights += [OTHER_WEIGHT] * plain + [1.0] * (len(tokens) - plain)
        positions += range(at, at + len(tokens))
        at += len(tokens) + (rng.randrange(64) if gaps and rng.random() < 0.7 else 0)
    return Sample(ids, weights, positions)


def copying(layout: Layout, rng: random.Random) -> Sample:
    """A random token string of 3 to 28 tokens, said again in pieces until 64 tokens are full.

    Pieces of random start, not repetitions: looking back by a fixed distance must not pay, only matching.
    """
    size = rng.randint(3, 28)
    string = [rng.randrange(1, layout.vocabulary) for _ in range(size)]
    ids, weights = list(string), [0.1] * size
    while len(ids) < 64:
        start, length = rng.randrange(size), rng.randint(3, 16)
        ids += [string[(start + step) % size] for step in range(length)]
        weights += [0.1] + [1.0] * (length - 1)
    at = rng.randrange(512)
    return Sample(ids, weights, list(range(at, at + len(ids))))


class PromptWorld:
    """One world: token ids of its titles, its shoppers' purchases, and who bought an item where."""

    def __init__(self, layout: Layout, scale: Scale, seed: tuple[int, ...]) -> None:
        rng = generator(_TRAINING_KEY, *seed)
        self.random = random.Random(int(rng.random() * 2**53))
        count = self.random.randint(*scale.items)
        world = make_world(rng, count, scale.departments)
        users = max(40, int(1.6 * count))
        shoppers = make_shoppers(rng, world, users, scale.lengths)
        strength = self.random.uniform(*scale.strength)
        self.bought = shop(rng, world, shoppers, purchase_times(rng, shoppers.length), strength, 0.08)
        self.length = shoppers.length.tolist()
        self.layout = layout
        self.titles, self.max_demos = self._vocabulary(world.titles)
        flat = self.bought.ravel()
        by_item = np.argsort(flat, kind="stable")
        self._starts = np.searchsorted(flat[by_item], np.arange(count + 1)).tolist()
        self._occurrences = by_item

    def _vocabulary(self, titles: list[str]) -> tuple[list[list[int]], int]:
        """Title ids, and how many demonstrations fit well: long titles get fewer, to keep batches dense."""
        rng, size = self.random, self.layout.vocabulary
        kind = rng.random()
        if kind < 0.75:
            return self.layout.titles(titles), MAX_DEMOS
        if kind < 0.87:
            low, high = rng.choice([(3, 8), (8, 14), (8, 25)])
            drawn = [[rng.randrange(1, size) for _ in range(rng.randint(low, high))] for _ in titles]
        else:
            chunks = [
                [rng.randrange(1, size) for _ in range(rng.randint(1, 3))]
                for _ in range(20 + len(titles) // 3)
            ]
            high = rng.choice([4, 6])
            drawn = [[t for c in rng.sample(chunks, rng.randint(3, high)) for t in c] for _ in titles]
        return [title + self.layout.blank for title in drawn], 4 if high == 25 else MAX_DEMOS

    def sample(self) -> Sample:
        """A query of one shopper with demonstrations of mixed worth."""
        rng = self.random
        user = rng.randrange(len(self.length))
        target = rng.randint(min(2, self.length[user] - 1), self.length[user] - 1)
        size = QUERY_HISTORY if rng.random() < 0.7 else rng.randint(1, QUERY_HISTORY)
        history = self.bought[user, max(0, target - size) : target].tolist()
        demos = [self._window(*place) for place in self.places(user, target, history)]
        words = [([self.titles[i] for i in window], self.titles[answer]) for window, answer in demos]
        answer = self.titles[int(self.bought[user, target])]
        return prompt(self.layout, words, [self.titles[i] for i in history], answer, rng)

    def places(self, user: int, target: int, history: list[int]) -> list[tuple[int, int]]:
        """(user, position of the answer) per demonstration; the query's own user's lie before the target."""
        rng = self.random
        count = min(rng.choice((0, 1, 2, 3, 4, 4, 4, 5, 6, 8)), self.max_demos)
        # Mostly neighbours; whole prompts of random windows teach that a demonstration can be worthless.
        useful = rng.choice((0.0, 0.5, 0.9, 0.9, 1.0, 1.0))
        chosen = []
        for _ in range(count):
            roll = rng.random()
            if roll < useful:
                place = self._neighbour(user, history)
            elif roll < useful + 0.4 * (1 - useful) and target > 1:
                place = (user, rng.randint(1, target - 1))
            else:
                other = rng.randrange(len(self.length))
                place = (other, rng.randint(1, self.length[other] - 1)) if other != user else None
            if place is not None:
                chosen.append(place)
        return chosen

    def _neighbour(self, user: int, history: list[int]) -> tuple[int, int] | None:
        """Where another shopper bought a recent item of the query, as (user, position of the answer)."""
        rng = self.random
        back = min(int(rng.expovariate(0.9)), len(history) - 1)
        item = history[-1 - back]
        start, stop = self._starts[item], self._starts[item + 1]
        steps = self.bought.shape[1]
        for _ in range(4):
            other, position = divmod(int(self._occurrences[rng.randrange(start, stop)]), steps)
            answer = position + 1 if rng.random() < 0.85 else position + rng.randint(1, 3)
            if other != user and answer < self.length[other]:
                return other, answer
        return None

    def _window(self, user: int, answer: int) -> tuple[list[int], int]:
        size = DEMO_HISTORY if self.random.random() < 0.7 else self.random.randint(1, DEMO_HISTORY)
        return self.bought[user, max(0, answer - size) : answer].tolist(), int(self.bought[user, answer])


def samples(layout: Layout, seed: int, kind: str) -> Iterator[Sample]:
    """Endless samples of one kind (``copy`` or a name of SCALES); worlds never repeat within a seed."""
    if kind == "copy":
        rng = random.Random(seed)
        while True:
            yield copying(layout, rng)
    rng, number = random.Random(seed), 0
    alive: list[tuple[PromptWorld, int]] = []
    while True:
        # Several worlds at a time: a batch of one world's prompts alone would pull the weights to and fro.
        while len(alive) < _WORLDS_AT_A_TIME:
            key = (seed, sorted(SCALES).index(kind), number)
            alive.append((PromptWorld(layout, SCALES[kind], key), rng.randint(1, 2 * _PROMPTS_PER_WORLD)))
            number += 1
        world, left = alive.pop(rng.randrange(len(alive)))
        drawn = world.sample()
        if len(drawn.ids) <= MAX_TOKENS:
            yield drawn
        if left > 1:
            alive.append((world, left - 1))
