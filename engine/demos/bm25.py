"""BM25 demonstrations: of the windows at hand, those whose titles share the most telling words with the
query's.

The windows at hand are the best neighbours' and some random ones; how telling a word is, is counted over
their texts, so the cost does not grow with the catalogue. The user's own windows stay out: they are the
query's own words.
"""

from collections.abc import Iterable

from db.datasets import DatasetInfo, Interaction
from db.store import Store
from engine.data.similar_titles import TitleIndex
from engine.demos.neighbours import neighbours
from engine.demos.query import Query
from engine.demos.random_users import random_users
from engine.demos.windows import Offer

NEIGHBOURS = 96
RANDOM = 32
"""Windows at hand of either source."""


def bm25(store: Store, dataset: DatasetInfo, query: Query, size: int, seed: int) -> list[Offer]:
    """Up to `size` windows, best first; similarity = score / score of the query's own text, at most 1."""
    near = neighbours(store, dataset, query, max(NEIGHBOURS, size), seed)
    places = {offer.window.place for offer in near}
    far = random_users(store, dataset, query, max(RANDOM, size), seed)
    pool = near + [offer for offer in far if offer.window.place not in places]
    asked = text(query.history)
    documents = [text([*offer.window.history, offer.window.answer]) for offer in pool]
    *scores, perfect = TitleIndex([*documents, asked]).scores(asked).tolist()
    scored = [
        Offer(offer.source, offer.window, min(1.0, score / perfect) if perfect else 0.0)
        for offer, score in zip(pool, scores, strict=True)
    ]
    return sorted(scored, key=lambda offer: -offer.similarity)[:size]


def text(interactions: Iterable[Interaction]) -> str:
    """The titles of these interactions as one text."""
    return " ".join(interaction.title for interaction in interactions)
