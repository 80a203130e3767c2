"""BM25 demonstrations: the candidate windows whose titles score highest for the words of the query's titles.
Document frequencies are counted over the candidate windows.
"""

from db.datasets import DatasetInfo
from db.store import Store
from engine.data.similar_titles import TitleIndex
from engine.demos.candidate_pool import at_hand
from engine.demos.query import Query, titles_of
from engine.demos.windows import Offer


def find(store: Store, dataset: DatasetInfo, query: Query, size: int, seed: int) -> list[Offer]:
    """Up to `size` windows, best first; similarity = score / score of the query's own text, at most 1."""
    pool = at_hand(store, dataset, query, size, seed)
    asked = titles_of(query.history)
    documents = [titles_of([*offer.window.history, offer.window.answer]) for offer in pool]
    *scores, perfect = TitleIndex([*documents, asked]).scores(asked).tolist()
    scored = [
        Offer(offer.source, offer.window, min(1.0, score / perfect) if perfect else 0.0)
        for offer, score in zip(pool, scores, strict=True)
    ]
    return sorted(scored, key=lambda offer: -offer.similarity)[:size]
