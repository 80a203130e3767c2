"""Everything a run depends on, read from the store: history, demonstrations, weights, candidate list.

No model is needed for it; what is gathered here is what the run's key digests.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import TYPE_CHECKING, Any, NamedTuple

from db import datasets
from db.candidates import CandidateList
from db.datasets import DatasetInfo, Interaction
from db.errors import BadInput
from db.models import ModelInfo
from db.requests import RunRequest
from engine.context import Context
from engine.data.candidates import candidate_list
from engine.demos import history_selection, selection
from engine.demos.dislikes import disliked_for
from engine.demos.named import named
from engine.demos.query import PoolEntry, Query
from engine.optimize.optimized_strategies import is_optimized, optimized
from engine.tasks.hints import Hint, hint_for
from engine.tasks.proxy_scoring import prescored

if TYPE_CHECKING:
    from engine.llm.scoring.ranking import Task


@dataclass(frozen=True)
class Inputs:
    """What a request names, read from the store. `query`: with the history that the prompt shows."""

    context: Context[RunRequest]
    query: Query
    target_tie: bool  # the target shares its timestamp, so which item is "next" is the file's order
    chosen: tuple[PoolEntry, ...]  # in prompt order, the best match last; one prompt's after the other's
    weights: tuple[float, ...]
    prompts: tuple[int, ...]  # how many of them stand in each prompt
    candidates: CandidateList
    item_ids: tuple[str, ...]  # of the candidates, in the list's order
    titles: tuple[str, ...]
    hint: Hint | None  # what a conventional recommender says of these candidates, if asked for
    optimization: dict[str, Any] | None  # the optimizer's result, where it chose the demonstrations
    disliked: tuple[str, ...] = ()  # titles the user disliked, where an edit takes them

    @property
    def request(self) -> RunRequest:
        """The request, its scoring named."""
        return self.context.request

    @property
    def dataset(self) -> DatasetInfo:
        """The data set of the request."""
        return self.context.dataset

    @property
    def model(self) -> ModelInfo:
        """The model of the request."""
        return self.context.model

    @property
    def target(self) -> Interaction:
        """What the user bought next; nothing that chooses demonstrations reads it."""
        return self.query.target

    @property
    def target_index(self) -> int:
        """Where in the candidate list the target stands."""
        return self.candidates.items.index(self.target.item)

    def task(self) -> Task:
        """The request in titles, as the language model's side takes it."""
        from engine.llm.scoring.kv_tuning import ForwardTuned
        from engine.llm.scoring.ranking import Task

        request = self.request
        return Task(
            demos=tuple(entry.example for entry in self.chosen),
            history=tuple(purchase.title for purchase in self.query.history),
            candidates=self.titles,
            target=self.target_index,
            scoring=request.scoring,  # type: ignore[arg-type]  # validated with the request
            weights=self.weights,
            template=request.template,
            target_rating=self.target.rating,
            seed=request.seed,
            hint=self.hint.titles if self.hint else (),
            edits=(ForwardTuned(request.forward),) if request.forward else (),
        )

    def tasks(self) -> list[Task]:
        """One task for each prompt of the request."""
        whole, stops = self.task(), list(accumulate(self.prompts))
        return [
            replace(whole, demos=whole.demos[stop - size : stop], weights=self.weights[stop - size : stop])
            for stop, size in zip(stops, self.prompts, strict=True)
        ]


class Choice(NamedTuple):
    """Demonstrations in prompt order, a weight for each, and the optimization that found them, if one did."""

    entries: tuple[PoolEntry, ...]
    weights: tuple[float, ...]
    optimization: dict[str, Any] | None = None


def chosen_for(context: Context[RunRequest]) -> Choice:
    """The request's demonstrations. Raises NotFound or BadInput.

    For several prompts there are so many times more, still in one order, the best match last.
    """
    store, dataset, query, request = context.store, context.dataset, context.query, context.request
    if request.demonstrations is not None:
        entries = named(store, dataset, query, [choice.id for choice in request.demonstrations])
        return Choice(tuple(entries), tuple(choice.weight for choice in request.demonstrations))
    spec = request.spec.times(request.prompts)
    if is_optimized(spec):
        return Choice(*optimized(context, spec))
    if context.proxy is not None:
        entries = prescored(context, spec)
    else:
        entries = selection.choose(store, dataset, query, spec, request.seed, context.reader)
    weights = request.weights or (1.0,) * len(entries)
    if len(weights) != len(entries):
        raise BadInput(
            f"weights: {len(weights)} given, but {request.demos} found {len(entries)} demonstrations for "
            "this user. Give one weight for each, in prompt order."
        )
    return Choice(tuple(entries), weights)


def shown_history(context: Context[RunRequest], candidates: Sequence[str]) -> list[Interaction]:
    """The purchases that the request puts into the prompt; `candidates`: the titles to be ranked."""
    query, request = context.query, context.request
    if request.history_by == "recent":
        return query.history
    known = datasets.history(context.store, context.dataset.id, query.user)[: query.target_position]
    way, embed = request.history_by, context.reader.embed
    return history_selection.select(known, request.history, way, candidates, embed)


def dealt(chosen: Sequence[PoolEntry], prompts: int) -> list[tuple[PoolEntry, ...]]:
    """Demonstrations in prompt order dealt to several prompts, the best ones round by round, order kept."""
    best_first = chosen[::-1]
    return [tuple(best_first[start::prompts][::-1]) for start in range(prompts)]


def gather(context: Context[RunRequest]) -> Inputs:
    """Read everything the run depends on. Raises NotFound or BadInput saying which part is wrong."""
    store, dataset, query, request = context.store, context.dataset, context.query, context.request
    chosen, weights, optimization = chosen_for(context)
    parts = dealt(chosen, request.prompts)
    kind, size = request.candidate_kind, request.candidates
    candidates = candidate_list(store, dataset, query.user, query.target_position, kind, size, request.seed)
    items = datasets.items(store, dataset.id, candidates.items)
    titles = tuple(items[item].title for item in candidates.items)
    return Inputs(
        context=context,
        query=replace(query, history=shown_history(context, titles)),
        target_tie=datasets.user(store, dataset.id, request.user).tie,
        chosen=tuple(entry for part in parts for entry in part),
        weights=weights,
        prompts=tuple(len(part) for part in parts),
        candidates=candidates,
        item_ids=tuple(items[item].item_id for item in candidates.items),
        titles=titles,
        hint=hint_for(context, candidates.items),
        disliked=disliked_for(store, dataset, query, request.edits),
        optimization=optimization,
    )
