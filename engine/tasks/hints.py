"""A conventional recommender's list as a hint in the prompt (arXiv 2406.11156 gives an LLM SASRec's list).

Boundary: a baseline's name and the items on offer in, its best titles out. What only counts is fitted on the
spot and kept in the workspace; what is trained must have been fitted before, as nobody waits minutes for a
hint. Every baseline is fitted as for ranking on its own: never on the target it is to help with.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from db import datasets
from db.datasets import DatasetInfo
from db.errors import NotFound
from db.requests import RunRequest
from engine.baselines.fitting import baseline, fitted, knows, limit_hit, loaded, place
from engine.baselines.scorer import Scorer, training_report
from engine.context import Context, Engine
from engine.demos import query as queries

SHOWN = 5  # titles of a hint


@dataclass(frozen=True)
class Hint:
    """The baseline's best items, best first: external ids and titles."""

    name: str
    item_ids: tuple[str, ...]
    titles: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        pairs = zip(self.item_ids, self.titles, strict=True)
        return {"name": self.name, "items": [{"item": item, "title": title} for item, title in pairs]}


def hint_for(context: Context[RunRequest], offered: Sequence[int]) -> Hint | None:
    """The `SHOWN` items of `offered` (item numbers) that the request's baseline scores highest for its user.

    None where the request asks for no hint. Equal scores keep the order offered. Raises BadInput for an
    unknown baseline, NotFound for one that is trained and has not been fitted to this data set yet.
    """
    dataset, request, name = context.dataset, context.request, context.request.hint
    if name is None:
        return None
    scores = scores_of(context.engine, dataset, name, request.user, request.target, offered)
    best = [offered[place] for place in np.argsort(-scores, kind="stable")[:SHOWN].tolist()]
    items = datasets.items(context.store, dataset.id, best)
    return Hint(name, tuple(items[i].item_id for i in best), tuple(items[i].title for i in best))


def scores_of(
    engine: Engine, dataset: DatasetInfo, name: str, user_id: str, target: str, offered: Sequence[int]
) -> NDArray[np.floating]:
    """What the baseline `name` scores `offered` (item numbers) for a user; raises as above, and NotFound for
    one that was trained on purchases from after the user's target."""
    query = queries.build(engine.store, dataset, user_id, target, history=1)
    history = datasets.bought(engine.store, dataset.id, query.user, query.target_position)
    scorer, moment = _scorer(engine, dataset, name, target), query.target_timestamp
    until = _until(scorer)
    if until is not None and moment is not None and moment < until:
        raise NotFound(
            f"hint: {name} knows {knows(name, True, target, until)}, some of them from after this user's "
            "target. Choose a later user, or a recommender that counts."
        )
    return scorer.scores(history, offered, moment)


def known_to(engine: Engine, dataset: DatasetInfo, name: str, target: str) -> str:
    """What the baseline `name` knows when it scores for a user, in words, and whether a limit ended its
    training; raises as above."""
    scorer = _scorer(engine, dataset, name, target)
    told = knows(name, dataset.has_timestamps, target, _until(scorer))
    return ". ".join(filter(None, [told, limit_hit(scorer).removesuffix(".")]))


def _until(scorer: Scorer) -> int | None:
    """The moment before which a trained scorer knows purchases; None for one that counts."""
    return (training_report(scorer) or {}).get("until")


def _scorer(engine: Engine, dataset: DatasetInfo, name: str, target: str) -> Scorer:
    """The fitted baseline, kept in memory until its file changes."""
    if baseline(name).LEARNS != "once":
        columns = partial(datasets.columns, engine.store, dataset.id)
        return fitted(dataset, columns, name, target=target, settings=engine.settings).scorer
    path = place(engine.settings, dataset, name, target)
    if not path.exists():
        raise NotFound(
            f"hint: {name} has not been fitted to {dataset.name} for the {target} target. Fit it once: "
            f"dualens baseline --kind {name} --dataset {dataset.name} --target {target}"
        )
    key = ("hint", str(path), path.stat().st_mtime_ns)
    size = path.stat().st_size
    return engine.prefills.get(key, lambda: loaded(path, name), lambda _: size)
