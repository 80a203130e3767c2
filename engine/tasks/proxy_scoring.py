"""A small model looks through a pool for a big one: the effect of each demonstration alone, on probes.

After arXiv 2410.18779, where a small model chooses what a large one learns from; ours chooses what the large
one is shown. The small model measures, for every demonstration of a wider pool, how many nats it takes off
the user's last known purchases (never the target), each demonstration computed once
(engine/llm/scoring/per_demo_cache.py).
Boundary: a pool in, effects or the best of it out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from db.errors import BadInput
from db.requests import RunRequest
from db.requests.strategy_spec import MOST, Spec
from engine.context import Context
from engine.demos import selection
from engine.demos.probes import gives_away, own_probes
from engine.demos.query import PoolEntry

WIDER = 4  # times as many as are wanted are looked through
PROBES = 3


def prescored(context: Context[RunRequest], spec: Spec) -> list[PoolEntry]:
    """What `selection.choose` gives for `spec`, but the best by the small model out of four times as many.

    In prompt order, the best last. What no probe could judge comes after what was judged, in the strategy's
    own order. Raises what choosing and loading raise.
    """
    tokens = None if spec.tokens is None else spec.tokens * WIDER
    wide = Spec(spec.name, min(MOST, spec.size * WIDER), tokens)
    reader, seed = context.reader, context.request.choice_seed
    pool = selection.choose(context.store, context.dataset, context.query, wide, seed, reader)[::-1]
    best_first = [pool[place] for place in best(effects(context, pool))]
    if spec.tokens is not None:
        return selection.within(best_first, spec.tokens, reader.tokens)[::-1]
    return best_first[: spec.size][::-1]


def effects(context: Context[RunRequest], pool: Sequence[PoolEntry]) -> list[float | None]:
    """Mean nats that each demonstration alone takes off the probes' losses, by the context's proxy model.

    None where every probe stands in the demonstration itself, or there is no probe. The loss is that of the
    title's tokens, whatever the request's scoring.
    """
    from engine.llm.scoring.per_demo_cache import single_losses
    from engine.llm.scoring.ranking import Task, rank_candidates

    if context.proxy is None:
        raise BadInput("prescore: name a registered model that is to look through the pool.")
    if not pool:
        return []
    query, request, cache = context.query, context.request, context.engine.prefills
    small, context = context.engine.load(context.proxy), context.writing("sum")
    template = context.template
    if not small.encoder.converses:  # the model that ranks may have turns where the small one has none
        template = replace(template, turns=False)
    gains: list[list[float]] = [[] for _ in pool]
    for probe in own_probes(context.store, context.dataset, query, PROBES, request.history):
        judged = [i for i, entry in enumerate(pool) if not gives_away(entry, query, probe)]
        history = context.history(probe.history)
        task = Task((), history, (probe.purchase.title,), 0, template=template)
        zero_shot = rank_candidates(small, task, cache).loss
        assert zero_shot is not None
        losses = single_losses(small, task, [context.example(pool[i]) for i in judged], cache)
        for i, loss in zip(judged, losses, strict=True):
            gains[i].append(zero_shot - loss)
    return [sum(gained) / len(gained) if gained else None for gained in gains]


def best(values: Sequence[float | None]) -> list[int]:
    """Places by effect, the largest first, equal ones and unjudged ones in their order."""
    return sorted(range(len(values)), key=lambda place: (values[place] is None, -(values[place] or 0.0)))
