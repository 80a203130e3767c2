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
from db.choices import STRATEGIES
from db.datasets import DatasetInfo, Interaction
from db.demonstrations import shows
from db.errors import BadInput
from db.models import ModelInfo
from db.requests import RunRequest
from db.requests.keep import around, read_kept
from db.requests.strategy_spec import Spec
from engine.context import Context
from engine.data.candidates import candidate_list
from engine.demos import history_selection, selection
from engine.demos.dislikes import disliked_for
from engine.demos.named import OfSet, named, of_set
from engine.demos.query import PoolEntry, Query
from engine.demos.windows import entries as entries_of
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
    control: Control | None = None  # of what the demonstrations are a placebo, if they are one
    excluded: int = 0  # demonstrations left out because they show the target's item
    of_set: OfSet | None = None  # the stored set that the demonstrations are of

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

    @property
    def choice(self) -> Choice:
        """The demonstrations, as they were chosen."""
        return Choice(self.chosen, self.weights, self.optimization, self.control, self.excluded, self.of_set)

    def task(self) -> Task:
        """The request in titles, as the language model's side takes it."""
        from engine.llm.scoring.kv_tuning import ForwardTuned
        from engine.llm.scoring.ranking import Task

        request = self.request
        return Task(
            demos=tuple(map(self.context.example, self.chosen)),
            history=self.context.history(self.query.history),
            candidates=self.titles,
            target=self.target_index,
            scoring=request.scoring,  # type: ignore[arg-type]  # validated with the request
            weights=self.weights,
            template=self.context.template,
            target_liked=self.dataset.scale.likes(self.target.rating),
            seed=request.choice_seed,
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


class Control(NamedTuple):
    """A placebo: its strategy, the one whose demonstrations it changes, and how near they came (`measured` of
    `engine.demos.strategies`)."""

    name: str
    of: str
    measures: dict[str, float]

    @property
    def said(self) -> str:
        """The same in sentences."""
        strategy = selection.strategy(self.name)
        return f"{strategy.said(self.measures)} They take the place of {STRATEGIES[self.of].label}."


class Choice(NamedTuple):
    """Demonstrations in prompt order, a weight for each, and the optimization that found them, if one did.

    `control`: where they are placebos; `excluded`: how many were left out as they show the target's item;
    `of_set`: the stored set they are of.
    """

    entries: tuple[PoolEntry, ...]
    weights: tuple[float, ...]
    optimization: dict[str, Any] | None = None
    control: Control | None = None
    excluded: int = 0
    of_set: OfSet | None = None


def chosen_for(context: Context[RunRequest]) -> Choice:
    """The request's demonstrations. Raises NotFound or BadInput.

    For several prompts there are so many times more, still in one order, the best match last. What shows the
    target's item is left out only now, where the request says so: no strategy knows the target.
    """
    choice = _chosen(context)
    if not context.request.exclude_target_item:
        return choice
    kept = [
        (entry, weight)
        for entry, weight in zip(choice.entries, choice.weights, strict=True)
        if shows_target(entry, context.query) is None
    ]
    return choice._replace(
        entries=tuple(entry for entry, _ in kept),
        weights=tuple(weight for _, weight in kept),
        excluded=len(choice.entries) - len(kept),
    )


def shows_target(entry: PoolEntry, query: Query) -> str | None:
    """Where a demonstration shows the target's item (`db.demonstrations.shows`). It reads the target: to
    report, never to choose."""
    history = [(row.item_id, row.title) for row in entry.history]
    answer, target = ((row.item_id, row.title) for row in (entry.answer, query.target))
    return shows(history, answer, target)


def _chosen(context: Context[RunRequest]) -> Choice:
    store, dataset, query, request = context.store, context.dataset, context.query, context.request
    if request.demonstrations is not None:
        entries = named(store, dataset, query, [choice.id for choice in request.demonstrations])
        return Choice(tuple(entries), tuple(choice.weight for choice in request.demonstrations))
    spec = request.spec.times(request.prompts)
    if spec.reference is not None:
        found = of_set(store, dataset, query, spec.reference)
        return Choice(tuple(entries_of(store, dataset, query, found.offers)), found.weights, of_set=found)
    if is_optimized(spec):
        return Choice(*optimized(context, spec))
    if context.proxy is not None:
        entries = prescored(context, spec)
    else:
        entries = selection.choose(
            store, dataset, query, spec, request.choice_seed, context.reader, request.control_of
        )
    if request.keep is not None:
        return _around_kept(context, spec, entries)
    weights = request.weights or (1.0,) * len(entries)
    if len(weights) != len(entries):
        raise BadInput(
            f"weights: {len(weights)} given, but {request.demos} found {len(entries)} demonstrations for "
            "this user. Give one weight for each, in prompt order."
        )
    return Choice(tuple(entries), weights, control=_control(context, spec, entries))


def _around_kept(context: Context[RunRequest], spec: Spec, entries: Sequence[PoolEntry]) -> Choice:
    """What the request keeps, each at its place with its weight, and around it the best of what was chosen
    otherwise, so many that there are as many as were asked for."""
    kept = read_kept(context.request.keep)
    stay = named(context.store, context.dataset, context.query, [one.id for one in kept])
    taken = {one.id for one in kept}
    best_first = [entry for entry in entries[::-1] if entry.demonstration.id not in taken]
    if spec.tokens is None:
        free = best_first[: spec.size - len(kept)]
    else:
        tokens = context.reader.tokens
        free = selection.within(best_first, spec.tokens - sum(map(tokens, stay)), tokens)
    pairs = around(
        [(entry, 1.0) for entry in free[::-1]],
        [(one.place, (entry, one.weight)) for one, entry in zip(kept, stay, strict=True)],
    )
    return Choice(tuple(entry for entry, _ in pairs), tuple(weight for _, weight in pairs))


def _control(context: Context[RunRequest], spec: Spec, entries: Sequence[PoolEntry]) -> Control | None:
    """How near placebos are to what they take the place of; None where these are no placebos."""
    if not spec.choice.derived:
        return None
    where, request = (context.store, context.dataset, context.query), context.request
    control = replace(spec, name=request.control_of)
    plain = selection.choose(*where, control, request.choice_seed, context.reader)
    measured = selection.strategy(spec.name).measured(plain[::-1], entries[::-1], context.reader)
    return Control(spec.name, request.control_of, measured)


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
    choice = chosen_for(context)
    parts = dealt(choice.entries, request.prompts)
    kind, size = request.candidate_kind, request.candidates
    candidates = candidate_list(store, dataset, query.user, query.target_position, kind, size, request.seed)
    items = datasets.items(store, dataset.id, candidates.items)
    titles = tuple(items[item].title for item in candidates.items)
    return Inputs(
        context=context,
        query=replace(query, history=shown_history(context, titles)),
        target_tie=datasets.user(store, dataset.id, request.user).tie,
        chosen=tuple(entry for part in parts for entry in part),
        weights=choice.weights,
        prompts=tuple(len(part) for part in parts),
        candidates=candidates,
        item_ids=tuple(items[item].item_id for item in candidates.items),
        titles=titles,
        hint=hint_for(context, candidates.items),
        disliked=disliked_for(store, dataset, query, request.edits),
        optimization=choice.optimization,
        control=choice.control,
        excluded=choice.excluded,
        of_set=choice.of_set,
    )
