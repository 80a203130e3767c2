"""How a frozen recommender ages while tastes change: a metric against elapsed periods.

Asked about every period after the cut: a frozen LLM with fresh, renewed (known at the start of the period),
stale (known at the cut) and no demonstrations, and two conventional recommenders, frozen at the cut and
fitted again at the start of each period; item-kNN also in real time. Everybody ranks the same candidate lists
after the same histories, and tests between them compare what knows the same. The question is RecICL's (arXiv
2410.23136): do demonstrations replace retraining?
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from db import datasets
from db.choices import COPIES, STRATEGIES
from db.datasets import DatasetColumns
from db.errors import BadInput
from db.requests import StudyRequest
from db.requests.strategy_spec import parse_spec
from engine.baselines.fitting import fitted, limit_hit
from engine.baselines.scorer import Scorer
from engine.context import Engine
from engine.evaluation.metrics import metrics, standing
from engine.evaluation.statistics import estimate, paired_tests, running, together
from engine.progress import Report
from engine.studies import controls, table_cells
from engine.studies.answers import (
    FRESH,
    RENEWED,
    STALE,
    ZERO_SHOT,
    look_up,
)
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
from engine.studies.questions import Question, Timeline, drawn, in_periods, timeline
from engine.studies.table_cells import Table, interval

METRIC = "ndcg10"
LLM = {
    f"llm_{FRESH}": "LLM, fresh demonstrations",
    f"llm_{RENEWED}": "LLM, demonstrations renewed each period",
    f"llm_{STALE}": "LLM, stale demonstrations",
    f"llm_{ZERO_SHOT}": "LLM, no demonstrations",
    **{f"llm_{name}": f"LLM, {STRATEGIES[name].label}" for name in PLACEBOS},
}
KINDS = {"sasrec": "SASRec", "itemknn": "item-kNN"}
FITS = {"frozen": "frozen", "retrained": "retrained each period"}
REAL_TIME = "itemknn_realtime"
CONVENTIONAL = {f"{kind}_{fit}": f"{KINDS[kind]}, {FITS[fit]}" for kind in KINDS for fit in FITS} | {
    REAL_TIME: "item-kNN, in real time"
}
COPIED = {name: f"{row.label}, of fresh demonstrations" for name, row in COPIES.items()}
SERIES = LLM | CONVENTIONAL | COPIED

KNOWN = (
    "What each knows: fresh demonstrations and item-kNN in real time all purchases before the target's "
    "moment; renewed demonstrations and retrained recommenders those before the target's period; stale "
    "demonstrations and frozen recommenders those before the cut. The user's own history goes up to the "
    "target for all."
)

COMPARED = (
    (f"llm_{FRESH}", f"llm_{STALE}"),
    (f"llm_{FRESH}", f"llm_{ZERO_SHOT}"),
    (f"llm_{FRESH}", REAL_TIME),
    (f"llm_{RENEWED}", "sasrec_retrained"),
    (f"llm_{RENEWED}", "itemknn_retrained"),
    (f"llm_{STALE}", "sasrec_frozen"),
    (f"llm_{STALE}", "itemknn_frozen"),
    ("sasrec_retrained", "sasrec_frozen"),
    ("itemknn_retrained", "itemknn_frozen"),
)


def run(
    engine: Engine, request: StudyRequest, report: Report, before: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Series of points per period, and paired tests over users, ready for JSON.

    `report(progress, message, partial)` and `before` as in `engine.studies.recicl`; a fit of SASRec resumes
    from its own checkpoint. Raises BadInput where the data set has no usable times, NotFound, ModelError.
    """
    plan, columns, time = planned(engine, request)
    info = engine.local(request.model)
    total = (1 + len(CONVENTIONAL)) * len(plan.questions)
    checkpoint = Checkpoint(identity(engine, request, plan, {"llm": info}), total, report, before, so_far)
    reader = reader_of(engine, request, plan, info)
    measure_row(engine, request, plan, "llm", info, reader, checkpoint)
    for name in CONVENTIONAL:
        measure_conventional(engine, request, plan, columns, time, name, checkpoint)
    count = len(plan.questions)
    values = {
        f"llm_{column}": np.array([_ndcg(checkpoint[key("llm", n)]["scores"][column]) for n in range(count)])
        for column in plan.columns
    }
    values |= {
        name: np.array([_ndcg(checkpoint[key(name, n)]["scores"][name]) for n in range(count)])
        for name in CONVENTIONAL
    }
    answers = [checkpoint[key("llm", n)] for n in range(count)]
    values |= {
        name: np.array([_ndcg(answer["copies"][name][FRESH]) for answer in answers]) for name in COPIED
    }
    return {
        **described(request, plan),
        "model": described_model(engine.store, request, info),
        "metric": METRIC,
        "questions": count,
        "users": len({question.user_id for question in plan.questions}),
        "demonstrations": {
            column: mean([checkpoint[key("llm", n)]["shown"].get(column, 0) for n in range(count)])
            for column in plan.columns
        },
        "series": [
            {"name": name, "label": SERIES[name], "points": points(request, plan.questions, values[name])}
            for name in SERIES
        ],
        "tests": compared(plan, values, request.seed),
        "controls": added(request, plan, values),
        "notes": [
            *notes(request, plan, {"llm": info}),
            KNOWN,
            *cut_short(plan, checkpoint),
            *control_notes(request, answers),
        ],
        "seconds": round(checkpoint.seconds, 1),
    }


