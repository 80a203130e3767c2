"""Does tuning on in-context prompts keep a model learning from fresh demonstrations?

The table of RecICL (arXiv 2410.23136): the model before tuning, tuned on single samples and tuned on
in-context samples, each without demonstrations, with stale ones (known when the model was tuned) and with
fresh ones (known when the purchase is predicted). All nine cells share questions, queries and candidate
lists. Time is cut into periods; models are tuned on the early ones and asked about the later ones. Without
usable times, leave-one-out stands in for that, and nothing is stale.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from db import datasets
from db.choices import COPIES
from db.errors import BadInput
from db.models import ModelInfo
from db.requests import StudyRequest, TuneRequest
from db.requests.strategy_spec import parse_spec
from db.store import Store
from engine.context import Engine
from engine.evaluation.metrics import auc_parts, labelled_auc_parts, metrics, standing, uauc
from engine.evaluation.statistics import estimate, running
from engine.progress import Report
from engine.studies import controls
from engine.studies.answers import FRESH
from engine.studies.checkpoint import Checkpoint
from engine.studies.copied import PLACEBOS
from engine.studies.plan import (
    Plan,
    control_notes,
    described,
    described_model,
    identity,
    key,
    mean,
    measure_row,
    notes,
    reader_of,
)
from engine.studies.questions import drawn, in_periods, last_ones, timeline
from engine.studies.recicl_claim import (
    BASE,
    ENOUGH,
    MEASURES,
    RECICL,
    SINGLE,
    Values,
    claim,
    comparisons,
    deciding,
    departures,
    differences,
    measured,
)
from engine.studies.table_cells import Table, difference, interval
from engine.tuning.recipe import recipe
from engine.tuning.tune import tune

ROWS = {BASE: "before tuning", SINGLE: "tuned on single queries", RECICL: "tuned with demonstrations"}
"""What sentences call the rows."""

TUNED_MINUTES = 5.0
"""Of each tuning, unless the request says how many."""


def run(
    engine: Engine, request: StudyRequest, report: Report, before: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Cells, paired tests and what they say of the claim, ready for JSON.

    `report(progress, message, partial)` is called before every prompt; given the last `partial` as `before`,
    an equal study resumes from it. One model is in use at a time. Raises BadInput, NotFound, ModelError.
    """
    plan = planned(engine, request)
    names = {BASE: request.model, SINGLE: request.single, RECICL: request.recicl}
    if request.tune:
        names |= {row: tuned(engine, request, plan, row, report) for row in names if names[row] is None}
    rows = {row: engine.local(name) for row, name in names.items() if name is not None}
    checkpoint = Checkpoint(
        identity(engine, request, plan, rows), len(rows) * len(plan.questions), report, before, so_far
    )
    reader = reader_of(engine, request, plan, rows[BASE])
    for row, info in rows.items():
        measure_row(engine, request, plan, row, info, reader, checkpoint)
    answers = {row: [checkpoint[key(row, n)] for n in range(len(plan.questions))] for row in rows}
    return result(engine.store, request, plan, rows, answers, checkpoint.seconds)


def tables(result: dict[str, Any]) -> list[Table]:
    """Every cell's measures, and the paired differences."""
    measures = [name for name in MEASURES if name in result["cells"][0]]
    named = [MEASURES[name] for name in measures]
    cells = [
        [cell["row"], cell["column"], cell["demonstrations"], *(interval(cell[name]) for name in measures)]
        for cell in result["cells"]
    ]
    tests = [
        [" ".join(test["better"]), " ".join(test["than"]), *(difference(test[name]) for name in measures)]
        for test in result["tests"]
    ]
    return [
        (["model", "demonstrations", "shown", *named], cells),
        (["paired difference of", "and", *named], tests),
        controls.table(result["controls"]),
    ]


def tuned(engine: Engine, request: StudyRequest, plan: Plan, layout: str, report: Report) -> str:
    """The name of the base tuned in this layout on what was before the cut; done once."""
    minutes = TUNED_MINUTES if request.minutes is None else request.minutes
    wanted = TuneRequest(
        dataset=request.dataset,
        base=request.model,
        layout=layout,
        answers="yes_no" if request.scoring == "yes_no" else "title",
        template=request.template,
        periods=request.periods,
        until=None if plan.cut is None else request.cut,
        minutes=minutes,
        seed=request.seed,
    )
    # A name of its own: the default one may be that of a tuning somebody asked for in another way.
    wanted = replace(wanted, name=f"{wanted.usual_name}-{minutes:g}-minutes")
    # Without the tuning's own partial: what an earlier attempt measured must stay for the next one.
    tuning = tune(engine, wanted, lambda _, message, *_partial: report(None, f"tuning {layout}: {message}"))
    return tuning["model"]


