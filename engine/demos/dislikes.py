"""What a user disliked, from their own ratings before a query's target.

Boundary: a query in, titles out; no model, and nothing from the target on.
"""

from collections.abc import Sequence

from db import datasets
from db.datasets import DatasetInfo
from db.errors import BadInput
from db.requests.edits import Edit
from db.store import Store
from engine.demos.query import Query


def disliked_for(store: Store, dataset: DatasetInfo, query: Query, edits: Sequence[Edit]) -> tuple[str, ...]:
    """The disliked titles, where one of these edits takes them. BadInput where nothing was disliked."""
    taking = [edit.name for edit in edits if edit.kind.disliked]
    return disliked_titles(store, dataset, query, taking[0]) if taking else ()


def disliked_titles(store: Store, dataset: DatasetInfo, query: Query, edit: str) -> tuple[str, ...]:
    """Titles that the user rated as disliked before the target, oldest first. BadInput where there are none.

    edit: the name of the edit that takes them.
    """
    if not dataset.has_ratings:
        raise BadInput(
            f"perturb: {edit} needs what the user disliked, and {dataset.name!r} has no ratings. Leave "
            f"{edit} out."
        )
    scale = dataset.scale
    titles = datasets.rated_below(store, dataset.id, query.user, query.target_position, scale.disliked)
    if not titles:
        raise BadInput(
            f"perturb: {edit} needs what the user disliked, and {query.user_id!r} rated nothing below "
            f"{scale.disliked:g} before the target. Leave {edit} out, or choose another user."
        )
    return tuple(dict.fromkeys(titles))
