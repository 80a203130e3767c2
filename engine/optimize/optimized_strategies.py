"""Strategies that are optimizations: `greedy:K` and `twostage:K`, written wherever a strategy is.

Each is a row of `db.choices.STRATEGIES` with `optimized=True` and a line in `PRESETS`; the optimizer behind
all of them is `engine.optimize.two_stage`. Boundary: a run's request in, demonstrations with weights and the
stored optimization out.
"""

from typing import Any

from db.errors import BadInput
from db.requests import OptimizeRequest, RunRequest
from db.requests.strategy_spec import Spec
from engine.context import Context
from engine.demos.named import named
from engine.demos.query import PoolEntry
from engine.optimize.two_stage import at_query
from engine.progress import Report, quiet

# Fields of an `OptimizeRequest` that differ from its defaults, which are both stages, guarded.
PRESETS: dict[str, dict[str, Any]] = {
    "greedy": {"stages": 1, "beam": 1, "guard": False, "start": False},
    "twostage": {},
}


def is_optimized(spec: Spec) -> bool:
    """Whether the optimizer chooses for this spec."""
    return spec.choice.optimized


def optimized(
    context: Context[RunRequest], spec: Spec, report: Report = quiet
) -> tuple[tuple[PoolEntry, ...], tuple[float, ...], dict[str, Any]]:
    """Demonstrations in prompt order, their weights, and the optimization's result.

    BadInput where the request asks for what an optimization does not take.
    """
    request = context.request
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
        turns=request.turns,
        scoring=request.scoring,
        seed=request.choice_seed,
        keep=request.keep,
        size=min(spec.size, 16),
        tokens=spec.tokens,
        **PRESETS[spec.name],
    )
    result = at_query(context.asking(optimization), report).result
    ids = [demonstration["id"] for demonstration in result["chosen"]]
    entries = named(context.store, context.dataset, context.query, ids)
    weights = tuple(float(demonstration["weight"]) for demonstration in result["chosen"])
    return tuple(entries), weights, result
