"""What a user disliked, from their own ratings before a query's target.

Boundary: a query in, titles out; no model, and nothing from the target on.
"""

from db import datasets
from db.datasets import DatasetInfo
from db.errors import BadInput
from db.perturbations import DISLIKED
from db.store import Store
from engine.demos.query import Query


def disliked_titles(store: Store, dataset: DatasetInfo, query: Query) -> tuple[str, ...]:
    """Titles rated below 3 of 5 stars before the target, oldest first. BadInput where there are none."""
    if not dataset.has_ratings:
        raise BadInput(
            f"perturb: negatives take what the user disliked, and {dataset.name!r} has no ratings. Leave "
            "negatives out."
        )
    known = datasets.history(store, dataset.id, query.user)[: query.target_position]
    found = [one.title for one in known if one.rating is not None and one.rating < DISLIKED]
    if not found:
        raise BadInput(
            f"perturb: negatives take what the user disliked, and {query.user_id!r} rated nothing below "
            f"{DISLIKED:g} stars before the target. Leave negatives out, or choose another user."
        )
    return tuple(dict.fromkeys(found))
