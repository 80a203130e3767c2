"""Whether effects say what demonstrations do: every score against every ground truth, over many users.

Boundary: a request in, correlations with intervals out, for both measures from the same passes. The target is
the item really bought next; the demonstrations are chosen without it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from db.choices import EFFECT_MODES, MEASURES
from db.errors import BadInput
from db.models import ModelInfo
from db.requests import RunRequest, StudyRequest
from db.requests.strategy_spec import parse_spec
from db.store import Store
from engine.context import Context, Engine
from engine.evaluation.statistics import estimate, running
from engine.progress import Report
from engine.studies.checkpoint import Checkpoint
from engine.studies.plan import (
    Plan,
    described,
    described_model,
    identity,
    key,
    last_purchases,
    notes,
    run_context,
)
from engine.studies.rank_agreement import (
    DROPPED,
    KINDS,
    agreements,
    bars,
    claim,
    drops,
    estimators,
    explained,
    summary,
)
from engine.studies.scores import DROPS, SCORES, TRUTHS, scored
from engine.studies.table_cells import Table, interval
from engine.tasks.inputs import gather

ROW = "user"
PRINTED = ("spearman", "pearson", "top1", "pairs")
MAIN = "margin"  # the measure at the top of the result; what the other one says is in `by_measure`


def run(
    engine: Engine, request: StudyRequest, report: Report, before: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Every score's agreement with every truth, estimators and bars, in both measures, ready for JSON.

    `report(progress, message, partial)` is called before every user; given the last `partial` as `before`, an
    equal study resumes from it. Raises BadInput, NotFound, ModelError.
    """
    k = players(request)
    plan, info = last_purchases(engine, request), engine.local(request.model)
    count = len(plan.questions)
    checkpoint = Checkpoint(identity(engine, request, plan, {ROW: info}), count, report, before, so_far)
    for number, question in enumerate(plan.questions):
        context = run_context(engine, request, plan, info, question, request.demos)
        measure = partial(measured, context, k)
        checkpoint.measured(key(ROW, number), measure, f"user {number + 1} of {count}")
    answers = [checkpoint[key(ROW, number)] for number in range(count)]
    return result(engine.store, request, plan, info, k, answers, checkpoint.seconds)


def tables(result: dict[str, Any]) -> list[Table]:
    """For each measure every score's agreement with every truth, the real drop, the estimators, the bars."""
    return [
        table
        for measure, found in ((result["measure"], result), *result["by_measure"].items())
        for table in _tables(measure, found)
    ]


def _tables(measure: str, result: dict[str, Any]) -> list[Table]:
    truths = result["truth_order"]
    labels = [result["truths"][truth]["label"] for truth in truths]
    agreement: list[Table] = [
        (
            [f"{measure}: {kind} with", *labels],
            [
                [score["label"], *(_agreement(score.get(truth), kind) for truth in truths)]
                for score in (result["scores"][name] for name in result["order"])
            ],
        )
        for kind in PRINTED
    ]
    dropped: list[Table] = [
        (
            [f"{measure}: effects against {SCORES[truth].label}", *DROPPED.values()],
            [
                [
                    f"{mode} ({EFFECT_MODES[mode].label})",
                    *(_agreement(row[truth], kind) for kind in DROPPED),
                ]
                for mode, row in result["drops"].items()
                if truth in row
            ],
        )
        for truth in DROPS
    ]
    estimated = [
        [name, round(row["passes"]["mean"], 1), row["passes"]["max"]]
        + [f"{row['error'][part]:.1%}" for part in ("median", "p95")]
        + [interval(row["covered"]) if row["covered"] else ""]
        for name, row in result["estimators"].items()
    ]
    columns = [
        f"{measure}: estimator",
        "passes",
        "at most",
        "largest error, median",
        "95 %",
        "intervals hold",
    ]
    barred = [
        [row["verdict"], row["what"], interval(row["found"]), f"{row['bar']:g}"] for row in result["bars"]
    ]
    return [
        *agreement,
        *dropped,
        (columns, estimated),
        ([f"{measure}: verdict", "what is to hold", "found", "bar"], barred),
    ]


