"""Strategies that are optimizations: `greedy:K` and `twostage:K`, written wherever a strategy is.

Boundary: a run's request in, demonstrations with weights and the stored optimization out.
"""

from collections.abc import Callable
from typing import Any

from db.datasets import DatasetInfo
from db.errors import BadInput
from db.requests import OptimizeRequest, RunRequest
from db.requests.strategy_spec import Spec
from engine.context import Engine
from engine.demos.named import named
from engine.demos.query import PoolEntry, Query
from engine.optimize.two_stage import at_query

# What each asks of the optimizer: greedy by effect, from nothing, as it comes out; or both stages, guarded.
SPECS: dict[str, dict[str, Any]] = {
    "greedy": {"stages": 1, "beam": 1, "guard": False, "start": False},
    "twostage": {},
}


def is_optimized(spec: Spec) -> bool:
    """Whether the optimizer chooses for this spec."""
    return spec.name in SPECS


def optimized(
    engine: Engine,
    dataset: DatasetInfo,
    query: Query,
    request: RunRequest,
    spec: Spec,
    report: Callable[..., None] = lambda *said: None,
) -> tuple[tuple[PoolEntry, ...], tuple[float, ...], dict[str, Any]]:
    """Demonstrations in prompt order, their weights, and the optimization's result.

    BadInput where the request asks for what an optimization does not take.
    """
    if request.prompts > 1 or request.weights is not None or request.prescore is not None:
        raise BadInput(
            f"demos is {str(spec)!r}, which chooses one prompt's demonstrations and their weights itself: "
            "leave out prompts, weights and prescore."
        )
    asked = OptimizeRequest(
        dataset=request.dataset,
        user=request.user,
        model=request.model,
        target=request.target,
        history=request.history,
        template=request.template,
        scoring=request.scoring,
        seed=request.seed,
        size=min(spec.size, 16),
        tokens=spec.tokens,
        **SPECS[spec.name],
    )
    found = at_query(engine, asked, dataset, query, report).result
    entries = named(engine.store, dataset, query, [each["id"] for each in found["chosen"]])
    return tuple(entries), tuple(float(each["weight"]) for each in found["chosen"]), found
