"""Every way of choosing demonstrations at the same number of them, on the same users and candidate lists.

Boundary: a request in, per strategy the ranking of held-out purchases with intervals and paired tests out.
The purchase to be ranked is everybody's last (target `test`); what chooses and optimizes demonstrations knows
only what was before it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from db.canonical import digest
from db.choices import STRATEGIES
from db.models import ModelInfo
from db.requests import RunRequest, StudyRequest
from db.requests.strategy_spec import Spec
from engine.context import Context, Engine
from engine.evaluation.metrics import Standing, metrics, standing
from engine.evaluation.statistics import estimate, running
from engine.progress import Clock, Report
from engine.studies.checkpoint import Checkpoint
from engine.studies.pairwise_tests import AGAINST, MEASURES, NONE, best_of, claim, p_of, pairwise
from engine.studies.plan import (
    CACHE_BYTES,
    Plan,
    described,
    identity,
    key,
    last_purchases,
    mean,
    notes,
    run_context,
    scoring,
)
from engine.studies.table_cells import Table, interval
from engine.tasks.inputs import Inputs, gather

if TYPE_CHECKING:
    from engine.llm.scoring.memory import PrefillCache

ROW = "user"


def run(
    engine: Engine, request: StudyRequest, report: Report, before: dict[str, Any] | None = None
) -> dict[str, Any]:
    """The table, the paired tests and what they say of two-stage optimization, ready for JSON.

    `report(progress, message, partial)` is called before every choice; given the last `partial` as `before`,
    an equal study resumes from it. Raises BadInput, NotFound, ModelError.
    """
    from engine.llm.scoring.memory import PrefillCache

    plan, info = last_purchases(engine, request), engine.registered(request.model)
    names = [name for name in STRATEGIES if request.only is None or name in request.only]
    count, cache = len(plan.questions), PrefillCache(CACHE_BYTES)
    whose = digest([identity(engine, request, plan, {ROW: info}), names])
    checkpoint = Checkpoint(whose, count, report, before, so_far)
    for number, question in enumerate(plan.questions):
        context = run_context(engine, request, plan, info, question, NONE)
        measure = partial(asked, context, names, request.k, cache, checkpoint)
        checkpoint.measured(key(ROW, number), measure, f"user {number + 1} of {count}")
    users = [checkpoint[key(ROW, number)] for number in range(count)]
    return result(request, plan, info, names, users, checkpoint.seconds)


def tables(result: dict[str, Any]) -> list[Table]:
    """Every strategy with what it reached and its p against others; the verdicts of the guard."""
    rows = []
    for name in result["order"]:
        strategy = result["strategies"][name]
        p_values = [
            "" if strategy[p] is None else f"{strategy[p]:.4f} ({strategy[f'{p}_holm']:.4f})"
            for p in (*AGAINST, "p_best")
        ]
        reached = [interval(strategy[measure]) for measure in MEASURES]
        rows.append([name, *reached, *p_values, round(strategy["shown"], 2), round(strategy["seconds"], 2)])
    against = [f"p (Holm) {rival}" for rival in (*AGAINST.values(), "best")]
    compared: Table = (["strategy", *MEASURES.values(), *against, "shown", "s choosing"], rows)
    if "guard" not in result:
        return [compared]
    return [compared, (["guard", "users"], [list(verdict) for verdict in result["guard"].items()])]


def asked(
    context: Context[RunRequest], names: Sequence[str], k: int, cache: PrefillCache, checkpoint: Checkpoint
) -> dict[str, Any]:
    """One user under every strategy: `{standing: {strategy: [above, tied]}, shown, seconds: {strategy:
    number}, guard: verdict or None}`.

    Strategies that choose the same demonstrations with the same weights share one ranking.
    """
    gather(context)  # draws the candidate list, which no strategy's time is to hold
    known: dict[tuple[Any, ...], tuple[list[int], int]] = {}
    value: dict[str, Any] = {"standing": {}, "shown": {}, "seconds": {}, "guard": None}
    for place, name in enumerate(names):
        checkpoint.further(place / len(names))
        clock = Clock()
        inputs = gather(context.asking(replace(context.request, demos=str(Spec(name, k)))))
        value["seconds"][name] = round(clock.seconds, 4)
        same = (tuple(entry.demonstration.id for entry in inputs.chosen), inputs.weights)
        if same not in known:
            known[same] = ranked(inputs, cache)
        value["standing"][name], value["shown"][name] = known[same]
        if inputs.optimization:
            value["guard"] = inputs.optimization["guard"]["verdict"]
    return value


def ranked(inputs: Inputs, cache: PrefillCache) -> tuple[list[int], int]:
    """How many candidates stand above and level with the target, and how many demonstrations had room."""
    from engine.llm.scoring.ranking import rank_candidates

    ranking = rank_candidates(inputs.context.loaded, inputs.task(), cache)
    stands = standing(ranking.scores, inputs.target_index)
    return [stands.above, stands.tied], len(ranking.kept)


def result(
    request: StudyRequest,
    plan: Plan,
    info: ModelInfo,
    names: Sequence[str],
    users: Sequence[Mapping[str, Any]],
    seconds: float,
) -> dict[str, Any]:
    """The table as JSON, from what was measured per user."""
    values = {name: per_user([Standing(*user["standing"][name]) for user in users]) for name in names}
    best = best_of(values)
    tested = pairwise(values, best, request.seed)
    sentence, holds = claim(plan.dataset.name, values, best, tested)
    table = {
        name: {
            "label": STRATEGIES[name].label,
            **{measure: estimate(values[name][measure], request.seed) for measure in MEASURES},
            **p_of(name, best, tested),
            "shown": mean([user["shown"][name] for user in users]),
            "seconds": round(mean([user["seconds"][name] for user in users]), 4),
        }
        for name in names
    }
    verdicts = [user["guard"] for user in users if user["guard"] is not None]
    guard = {verdict: verdicts.count(verdict) for verdict in sorted(set(verdicts))}
    return {
        **described(request, plan),
        "k": request.k,
        "users": len(users),
        "model": {"model": info.name, "revision": info.revision, "scoring": scoring(request, info)},
        "order": list(names),
        "strategies": table,
        "best": best,
        "tests": tested,
        **({"guard": guard} if guard else {}),
        "claim": sentence,
        "claim_holds": holds,
        "notes": [*notes(request, plan, {ROW: info}), corrected(len(names))],
        "seconds": round(seconds, 1),
    }


def corrected(strategies: int) -> str:
    """How p are corrected, as a note."""
    pairs = strategies * (strategies - 1) // 2
    return (
        f"Holm: p corrected for all {pairs} pairs of the {strategies} strategies, by measure; that also "
        "covers having picked the best on the same users. Intervals are of single differences, uncorrected."
    )


def per_user(standings: Sequence[Standing]) -> dict[str, NDArray[np.float64]]:
    """Each measure per user [users], from where their targets stand."""
    return {measure: np.array([metrics(stands)[measure] for stands in standings]) for measure in MEASURES}


def so_far(values: Mapping[str, Any]) -> dict[str, Any]:
    """The mean NDCG@10 of each strategy over the users done, with its interval, for a page to show."""
    cells: dict[str, list[float]] = {}
    for user in values.values():
        for name, counts in user["standing"].items():
            cells.setdefault(name, []).append(metrics(Standing(*counts))["ndcg10"])
    return {"ndcg10": {name: running(cell) for name, cell in cells.items()}}
