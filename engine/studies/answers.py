"""One question of a study put to a model: the candidate list scored without, with stale and with fresh
demonstrations.

Boundary: a question in, a list of scores per condition out, the target's first. All conditions share the
query and the candidate list.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from db import datasets, sets
from db.choices import COPIES
from db.datasets import DatasetInfo
from db.requests import RunRequest, StudyRequest
from db.requests.strategy_spec import Spec, parse_spec
from db.store import Store
from engine.data.candidates import candidate_list
from engine.demos import query as queries
from engine.demos import selection
from engine.demos.query import PoolEntry, Query
from engine.demos.reader import Reader
from engine.studies.copied import PLACEBOS, copied
from engine.studies.questions import Question
from engine.tasks.inputs import shows_target

if TYPE_CHECKING:
    from engine.context import Context
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
        """The scores, the target's first (`target_first`)."""
        return target_first(scores, self.place)


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


@dataclass(frozen=True)
class Shown:
    """The demonstrations of a question by condition, in prompt order, placebos of the fresh ones among them.

    `placebos`: how near each placebo is to what it stands for; `excluded`: demonstrations of all conditions
    that were left out because they show the target's item. `weights`: by id, of those that do not weigh 1.
    """

    entries: dict[str, list[PoolEntry]]
    placebos: dict[str, dict[str, float]]
    excluded: int
    weights: dict[str, float]


def shown(
    store: Store,
    dataset: DatasetInfo,
    asked: Asked,
    request: StudyRequest,
    moments: Mapping[str, int | None],
    reader: Reader,
) -> Shown:
    """What the prompts show. `moments`: by condition, the moment (unix seconds) before which demonstrations
    are known; None: everything known before the target. `reader`: for strategies that compare titles by a
    model's vectors, and for lengths in tokens."""
    spec = parse_spec(request.demos)

    def chosen(name: str, until: int | None) -> list[PoolEntry]:
        query, wanted = replace(asked.query, known_until=until), replace(spec, name=name)
        return selection.choose(store, dataset, query, wanted, request.seed, reader, spec.name)

    entries = {column: chosen(spec.name, until) for column, until in moments.items()}
    weights = _weights(store, dataset, spec)
    fresh, placebos = entries[FRESH][::-1], {}
    for name in PLACEBOS:
        entries[name] = chosen(name, None)
        for entry, derived in zip(fresh, entries[name][::-1], strict=False):
            if (weight := weights.get(entry.demonstration.id)) is not None:
                weights[derived.demonstration.id] = weight
        placebos[name] = selection.strategy(name).measured(fresh, entries[name][::-1], reader)
    if not request.exclude_target_item:
        return Shown(entries, placebos, 0, weights)
    kept = {
        column: [entry for entry in row if shows_target(entry, asked.query) is None]
        for column, row in entries.items()
    }
    excluded = sum(len(entries[column]) - len(kept[column]) for column in entries)
    return Shown(kept, placebos, excluded, weights)


def _weights(store: Store, dataset: DatasetInfo, spec: Spec) -> dict[str, float]:
    """Of a stored set's demonstrations, by id; what a strategy chooses weighs 1."""
    if spec.reference is None:
        return {}
    return {member.id: member.weight for member in sets.get(store, dataset.id, spec.reference).members}


def scores(
    asking: Context[RunRequest],
    asked: Asked,
    entries: Mapping[str, Sequence[PoolEntry]],
    weights: Mapping[str, float],
) -> dict[str, Any]:
    """`{scores, shown, copies}` of the prompts with these demonstrations and of the one without any: scores
    per condition, target first; how many demonstrations had room; what copies of those score.

    asking: how the model is asked. weights: by id, of demonstrations that do not weigh 1.
    """
    from engine.llm.scoring.ranking import rank_all

    found: dict[str, Any] = {"scores": {}, "shown": {}, "copies": {name: {} for name in COPIES}}
    tasks = [_task(asking, asked, row, weights) for row in entries.values()]
    results = rank_all(asking.loaded, tasks)
    for (column, row), result in zip(entries.items(), results, strict=True):
        found["scores"][ZERO_SHOT] = asked.plain(result.scores_zero_shot)
        found["scores"][column] = asked.plain(result.scores)
        found["shown"][column] = len(result.kept)
        if column not in PLACEBOS:
            kept = [row[b] for b in result.kept]
            for name in COPIES:
                counts = copied(name, kept, _of(kept, weights), asked.items)
                found["copies"][name][column] = asked.plain(counts)
    return found


def target_first(scores: Sequence[float], place: int) -> list[float]:
    """The scores, that at `place` first, as finite numbers of few digits that rank as the scores do."""
    others = [*scores[:place], *scores[place + 1 :]]
    return [_finite(scores[place], -3 * _BEYOND), *(_finite(score, -2 * _BEYOND) for score in others)]


def _finite(score: float, missing: float) -> float:
    """`missing` for NaN, which is worse than every number (`engine.evaluation.metrics.standing`)."""
    bounded = missing if math.isnan(score) else max(-_BEYOND, min(_BEYOND, score))
    return float(f"{bounded:.{_DIGITS}g}")


def _of(entries: Sequence[PoolEntry], weights: Mapping[str, float]) -> list[float]:
    return [weights.get(entry.demonstration.id, 1.0) for entry in entries]


def _task(
    asking: Context[RunRequest], asked: Asked, chosen: Sequence[PoolEntry], weights: Mapping[str, float]
) -> Task:
    from engine.llm.scoring.ranking import Task

    return Task(
        demos=tuple(asking.example(entry) for entry in chosen),
        weights=tuple(_of(chosen, weights)) if weights else None,
        history=asking.history(asked.query.history),
        candidates=asked.titles,
        scoring=asking.request.scoring,  # type: ignore[arg-type]  # checked with the request
        template=asking.template,
        seed=asking.request.seed,
    )
