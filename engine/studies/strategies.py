"""Every way of choosing demonstrations at the same number of them, on the same users and candidate lists.

Boundary: a request in, per strategy the ranking of held-out purchases with intervals and paired tests out.
The purchase to be ranked is everybody's last (target `test`); what chooses and optimizes demonstrations knows
only what was before it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from db.canonical import digest
from db.choices import COMPARED, COPIES
from db.errors import BadInput
from db.models import ModelInfo
from db.outcomes import HELPED, HURT, MOST_USERS, SAME
from db.requests import RunRequest, StudyRequest
from db.requests.strategy_spec import Spec
from db.store import Store
from engine.context import Context, Engine
from engine.evaluation.metrics import Standing, metrics, standing
from engine.evaluation.statistics import estimate, running
from engine.progress import Clock, Report
from engine.studies import controls
from engine.studies.checkpoint import Checkpoint
from engine.studies.copied import PLACEBOS, copied
from engine.studies.pairwise_tests import AGAINST, MEASURES, NONE, best_of, claim, p_of, pairwise
from engine.studies.plan import (
    Plan,
    described,
    described_model,
    identity,
    key,
    last_purchases,
    mean,
    notes,
    run_context,
)
from engine.studies.table_cells import Table, interval
from engine.tasks.inputs import Inputs, gather, shows_target

ROW = "user"
PARTS = ("standing", "shown", "target_shown", "excluded", "seconds")
"""What is measured of each user under each name."""


def run(
    engine: Engine, request: StudyRequest, report: Report, before: dict[str, Any] | None = None
) -> dict[str, Any]:
    """The table, the paired tests and what they say of two-stage optimization, ready for JSON.

    `report(progress, message, partial)` is called before every choice; given the last `partial` as `before`,
    an equal study resumes from it. Raises BadInput, NotFound, ModelError.
    """
    plan, info = last_purchases(engine, request), engine.local(request.model)
    names = [name for name in COMPARED if request.only is None or name in request.only]
    if not plain(names):
        raise BadInput(
            f"only: {', '.join(names)} are controls. Name a strategy beside them, or leave it out."
        )
    count = len(plan.questions)
    whose = digest([identity(engine, request, plan, {ROW: info}), names])
    checkpoint = Checkpoint(whose, count, report, before, so_far)
    for number, question in enumerate(plan.questions):
        context = run_context(engine, request, plan, info, question, NONE)
        measure = partial(asked, context, names, request.k, checkpoint)
        checkpoint.measured(key(ROW, number), measure, f"user {number + 1} of {count}")
    users = [checkpoint[key(ROW, number)] for number in range(count)]
    return result(engine.store, request, plan, info, names, users, checkpoint.seconds)


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
        shown = [round(strategy["shown"], 2), f"{strategy['target_shown']:.0%}"]
        rows.append([name, *reached, *p_values, *shown, round(strategy["seconds"], 2)])
    against = [f"p (Holm) {rival}" for rival in (*AGAINST.values(), "highest")]
    head = ["strategy", *MEASURES.values(), *against, "shown", "target shown", "s choosing"]
    found: list[Table] = [(head, rows)]
    if "controls" in result:
        found.append(controls.table(result["controls"]))
    if "guard" in result:
        found.append((["guard", "users"], [list(verdict) for verdict in result["guard"].items()]))
    return found


def plain(names: Sequence[str]) -> list[str]:
    """The strategies among these names: what is no control of `engine.studies.controls`."""
    return [name for name in names if name not in (*COPIES, *PLACEBOS)]


def asked(
    context: Context[RunRequest], names: Sequence[str], k: int, checkpoint: Checkpoint
) -> dict[str, Any]:
    """One user under every strategy and control: `{standing: {name: [above, tied]}, shown, target_shown,
    excluded, seconds: {name: number}, placebos: {name: how near}, guard: verdict or None}`.

    Strategies that choose the same demonstrations with the same weights share one ranking. Copies count the
    demonstrations of the request's `control_of` that the prompt has room for.
    """
    gather(context)  # draws the candidate list, which no strategy's time is to hold
    of = context.request.control_of
    value: dict[str, Any] = {part: {} for part in (*PARTS, "placebos")} | {"guard": None}
    gathered: dict[str, Inputs] = {}
    for place, name in enumerate(names):
        checkpoint.further(place / len(names))
        clock = Clock()
        spec = Spec(of if name in COPIES else name, k)
        gathered[name] = gather(context.asking(replace(context.request, demos=str(spec))))
        value["seconds"][name] = round(clock.seconds, 4)
    asks = {name: same_ranking(inputs) for name, inputs in gathered.items() if name not in COPIES}
    different = {ask: gathered[name] for name, ask in asks.items()}
    known = dict(zip(different, ranked(list(different.values())), strict=True))
    for name, inputs in gathered.items():
        stands, kept = counted(name, inputs) if name in COPIES else known[asks[name]]
        value["standing"][name], value["shown"][name] = stands, len(kept)
        value["target_shown"][name] = any(shows_target(inputs.chosen[b], inputs.query) for b in kept)
        value["excluded"][name] = inputs.excluded
        if inputs.control:
            value["placebos"][name] = inputs.control.measures
        if inputs.optimization:
            value["guard"] = inputs.optimization["guard"]["verdict"]
    return value


def same_ranking(inputs: Inputs) -> tuple[Any, ...]:
    """What decides a ranking of one user: strategies that choose the same share one."""
    return tuple(entry.demonstration.id for entry in inputs.chosen), inputs.weights


def ranked(many: Sequence[Inputs]) -> list[tuple[list[int], tuple[int, ...]]]:
    """Of each how many candidates stand above and level with the target, and which demonstrations had room;
    all prompts are read side by side."""
    from engine.llm.scoring.memory import PrefillCache
    from engine.llm.scoring.ranking import answers, asked_of, prepare

    loaded, asked = many[0].context.loaded, []
    for inputs in many:
        question, fitted, _, _ = prepare(loaded, inputs.task())
        asked.append(asked_of(question, fitted, inputs.task()))
    found = answers(loaded, asked, PrefillCache())
    return [
        (_stands(one.scores, inputs), ask.fitted.kept)
        for one, inputs, ask in zip(found, many, asked, strict=True)
    ]


def counted(name: str, inputs: Inputs) -> tuple[list[int], tuple[int, ...]]:
    """The same of a copy of these demonstrations; no model ranks, but it says which ones had room."""
    from engine.llm.scoring.ranking import prepare

    _, fitted, _, _ = prepare(inputs.context.loaded, inputs.task())
    entries = [inputs.chosen[b] for b in fitted.kept]
    weights = [inputs.weights[b] for b in fitted.kept]
    return _stands(copied(name, entries, weights, inputs.candidates.items), inputs), fitted.kept


def _stands(scores: Sequence[float], inputs: Inputs) -> list[int]:
    stands = standing(scores, inputs.target_index)
    return [stands.above, stands.tied]


def result(
    store: Store,
    request: StudyRequest,
    plan: Plan,
    info: ModelInfo,
    names: Sequence[str],
    users: Sequence[Mapping[str, Any]],
    seconds: float,
) -> dict[str, Any]:
    """The table as JSON, from what was measured per user."""
    standings = {name: [Standing(*user["standing"][name]) for user in users] for name in names}
    values = {name: per_user(standings[name]) for name in names}
    strategies = {name: values[name] for name in plain(names)}
    best = best_of(strategies)
    tested = pairwise(strategies, best, request.seed)
    sentence, holds = claim(plan.dataset.name, strategies, best, tested)
    blind = request.exclude_target_item
    compared = controls.adds(values, request.control_of, MEASURES, request.seed, blind=blind)
    table = {
        name: {
            "label": COMPARED[name].label,
            **{measure: estimate(values[name][measure], request.seed) for measure in MEASURES},
            **p_of(name, best, tested),
            "shown": mean([user["shown"][name] for user in users]),
            "target_shown": mean([user["target_shown"][name] for user in users]),
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
        "model": described_model(store, request, info),
        "order": list(names),
        "strategies": table,
        "best": best,
        **({"turned": turned(standings)} if NONE in standings else {}),
        "tests": tested,
        **({"guard": guard} if guard else {}),
        **({"controls": compared} if compared else {}),
        "claim": sentence,
        "claim_holds": holds,
        "notes": [
            *notes(request, plan, {ROW: info}),
            corrected(len(strategies)),
            *controls.notes(names, request.control_of, [user["placebos"] for user in users]),
            *left_out(request, users),
        ],
        "seconds": round(seconds, 1),
    }


def left_out(request: StudyRequest, users: Sequence[Mapping[str, Any]]) -> list[str]:
    """How many demonstrations were left out because they show the target's item, if the request says so."""
    if not request.exclude_target_item:
        return []
    # Copies count demonstrations that a strategy chose: those are counted there.
    excluded, shown = (
        sum(count for user in users for name, count in user[part].items() if name not in COPIES)
        for part in ("excluded", "shown")
    )
    return [controls.left_out(excluded, excluded + shown)]


def corrected(strategies: int) -> str:
    """How p are corrected, as a note."""
    pairs = strategies * (strategies - 1) // 2
    return (
        f"Holm: p corrected for all {pairs} pairs of the {strategies} strategies, by measure; that also "
        "covers having picked the best on the same users. Intervals are of single differences, uncorrected."
    )


def turned(standings: Mapping[str, Sequence[Standing]]) -> dict[str, str]:
    """For each strategy a mark of `db.outcomes` per user, of the last `MOST_USERS`: what it did to the
    target's rank against no demonstrations."""

    def mark(with_: Standing, without: Standing) -> str:
        gained = without.rank - with_.rank
        return SAME if not gained else HELPED if gained > 0 else HURT

    return {
        name: "".join(map(mark, standings[name], standings[NONE]))[-MOST_USERS:]
        for name in plain(list(standings))
        if name != NONE
    }


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