def tables(result: dict[str, Any]) -> list[Table]:
    """Every series by period, and the paired differences."""
    metric, series = result["metric"], result["series"]
    periods = [str(point["period"]) for point in series[0]["points"]]
    label = {line["name"]: line["label"] for line in series}
    points = [[line["label"], *(interval(point) for point in line["points"])] for line in series]
    tests = [
        [label[test["better"]], label[test["than"]], table_cells.difference(test[metric])]
        for test in result["tests"]
    ]
    return [
        ([f"{metric} in period", *periods], points),
        (["paired difference of", "and", metric], tests),
        controls.table(result["controls"]),
    ]


def planned(engine: Engine, request: StudyRequest) -> tuple[Plan, DatasetColumns, Timeline]:
    """At most `users` questions of each period from the cut on. Raises NotFound and BadInput."""
    dataset = datasets.get(engine.store, request.dataset)
    columns = datasets.columns(engine.store, dataset.id)
    time = timeline(columns, request.periods)
    if time is None:
        raise BadInput(
            f"{request.dataset!r} has no usable times (fewer than {request.periods} different ones): it "
            "cannot be cut into periods, so there is no drift to study."
        )
    questions = [
        question
        for period in range(request.cut, request.periods)
        for question in drawn(
            columns,
            in_periods(columns, time, period, period),
            time,
            request.users,
            *(request.study, dataset.origin, request.seed, period),
        )
    ]
    if len(questions) < 2:
        raise BadInput(f"{request.dataset!r} has no two purchases after the cut that could be predicted.")
    starts = {period: time.start(period) for period in range(request.cut, request.periods)}
    return Plan(dataset, questions, time.start(request.cut), starts=starts), columns, time


def measure_conventional(
    engine: Engine,
    request: StudyRequest,
    plan: Plan,
    columns: DatasetColumns,
    time: Timeline,
    name: str,
    checkpoint: Checkpoint,
) -> None:
    """Every question put to a conventional recommender, period by period, into the checkpoint."""
    kind, _, fit = name.partition("_")
    for period, numbered in _by_period(plan.questions):
        until = {"retrained": time.start(period), "frozen": time.start(request.cut)}.get(fit)
        if all(key(name, number) in checkpoint for number, _ in numbered):
            continue
        label = f"{SERIES[name]}, period {period}"
        # What counts takes no time to fit, and would be kept once for each period.
        settings = engine.settings if kind == "sasrec" or until is None else None
        scorer = fitted(
            plan.dataset,
            lambda: columns,
            kind,
            request.seed,
            settings=settings,
            minutes=request.minutes,
            before=until,
            progress=lambda _, message, *_partial, label=label: checkpoint.report(f"{label}: {message}"),
        ).scorer
        for number, question in numbered:
            measure = partial(_scored, engine, request, plan, name, scorer, question)
            checkpoint.measured(key(name, number), measure, label)


