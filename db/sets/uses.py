"""Where a set was used: the stored runs that were shown its demonstrations, in its order, with its weights.

However they were chosen: by the set's name, or one by one. Boundary: stored runs only; nothing is computed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import sqlalchemy as sa

from db.schema import demonstration_set_versions as version_table
from db.schema import run_index as index
from db.sets.records import NamedSet
from db.store import Store


@dataclass(frozen=True)
class Use:
    """A run with one version of a set. `margin`, `ndcg10`: what the demonstrations added to the margin (nats)
    and to NDCG@10, None where the run has no such number."""

    run: str
    digest: str
    user_id: str
    model: str
    created_at: float
    margin: float | None
    ndcg10: float | None


@dataclass(frozen=True)
class Gain:
    """Over the runs of one model: how many `runs` of how many `users`, and the mean gain of the target's
    margin (nats) and NDCG@10; None where no run has it."""

    model: str
    runs: int
    users: int
    margin: float | None
    ndcg10: float | None


def uses(store: Store, kept: NamedSet, *, every: bool = True, limit: int | None = None) -> list[Use]:
    """The runs that used this set, the newest first. `every`: all its versions, not this one alone."""
    wanted = sa.select(version_table.c.digest).where(version_table.c.set_id == kept.id)
    of = index.c.set_digest.in_(wanted) if every else index.c.set_digest == kept.digest
    columns = ("run_key", "set_digest", "user_id", "model", "created_at", "margin_gain", "ndcg10_gain")
    query = sa.select(*(index.c[name] for name in columns)).where(of, index.c.deleted_at.is_(None))
    with store.read() as connection:
        rows = connection.execute(query.order_by(index.c.created_at.desc(), index.c.run_key).limit(limit))
        return [Use(*row) for row in rows]


def gains(found: Sequence[Use]) -> list[Gain]:
    """How these runs did, model by model: margins of two models do not compare."""

    def mean(values: Sequence[float | None]) -> float | None:
        known = [value for value in values if value is not None]
        return fmean(known) if known else None

    by_model: dict[str, list[Use]] = {}
    for use in found:
        by_model.setdefault(use.model, []).append(use)
    return [
        Gain(
            model,
            len(some),
            len({use.user_id for use in some}),
            mean([use.margin for use in some]),
            mean([use.ndcg10 for use in some]),
        )
        for model, some in sorted(by_model.items())
    ]
