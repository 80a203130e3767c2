"""Everything a run depends on, read from the store: history, demonstrations, weights, candidate list.

No model is needed for it; what is gathered here is what the run's key digests.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from db import datasets
from db.candidates import CandidateList
from db.datasets import DatasetInfo, Interaction
from db.errors import BadInput
from db.models import ModelInfo
from db.requests import RunRequest
from db.store import Store
from engine.context import Engine
from engine.data.candidates import candidate_list
from engine.demos import history_selection, selection
from engine.demos import query as queries
from engine.demos.dislikes import disliked_for
from engine.demos.named import named
from engine.demos.query import PoolEntry, Query
from engine.optimize.optimized_strategies import is_optimized, optimized
from engine.readers import reader_for
from engine.tasks.hints import Hint, hint_for
from engine.tasks.proxy_scoring import prescored


@dataclass(frozen=True)
class Inputs:
    """What a request names, looked up."""

    request: RunRequest
    dataset: DatasetInfo
    model: ModelInfo
    query: Query
    target_tie: bool  # the target shares its timestamp, so which item is "next" is the file's order
    chosen: tuple[PoolEntry, ...]  # in prompt order, the best match last; one prompt's after the other's
    weights: tuple[float, ...]
    prompts: tuple[int, ...]  # how many of them stand in each prompt
    candidates: CandidateList
    item_ids: tuple[str, ...]  # of the candidates, in the list's order
    titles: tuple[str, ...]
    hint: Hint | None  # what a conventional recommender says of these candidates, if asked for
    optimization: dict[str, Any] | None  # what the optimizer tells of its choice, where one chose
    disliked: tuple[str, ...] = ()  # titles that negatives take off, if asked for

    @property
    def target(self) -> Interaction:
        """What the user bought next; nothing that chooses demonstrations reads it."""
        return self.query.target

    @property
    def target_index(self) -> int:
        """Where in the candidate list the target stands."""
        return self.candidates.items.index(self.target.item)


def query_of(store: Store, request: RunRequest) -> tuple[DatasetInfo, Query]:
    """Data set and query of a request. Raises NotFound or BadInput."""
    dataset = datasets.get(store, request.dataset)
    return dataset, queries.build(store, dataset, request.user, request.target, request.history)


class Choice(NamedTuple):
    """Demonstrations in prompt order, a weight for each, and the optimization that found them, if one did."""

    entries: tuple[PoolEntry, ...]
    weights: tuple[float, ...]
    optimization: dict[str, Any] | None = None


def chosen_for(engine: Engine, dataset: DatasetInfo, query: Query, request: RunRequest) -> Choice:
    """The request's demonstrations. Raises NotFound or BadInput.

    For several prompts there are so many times more, still in one order, the best match last.
    """
    store = engine.store
    if request.demonstrations is not None:
        chosen = named(store, dataset, query, [choice.id for choice in request.demonstrations])
        return Choice(tuple(chosen), tuple(choice.weight for choice in request.demonstrations))
    spec = request.spec.times(request.prompts)
    if is_optimized(spec):
        return Choice(*optimized(engine, dataset, query, request, spec))
    if request.prescore is not None:
        chosen = prescored(engine, dataset, query, request, spec)
    else:
        chosen = selection.choose(store, dataset, query, spec, request.seed, reader_for(engine, request))
    weights = request.weights or (1.0,) * len(chosen)
    if len(weights) != len(chosen):
        raise BadInput(
            f"weights: {len(weights)} given, but {request.demos} found {len(chosen)} demonstrations for this "
            "user. Give one weight for each, in prompt order."
        )
    return Choice(tuple(chosen), weights)


def shown_history(
    engine: Engine, dataset: DatasetInfo, query: Query, request: RunRequest, candidates: Sequence[str]
) -> list[Interaction]:
    """The purchases that the request puts into the prompt; `candidates`: the titles to be ranked."""
    if request.history_by == "recent":
        return query.history
    known = datasets.history(engine.store, dataset.id, query.user)[: query.target_position]
    embed = reader_for(engine, request).embed
    return history_selection.select(known, request.history, request.history_by, candidates, embed)


def dealt(chosen: Sequence[PoolEntry], prompts: int) -> list[tuple[PoolEntry, ...]]:
    """Demonstrations in prompt order dealt to several prompts, the best ones round by round, order kept."""
    best_first = chosen[::-1]
    return [tuple(best_first[start::prompts][::-1]) for start in range(prompts)]


def gather(engine: Engine, request: RunRequest) -> Inputs:
    """Read what a request names. Raises NotFound or BadInput saying which part is wrong."""
    store, request = engine.store, engine.resolved(request)
    dataset, query = query_of(store, request)
    chosen, weights, optimization = chosen_for(engine, dataset, query, request)
    parts = dealt(chosen, request.prompts)
    candidates = candidate_list(
        store,
        dataset,
        query.user,
        query.target_position,
        request.candidate_kind,
        request.candidates,
        request.seed,
    )
    items = datasets.items(store, dataset.id, candidates.items)
    titles = tuple(items[item].title for item in candidates.items)
    return Inputs(
        request=request,
        dataset=dataset,
        model=engine.registered(request.model),
        query=replace(query, history=shown_history(engine, dataset, query, request, titles)),
        target_tie=datasets.user(store, dataset.id, request.user).tie,
        chosen=tuple(entry for part in parts for entry in part),
        weights=weights,
        prompts=tuple(len(part) for part in parts),
        candidates=candidates,
        item_ids=tuple(items[item].item_id for item in candidates.items),
        titles=titles,
        hint=None
        if request.hint is None
        else hint_for(engine, dataset, request.hint, request.user, request.target, candidates.items),
        disliked=disliked_for(store, dataset, query, request.edits),
        optimization=optimization,
    )
