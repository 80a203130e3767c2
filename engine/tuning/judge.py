"""Which way of scoring suits a tuned model: measured on what validated it, so that no target is touched.

A model that has seen the catalogue knows what sells, and its prior helps; one that has not is misled by it.
"""

import random
from dataclasses import replace

from db import datasets
from db.datasets import DatasetInfo
from db.store import Store
from engine.data.candidates import candidate_list
from engine.demos import query as queries
from engine.demos import selection
from engine.evaluation.metrics import metrics, standing
from engine.llm.loading.load import LoadedModel
from engine.llm.scoring.memory import PrefillCache
from engine.llm.scoring.ranking import Scoring, Task, rank_all
from engine.tuning.phases import Phases
from engine.tuning.samples import Sampler

WAYS: tuple[Scoring, ...] = ("sum", "calibrated")
CANDIDATES = 20


def judged(
    store: Store,
    dataset: DatasetInfo,
    loaded: LoadedModel,
    sampler: Sampler,
    users: int,
    phases: Phases,
) -> dict[str, float]:
    """Mean NDCG@10 of each way over at most `users` validating answers, laid out as the tuning's samples.

    Fewer where the time is up; the means are then of what was measured, 0 where nothing was.
    """
    request = sampler.request
    spec = f"neighbours:{max(1, request.demos)}" if request.layout == "recicl" else "none"
    rows = sampler.material.validation.tolist()
    ndcg: dict[str, list[float]] = {way: [] for way in WAYS}
    cache = PrefillCache()
    sample = random.Random(request.seed).sample(rows, min(users, len(rows)))
    for number, row in enumerate(sample):
        if phases.left <= 0:
            break
        phases.say(number / len(sample), f"user {number + 1} of {len(sample)}")
        query = _query(store, dataset, sampler, row)
        offered = candidate_list(
            store, dataset, query.user, query.target_position, "random", CANDIDATES, request.seed
        ).items
        titles = datasets.items(store, dataset.id, offered)
        chosen = selection.choose(store, dataset, query, spec, request.seed)
        form, scale = sampler.form, sampler.scale
        task = Task(
            demos=tuple(form.example(e.history, e.answer, e.liked, scale) for e in chosen),
            history=form.history(query.history, scale),
            template=sampler.template,
            candidates=tuple(titles[item].title for item in offered),
        )
        place = offered.index(query.target.item)
        for way, ranked in zip(
            WAYS, rank_all(loaded, [replace(task, scoring=w) for w in WAYS], cache), strict=True
        ):
            ndcg[way].append(metrics(standing(ranked.scores, place))["ndcg10"])
    return {way: round(sum(values) / max(1, len(values)), 4) for way, values in ndcg.items()}


def _query(store: Store, dataset: DatasetInfo, sampler: Sampler, row: int) -> queries.Query:
    """The query that a validating interaction answers. Without timestamps it is the user's third newest,
    for which it is unknown what others had bought by then: the probe stands in for it."""
    name = sampler.columns.user_ids[int(sampler.columns.user[row])]
    if not dataset.has_timestamps:
        return queries.build(store, dataset, name, "probe")
    return queries.at(store, dataset, name, int(sampler.place[row]))
