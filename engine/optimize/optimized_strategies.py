"""Strategies that are optimizations: `greedy:K` and `twostage:K`, written wherever a strategy is.

Each is a row of `db.choices.STRATEGIES` with `optimized=True` and a line in `PRESETS`; the optimizer behind
all of them is `engine.optimize.two_stage`. Boundary: a run's request in, demonstrations with weights and the
stored optimization out.
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

# Fields of an `OptimizeRequest` that differ from its defaults, which are both stages, guarded.
PRESETS: dict[str, dict[str, Any]] = {
    "greedy": {"stages": 1, "beam": 1, "guard": False, "start": False},
    "twostage": {},
}


def is_optimized(spec: Spec) -> bool:
    """Whether the optimizer chooses for this spec."""
    return spec.choice.optimized


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
    optimization = OptimizeRequest(
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
        **PRESETS[spec.name],
    )
    result = at_query(engine, optimization, dataset, query, report).result
    entries = named(engine.store, dataset, query, [chosen["id"] for chosen in result["chosen"]])
    return tuple(entries), tuple(float(chosen["weight"]) for chosen in result["chosen"]), result
