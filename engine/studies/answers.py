"""One question of a study put to a model: the candidate list scored without, with stale and with fresh
demonstrations.

Boundary: a question in, a list of scores per condition out, the target's first. All conditions share the
query and the candidate list.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from db import datasets
from db.datasets import DatasetInfo
from db.requests import StudyRequest
from db.store import Store
from engine.data.candidates import candidate_list
from engine.demos import query as queries
from engine.demos import selection
from engine.demos.query import PoolEntry, Query
from engine.demos.reader import Reader
from engine.studies.questions import Question

if TYPE_CHECKING:
    from engine.llm.loading.load import LoadedModel
    from engine.llm.scoring.memory import PrefillCache
    from engine.llm.scoring.ranking import Task

ZERO_SHOT, STALE, RENEWED, FRESH = "zero_shot", "stale", "renewed", "fresh"
_BEYOND = 1e30  # stands for an infinite score: JSON has none, nor NaN
_DIGITS = 7  # kept of a score, so that a resumed study is equal to one without a break


@dataclass(frozen=True)
class Asked:
    """A question looked up: the query, and what is on offer (items and titles), the target at `place`."""

    query: Query
    items: tuple[int, ...]
    titles: tuple[str, ...]
    place: int

    def plain(self, scores: Sequence[float]) -> list[float]:
        """The scores, the target's first, as finite numbers of few digits that rank as the scores do."""
        others = [*scores[: self.place], *scores[self.place + 1 :]]
        return [
            _finite(scores[self.place], -3 * _BEYOND),
            *(_finite(score, -2 * _BEYOND) for score in others),
        ]


def look_up(
    store: Store, dataset: DatasetInfo, question: Question, request: StudyRequest, history: int
) -> Asked:
    """The query of a question with at most `history` items, and its stored candidate list (drawn if new)."""
    if question.period is None:
        query = queries.build(store, dataset, question.user_id, "test", history)
    else:
        query = queries.at(store, dataset, question.user_id, question.position, history)
    kind, size = request.candidate_kind, request.candidates
    listed = candidate_list(store, dataset, query.user, query.target_position, kind, size, request.seed)
    items = datasets.items(store, dataset.id, listed.items)
    titles = tuple(items[item].title for item in listed.items)
    return Asked(query, listed.items, titles, listed.items.index(query.target.item))


def tasks(
    store: Store,
    dataset: DatasetInfo,
    asked: Asked,
    request: StudyRequest,
    moments: Mapping[str, int | None],
    reader: Reader | None = None,
) -> dict[str, Task]:
    """The prompts with demonstrations. `moments`: by condition, the moment (unix seconds) before which they
    are known; None: everything known before the target. `reader`: for strategies that compare titles by a
    model's vectors, and for budgets in tokens."""
    return {
        column: _task(
            asked,
            selection.choose(
                store, dataset, replace(asked.query, known_until=until), request.demos, request.seed, reader
            ),
            request.seed,
        )
        for column, until in moments.items()
    }


def scores(
    loaded: LoadedModel, asked: Asked, tasks: dict[str, Task], scoring: str, cache: PrefillCache
) -> dict[str, list[float]]:
    """Scores per condition, target first: of the prompts with demonstrations and the one without any."""
    from engine.llm.scoring.ranking import rank_candidates

    scores: dict[str, list[float]] = {}
    for column, task in tasks.items():
        result = rank_candidates(loaded, replace(task, scoring=scoring), cache)  # type: ignore[arg-type]
        scores[ZERO_SHOT] = asked.plain(result.scores_zero_shot)
        scores[column] = asked.plain(result.scores)
    return scores


def _finite(score: float, missing: float) -> float:
    """`missing` for NaN, which is worse than every number (`engine.evaluation.metrics.standing`)."""
    bounded = missing if math.isnan(score) else max(-_BEYOND, min(_BEYOND, score))
    return float(f"{bounded:.{_DIGITS}g}")


def _task(asked: Asked, chosen: Sequence[PoolEntry], seed: int) -> Task:
    from engine.llm.scoring.ranking import Task

    return Task(
        demos=tuple(entry.example for entry in chosen),
        history=tuple(row.title for row in asked.query.history),
        candidates=asked.titles,
        seed=seed,
    )
