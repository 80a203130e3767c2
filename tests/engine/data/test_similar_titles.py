"""BM25 over titles, against the formula written out."""

import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.data.similar_titles import TitleIndex, words

texts = st.lists(st.text(alphabet="ab c2é!", max_size=12), max_size=8)


def by_hand(documents: list[str], query: str, k1: float = 1.5, b: float = 0.75) -> list[float]:
    """Lucene's BM25 (Kamphuis et al. 2020): idf = log(1 + (N - df + 0.5) / (df + 0.5))."""
    bags = [Counter(words(document)) for document in documents]
    average = sum(map(sum, (bag.values() for bag in bags))) / len(bags)
    scores = []
    for bag in bags:
        score = 0.0
        for word in words(query):
            frequency = sum(word in other for other in bags)
            idf = math.log(1 + (len(bags) - frequency + 0.5) / (frequency + 0.5))
            norm = k1 * (1 - b + b * sum(bag.values()) / average)
            score += idf * bag[word] / (bag[word] + norm) if bag[word] else 0.0
        scores.append(score)
    return scores


@given(texts, st.text(alphabet="ab c2é!", max_size=12))
def test_scores_are_the_formula(documents: list[str], query: str) -> None:
    index = TitleIndex(documents)
    if not any(words(document) for document in documents):
        assert index.scores(query).tolist() == [0.0] * len(documents)
        return
    assert index.scores(query).tolist() == pytest.approx(by_hand(documents, query), rel=1e-5, abs=1e-6)


def test_words_are_letters_and_digits_in_lower_case() -> None:
    assert words("Café: UNCHARTED 2 (PS-3)") == ["café", "uncharted", "2", "ps", "3"]


def test_the_most_alike_title_scores_highest() -> None:
    index = TitleIndex(["Mario Kart 8", "Mario Party", "Halo 3", "Kart Racing 8 Mario Kart"])
    scores = index.scores("Mario Kart 8 Deluxe")
    assert scores.argmax() in (0, 3)
    assert scores[2] == 0
