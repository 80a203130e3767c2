"""Values of requests in words: one way to write a strategy on every page."""

import pytest

from dashboard.text import values


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("bm25:4", "BM25 (4)"),
        ("bm25:300t", "BM25 (as many as fit in 300 tokens)"),
        ("set:good-ones", "named set good-ones"),
        ("set:good-ones@0123456789abcdef", "named set good-ones"),
        ("none", "no demonstrations"),
        ("gone:3", "gone (3)"),
        ("bm25", "BM25"),
    ],
)
def test_a_strategy_is_its_name_and_how_many(spec: str, said: str) -> None:
    assert values.strategy(spec) == said
    assert values.strategy_name(spec) == said.partition(" (")[0]
