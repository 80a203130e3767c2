"""The pool in the order of what each demonstration would do to the target, added to a request's prompt.

To explain and to try out: this order has seen the target. No strategy reads it.
Boundary: a request and ids of demonstrations in, stored JSON out; the passes are
engine/llm/explain/predicted_effects.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from db import optimizations
from db.canonical import digest
from db.choices import MEASURES
from db.errors import BadInput
from db.optimizations import Optimization
from db.requests import RunRequest
from engine.context import Context, Engine, resolve
from engine.demos.named import named
from engine.demos.query import PoolEntry
from engine.progress import Clock, Report, counted, counting, part, quiet
from engine.tasks.inputs import gather
from engine.tasks.rank import rank_in

if TYPE_CHECKING:
    from db.runs import Run

MOST = 64  # of a pool, the most similar ones
RANKED = 0.1  # the share of the work that ranking takes where the run is not stored yet


def predicted(
    engine: Engine,
    request: RunRequest,
    ids: Sequence[str],
    measure: str = "margin",
    report: Report = quiet,
) -> dict[str, Any]:
    """What adding each of these demonstrations, last and alone, does to the target of the request's prompt.

    `{run, measure, value, effects, added_to, seconds}`: value, the measure without any of them; effects,
    `{id: effect}` of the `MOST` most similar that are not in the prompt, above 0 where it helps, None where
    the context has no room; added_to, how many are in the prompt. Served from the store where the same was
    asked before. Raises what `rank` raises, and BadInput where the request's list is not that of one plain
    prompt of a model that is here.
    """
    if measure not in MEASURES:
        raise BadInput(f"There is no measure {measure!r}. Choose one of {', '.join(MEASURES)}.")
    _check(request)
    engine.local(request.model)
    context = resolve(engine, request)
    run = rank_in(context, part(report, 0.0, RANKED))
    shown = {row["id"] for row in run.result["demonstrations"]}
    pool = most_similar(named(engine.store, context.dataset, context.query, ids), MOST, shown)
    names = [entry.demonstration.id for entry in pool]
    key = digest({"predicted": names, "run": run.key, "measure": measure})
    stored = optimizations.find(engine.store, key)
    if stored is None:
        result = _measured(context, run, pool, measure, part(report, RANKED, 1.0))
        made = Optimization(key, context.dataset.id, context.query.user_id, context.model.name, result)
        stored = optimizations.save(engine.store, made)
    return stored.result


def _check(request: RunRequest) -> None:
    for name, asked in (
        ("prompts", request.prompts > 1),
        ("perturb", request.perturb),
        ("forward", request.forward),
    ):
        if asked:
            raise BadInput(f"{name}: effects of a pool are those of one plain prompt. Leave {name} out.")


def most_similar(
    pool: Sequence[PoolEntry], most: int, without: set[str] | frozenset[str] = frozenset()
) -> list[PoolEntry]:
    """The first of the pool in its own order, by similarity, without these ids."""
    others = [entry for entry in pool if entry.demonstration.id not in without]
    return sorted(others, key=lambda entry: -entry.similarity)[:most]


def _measured(
    context: Context[RunRequest], run: Run, pool: Sequence[PoolEntry], measure: str, report: Report
) -> dict[str, Any]:
    from engine.llm.explain.predicted_effects import added

    clock = Clock()
    inputs = gather(context)
    report(None, f"loading {context.model.name}")
    loaded = context.loaded
    with counting(report, f"adding each of {counted(len(pool), 'demonstration')}"):
        examples = [context.example(entry) for entry in pool]
        found = added(loaded, inputs.task(), examples, measure, context.engine.prefills)  # type: ignore[arg-type]  # checked above
    return {
        "run": run.key,
        "measure": measure,
        "value": found.value,
        "effects": {
            entry.demonstration.id: effect for entry, effect in zip(pool, found.effects, strict=True)
        },
        "added_to": len(inputs.chosen),
        "seconds": round(clock.seconds, 3),
    }