def _agreement(summary: dict[str, Any] | None, kind: str) -> str:
    return interval(summary[kind]) if summary and summary[kind] else ""


def players(request: StudyRequest) -> int:
    """How many demonstrations are scored. Raises BadInput where exact values cannot be had of so many."""
    from engine.lrgd.shapley import EXACT_LIMIT

    spec = parse_spec(request.demos)
    if spec.tokens is not None or not 2 <= spec.size <= EXACT_LIMIT:
        raise BadInput(
            f"demos is {request.demos!r}: faithfulness compares with exact Shapley values, so write "
            f"{spec.name}:K with K from 2 to {EXACT_LIMIT}."
        )
    return spec.size


def measured(context: Context[RunRequest], k: int) -> dict[str, Any]:
    """The scores of one user's demonstrations (`engine.studies.scores.scored`)."""
    return scored(context.loaded, gather(context), k)


def result(
    store: Store,
    request: StudyRequest,
    plan: Plan,
    info: ModelInfo,
    k: int,
    answers: list[dict[str, Any]],
    seconds: float,
) -> dict[str, Any]:
    """The tables as JSON, from what was measured per user. Raises BadInput where fewer than two were."""
    users = [answer for answer in answers if "short" not in answer]
    if len(users) < 2:
        raise BadInput(
            f"Of {len(answers)} users of {plan.dataset.name!r} fewer than two have {k} demonstrations by "
            f"{request.demos} that fit the prompt. Ask for fewer, or for more users."
        )
    seed, short = request.seed, len(answers) - len(users)
    by_measure = {
        measure: measured_in(measure, [user[measure] for user in users], plan.dataset.name, k, seed)
        for measure in MEASURES
    }
    sentences = notes(request, plan, {ROW: info}) + by_measure[MAIN]["explained"]
    if short:
        sentences.append(f"{short} of {len(answers)} users were left out: fewer than {k} demonstrations.")
    return {
        **described(request, plan),
        "k": k,
        "users": len(answers),
        "measured": len(users),
        "short": short,
        "model": described_model(store, request, info),
        "measure": MAIN,
        **by_measure.pop(MAIN),
        "by_measure": by_measure,
        "notes": sentences,
        "seconds": round(seconds, 1),
    }


def measured_in(measure: str, users: list[dict[str, Any]], dataset: str, k: int, seed: int) -> dict[str, Any]:
    """Everything the study says in one measure."""
    order = [name for name in SCORES if name in users[0]["values"]]
    rows = bars(users, k, seed)
    return {
        "gain": estimate([user["gain"] for user in users], seed),
        "gain_reprompt": estimate([user["gain_reprompt"] for user in users], seed),
        "truth_order": list(TRUTHS),
        "truths": {
            truth: {
                "label": SCORES[truth].label,
                "constant": len(users) - len(agreements(users, truth, truth)),
            }
            for truth in TRUTHS
        },
        "order": order,
        "measures": list(KINDS),
        "scores": {
            name: {
                "label": SCORES[name].label,
                "kind": SCORES[name].kind,
                **{truth: summary(agreements(users, name, truth), seed) for truth in TRUTHS if truth != name},
            }
            for name in order
        },
        "drops": drops(users, seed),
        "estimators": estimators(users, seed),
        "bars": rows,
        "explained": explained(rows),
        "claim": claim(dataset, measure, k, rows),
    }


def so_far(values: Mapping[str, Any]) -> dict[str, Any]:
    """Each score's mean rank correlation with exact Shapley values so far, with its interval and label."""
    users = [answer[MAIN] for answer in values.values() if "short" not in answer]
    names = [name for name in (users[0]["values"] if users else ()) if name != "exact"]
    ranks = {name: [user["spearman"] for user in agreements(users, name, "exact")] for name in names}
    return {
        "spearman": {
            name: {**running(cell, least=-1.0), "label": SCORES[name].label}  # type: ignore[arg-type]
            for name, cell in ranks.items()
            if cell
        }
    }
