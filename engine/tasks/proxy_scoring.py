"""A small model looks through a pool for a big one: the effect of each demonstration alone, on probes.

After arXiv 2410.18779, where a small model chooses what a large one learns from; ours chooses what the large
one is shown. The small model measures, for every demonstration of a wider pool, how many nats it takes off
the user's last known purchases (never the target), each demonstration computed once
(engine/llm/scoring/per_demo_cache.py).
Boundary: a pool in, effects or the best of it out.
"""

from __future__ import annotations

from collections.abc import Sequence

from db.datasets import DatasetInfo
from db.errors import BadInput
from db.requests import RunRequest
from db.requests.strategy_spec import MOST, Spec
from engine.context import Engine
from engine.demos import selection
from engine.demos.probes import gives_away, own_probes
from engine.demos.query import PoolEntry, Query
from engine.readers import reader_for

WIDER = 4  # times as many as are wanted are looked through
PROBES = 3


def prescored(
    engine: Engine, dataset: DatasetInfo, query: Query, request: RunRequest, spec: Spec
) -> list[PoolEntry]:
    """What `selection.choose` gives for `spec`, but the best by the small model out of four times as many.

    In prompt order, the best last. What no probe could judge comes after what was judged, in the strategy's
    own order. Raises what choosing and loading raise.
    """
    tokens = None if spec.tokens is None else spec.tokens * WIDER
    wide = Spec(spec.name, min(MOST, spec.size * WIDER), tokens)
    reader = reader_for(engine, request)
    pool = selection.choose(engine.store, dataset, query, wide, request.seed, reader)[::-1]
    found = effects(engine, dataset, query, request, pool)
    best_first = [pool[i] for i in best(found)]
    if spec.tokens is not None:
        return selection.within(best_first, spec.tokens, reader.tokens)[::-1]
    return best_first[: spec.size][::-1]


def effects(
    engine: Engine, dataset: DatasetInfo, query: Query, request: RunRequest, pool: Sequence[PoolEntry]
) -> list[float | None]:
    """Mean nats that each demonstration alone takes off the probes' losses, by `request.prescore`.

    None where every probe stands in the demonstration itself, or there is no probe. The loss is that of the
    title's tokens, whatever the request's scoring.
    """
    from engine.llm.scoring.measure import Task, rank_candidates
    from engine.llm.scoring.per_demo_cache import single_losses

    if request.prescore is None:
        raise BadInput("prescore: name a registered model that is to look through the pool.")
    if not pool:
        return []
    small = engine.load(engine.registered(request.prescore))
    gains: list[list[float]] = [[] for _ in pool]
    for probe in own_probes(engine.store, dataset, query, PROBES, request.history):
        judged = [i for i, entry in enumerate(pool) if not gives_away(entry, query, probe)]
        shown = tuple(one.title for one in probe.history)
        task = Task((), shown, (probe.purchase.title,), 0, template=request.template)
        examples = [pool[i].example for i in judged]
        bare = rank_candidates(small, task, engine.prefills).loss
        assert bare is not None
        losses = single_losses(small, task, examples, engine.prefills)
        for i, loss in zip(judged, losses, strict=True):
            gains[i].append(bare - loss)
    return [sum(each) / len(each) if each else None for each in gains]


def best(found: Sequence[float | None]) -> list[int]:
    """Places by effect, the largest first, equal ones and unjudged ones in their order."""
    return sorted(range(len(found)), key=lambda i: (found[i] is None, -(found[i] or 0.0)))