def cut_short(plan: Plan, checkpoint: Checkpoint) -> list[str]:
    """Which trainings a limit ended before their early stop: their numbers are lower than they could be."""
    sentences = []
    for name in CONVENTIONAL:
        first = {period: numbered[0][0] for period, numbered in _by_period(plan.questions)}
        short = {period: checkpoint[key(name, number)]["short"] for period, number in first.items()}
        for said in dict.fromkeys(filter(None, short.values())):
            periods = ", ".join(str(period) for period in short if short[period] == said)
            sentences.append(f"{SERIES[name]}, for period {periods}: {said[0].lower()}{said[1:]}")
    return sentences


def points(
    request: StudyRequest, questions: Sequence[Question], values: NDArray[np.float64]
) -> list[dict[str, Any]]:
    """`{period, elapsed, mean, low, high, n}` of each period; `elapsed`: periods since the cut, from 1."""
    return [
        {
            "period": period,
            "elapsed": period - request.cut + 1,
            **estimate(values[[number for number, _ in numbered]], request.seed),
        }
        for period, numbered in _by_period(questions)
    ]


def by_user(plan: Plan, values: Mapping[str, NDArray[np.float64]]) -> dict[str, NDArray[np.float64]]:
    """Means per user [users]: who was asked in several periods counts once."""
    names, user = np.unique([question.user_id for question in plan.questions], return_inverse=True)
    counts = np.bincount(user, minlength=len(names))
    return {name: np.bincount(user, weights=row) / counts for name, row in values.items()}


def added(request: StudyRequest, plan: Plan, values: Mapping[str, NDArray[np.float64]]) -> dict[str, Any]:
    """What the LLM with fresh demonstrations adds to copies of them, and they to their placebos."""
    means = by_user(plan, values)
    model, label = f"llm_{FRESH}", parse_spec(request.demos).choice.label
    cells = {name: {METRIC: means[name]} for name in (model, *COPIED)}
    cells |= {name: {METRIC: means[f"llm_{name}"]} for name in PLACEBOS}
    blind = request.exclude_target_item
    found = controls.adds(cells, model, {METRIC: "NDCG@10"}, request.seed, f"fresh {label}", blind)
    assert found is not None  # there are copies in every study
    return found


def compared(plan: Plan, values: Mapping[str, NDArray[np.float64]], seed: int) -> list[dict[str, Any]]:
    """The paired differences over users (`by_user`)."""
    means = by_user(plan, values)
    rows = np.array([means[first] - means[second] for first, second in COMPARED])
    tests = together(paired_tests(rows, seed))
    return [
        {"better": first, "than": second, METRIC: test}
        for (first, second), test in zip(COMPARED, tests, strict=True)
    ]


def so_far(values: Mapping[str, Any]) -> dict[str, Any]:
    """The mean NDCG@10 of each series over the queries done, with its interval, for a page to show."""
    series: dict[str, list[float]] = {}
    for name, answer in values.items():
        row = name.split("/")[0]
        for column, listed in answer["scores"].items():
            series.setdefault(f"llm_{column}" if row == "llm" else row, []).append(_ndcg(listed))
        for copy, columns in answer.get("copies", {}).items():
            series.setdefault(copy, []).append(_ndcg(columns[FRESH]))
    return {METRIC: {name: running(cell) for name, cell in series.items()}}


def _scored(
    engine: Engine, request: StudyRequest, plan: Plan, name: str, scorer: Scorer, question: Question
) -> dict[str, Any]:
    asked = look_up(engine.store, plan.dataset, question, request, plan.dataset.interactions)
    history = [row.item for row in asked.query.history]
    # Else no moment is given: what is known is what the scorer was fitted on.
    moment = asked.query.target_timestamp if name == REAL_TIME else None
    listed = asked.plain(scorer.scores(history, asked.items, moment).tolist())
    return {"scores": {name: listed}, "short": limit_hit(scorer)}


def _by_period(questions: Sequence[Question]) -> Iterator[tuple[int, list[tuple[int, Question]]]]:
    """The questions with their numbers, period by period."""
    for period in sorted({question.period for question in questions if question.period is not None}):
        yield period, [(n, question) for n, question in enumerate(questions) if question.period == period]


def _ndcg(scores: Sequence[float]) -> float:
    return metrics(standing(scores, 0))[METRIC]
