"""How well a baseline ranks the target among the stored candidate lists the LLM is ranked on."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from db.datasets import DatasetColumns, DatasetInfo
from db.store import Store
from engine.baselines.scorer import Progress, Scorer
from engine.data.candidates import candidate_list
from engine.data.draws import generator
from engine.data.splits import MIN_HISTORY, held_out
from engine.demos import query as queries
from engine.evaluation.metrics import metrics, rank_of
from engine.evaluation.statistics import interval

MEASURES = ("ndcg10", "hr1", "hr10", "mrr")


@dataclass(frozen=True)
class Evaluation:
    """The rank (1 = best) of each user's target, users in the order asked."""

    user_ids: list[str]
    ranks: list[int]
    seed: int

    def values(self, measure: str) -> NDArray[np.float64]:
        """A measure per user [users]; `measure` as named by `engine.evaluation.metrics`."""
        return np.array([metrics(rank)[measure] for rank in self.ranks])

    def summary(self) -> dict[str, dict[str, float | list[float]]]:
        """Mean and 95 % interval of every measure."""
        found: dict[str, dict[str, float | list[float]]] = {}
        for measure in MEASURES:
            values = self.values(measure)
            low, high = interval(values, self.seed)
            found[measure] = {"mean": float(values.mean()), "interval": [low, high]}
        return found


def drawn_users(columns: DatasetColumns, users: int, seed: int, target: str = "test") -> list[str]:
    """Ids of at most `users` users who have the target, drawn from the seed."""
    rng = generator(seed)
    order = np.argsort(rng.random(len(columns.user_ids)), kind="stable")
    lengths = np.bincount(columns.user, minlength=len(columns.user_ids))
    fit = order[lengths[order] >= held_out(target) + MIN_HISTORY]
    return [columns.user_ids[user] for user in fit[:users]]


def evaluate(
    scorer: Scorer,
    store: Store,
    dataset: DatasetInfo,
    users: Sequence[str],
    candidates: int = 20,
    seed: int = 0,
    *,
    kind: str = "random",
    target: str = "test",
    progress: Progress | None = None,
) -> Evaluation:
    """Rank each user's target among the stored list of `candidates` items (drawn and stored if new).

    The scorer is given the whole history before the target and the moment of the target, never the target.
    Raises NotFound for an unknown user and BadInput for one without this target.
    """
    ranks = []
    for done, user_id in enumerate(users):
        query = queries.build(store, dataset, user_id, target, history=dataset.interactions)
        listed = candidate_list(
            store, dataset, query.user, query.target_position, kind, candidates, seed
        ).items
        history = [row.item for row in query.history]
        scores = scorer.scores(history, listed, query.target_timestamp)
        ranks.append(rank_of(scores.tolist(), listed.index(query.target.item)))
        if progress:
            progress((done + 1) / len(users), f"user {done + 1} of {len(users)}")
    return Evaluation(list(users), ranks, seed)