def planned(engine: Engine, request: StudyRequest) -> Plan:
    """Data set, questions and cut of a request. Raises NotFound, and BadInput where nobody can be asked."""
    dataset = datasets.get(engine.store, request.dataset)
    columns = datasets.columns(engine.store, dataset.id)
    time = timeline(columns, request.periods)
    mask = last_ones(columns)
    if time is not None:
        mask = in_periods(columns, time, request.cut, request.periods)
    questions = drawn(columns, mask, time, request.users, request.study, dataset.origin, request.seed)
    if len(questions) < 2:
        raise BadInput(f"{request.dataset!r} has no two users whose purchases could be predicted.")
    return Plan(dataset, questions, None if time is None else time.start(request.cut))


def result(
    store: Store,
    request: StudyRequest,
    plan: Plan,
    rows: Mapping[str, ModelInfo],
    answers: Mapping[str, list[dict[str, Any]]],
    seconds: float,
) -> dict[str, Any]:
    """The table as JSON, from what was measured per row and question."""
    base = next(iter(rows))  # whose prompts the copies count: all rows share demonstrations
    liked = [answer["liked"] for answer in answers[base]]
    values = {
        (row, column): per_user([answer["scores"][column] for answer in row_answers], liked)
        for row, row_answers in answers.items()
        for column in plan.columns
    }
    copies = {
        (name, column): per_user([answer["copies"][name][column] for answer in answers[base]], liked)
        for name in COPIES
        for column in plan.copied
    }
    tested = differences(values, comparisons(list(rows), plan.columns), request.seed)
    tuned_by = recipe(rows[RECICL]) if RECICL in rows else {}
    departs, by = departures(request.demos, tuned_by), deciding(values, tuned_by)
    sentence, holds = claim(plan.dataset.name, values, tested, departs, by)
    return {
        **described(request, plan),
        "users": len(plan.questions),
        "rows": {row: described_model(store, request, info) for row, info in rows.items()},
        "columns": list(plan.columns),
        "cells": [
            {
                "row": row,
                "column": column,
                "n": len(plan.questions),
                "demonstrations": mean(
                    [answer["shown"].get(column, 0) for answer in answers.get(row, answers[base])]
                ),
                **{name: _estimate(cell[name], request.seed) for name in measured(values)},
            }
            for (row, column), cell in (values | copies).items()
        ],
        "tests": tested,
        "controls": added(request, list(rows), values | copies),
        "claim": sentence,
        "claim_holds": holds,
        "notes": [*notes(request, plan, rows), *control_notes(request, answers[base])],
        "seconds": round(seconds, 1),
    }


def added(request: StudyRequest, rows: list[str], values: Values) -> dict[str, Any]:
    """What each row's model with fresh demonstrations adds to copies of them, and they to their placebos."""
    label, blind = parse_spec(request.demos).choice.label, request.exclude_target_item
    found: dict[str, Any] = {"of": [], "tests": [], "said": []}
    for row in rows:
        cells = {row: values[row, FRESH]} | {name: values[name, FRESH] for name in COPIES}
        cells |= {name: values[row, name] for name in PLACEBOS}
        names = {name: MEASURES[name] for name in measured(values)}
        compared = controls.adds(cells, row, names, request.seed, f"{label}, {ROWS[row]},", blind)
        assert compared is not None  # there are copies in every study
        found["of"].append(row)
        found["tests"] += [{**test, "better": [row, FRESH]} for test in compared["tests"]]
        found["said"] += [sentence for sentence in compared["said"] if sentence not in found["said"]]
    return found


def per_user(lists: list[list[float]], liked: list[bool]) -> dict[str, NDArray[np.float64]]:
    """Each measure per user [users], from lists of scores with the target's first; means are the metrics.

    liked: what the user's rating says of the target.
    """
    both = min(sum(liked), len(liked) - sum(liked)) >= ENOUGH
    by_rating = {"rated": labelled_auc_parts([row[0] for row in lists], liked)} if both else {}
    return by_rating | {
        "auc": auc_parts([row[0] for row in lists], [row[1:] for row in lists]),
        "uauc": np.array([uauc(row, 0) for row in lists]),
        "ndcg10": np.array([metrics(standing(row, 0))["ndcg10"] for row in lists]),
    }


def _estimate(values: NDArray[np.float64], seed: int) -> dict[str, Any]:
    """With an interval inside [0, 1], where every measure lies: the parts of an AUC of few users may not."""
    plain = estimate(values, seed)
    return {**plain, "low": max(plain["low"], 0.0), "high": min(plain["high"], 1.0)}


def so_far(values: Mapping[str, Any]) -> dict[str, Any]:
    """The mean NDCG@10 of every cell over the users done, with its interval, for a page to show."""
    cells: dict[str, dict[str, list[float]]] = {}
    for name, answer in values.items():
        for column, listed in answer["scores"].items():
            cell = cells.setdefault(name.split("/")[0], {}).setdefault(column, [])
            cell.append(metrics(standing(listed, 0))["ndcg10"])
    return {
        "ndcg10": {
            row: {column: running(cell) for column, cell in columns.items()} for row, columns in cells.items()
        }
    }
