"""Rating prediction: what a model expects the next item to be rated, from the probabilities of ratings.

The prompt shows histories with their ratings (the section [rating] of a template) and asks about the target.
The answer is no text: every rating of the data set is scored as an answer, and the expectation over them is
the prediction (LLMRec, arXiv 2308.12241). The target's rating is read to report, never to predict.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from db import datasets
from db.datasets import DatasetColumns
from db.errors import BadInput
from db.requests import RunOptions, RunRequest
from engine.context import Context, Engine, resolve
from engine.demos.query import Query
from engine.evaluation.statistics import estimate, paired_tests, together
from engine.evaluation.users import drawn_users
from engine.llm.scoring.gates import log_gate
from engine.llm.scoring.log_probs import Row, suffix_logprobs
from engine.llm.scoring.ranking import Task, demo_head, kept_weights
from engine.prompts import Fitted, fit
from engine.tasks import results
from engine.tasks.inputs import Inputs, gather

MOST_RATINGS = 21  # different ratings of a data set: 0 to 5 in steps of a quarter
CONTROLS = ("user_mean", "item_mean", "overall_mean")


def rate(engine: Engine, request: RunRequest) -> dict[str, Any]:
    """The predicted rating of the request's target, with demonstrations and without, as JSON.

    `expected`: in the data set's own ratings; `probabilities`: of each rating; `controls`: means of ratings
    known before, of the user, of the item and of all (None where there are none). The request's scoring plays
    no part; its weights act as in ranking. Raises BadInput, NotFound, ModelError, OutOfMemory.
    """
    context = resolve(engine, request)
    columns = datasets.columns(context.store, context.dataset.id)
    values = ratings_of(columns, context.dataset.name)
    return _rated(context, columns, values)


def ratings_of(columns: DatasetColumns, name: str) -> list[float]:
    """The different ratings of a data set, ascending. Raises BadInput where none could be asked for."""
    known = np.array([]) if columns.rating is None else columns.rating[~np.isnan(columns.rating)]
    values = sorted({float(f"{value:g}") for value in np.unique(known)})  # as the prompt writes them
    if len(values) < 2:
        known = f"every rating is {values[0]:g}" if values else "it has none"
        raise BadInput(f"{name!r} has no ratings to predict: {known}.")
    if len(values) > MOST_RATINGS:
        raise BadInput(
            f"{name!r} has {len(values):,} different ratings; at most {MOST_RATINGS} can be asked for. "
            "Import it with ratings rounded to a scale."
        )
    return values


def _rated(context: Context[RunRequest], columns: DatasetColumns, values: Sequence[float]) -> dict[str, Any]:
    context = context.writing("rating")
    request, query = context.request, context.query
    if request.prompts > 1 or request.perturb is not None:
        raise BadInput("A rating is predicted after one prompt without edits: leave out prompts and perturb.")
    if query.target.rating is None:
        raise BadInput(f"The target of user {query.user_id!r} has no rating to compare with.")
    inputs = gather(context)
    rated = [n for n, entry in enumerate(inputs.chosen) if entry.answer.rating is not None]
    inputs = replace(
        inputs,
        chosen=tuple(inputs.chosen[n] for n in rated),
        weights=tuple(inputs.weights[n] for n in rated),
        prompts=(len(rated),),
    )
    task = inputs.task()
    fitted, probabilities = _asked(context, inputs, task, values)
    zero, bare = (fitted, probabilities)
    if fitted.kept:
        zero, bare = _asked(context, inputs, replace(task, demos=(), weights=None), values)
    actual = query.target.rating
    return {
        "actual": actual,
        **_prediction(probabilities, values, actual),
        "zero_shot": _prediction(bare, values, actual),
        "controls": controls(columns, query),
        "demonstrations": [
            results.demonstration(entry, weight, context)
            for entry, weight in zip(inputs.chosen, inputs.weights, strict=True)
        ],
        "target": results.interaction(query.target),
        "prompt": {
            "tokens": len(fitted.encoded),
            "dropped": [each.as_dict() for each in fitted.dropped],
            "dropped_zero_shot": [each.as_dict() for each in zero.dropped],
        },
        "model": results.model(context.loaded),
    }


def _asked(
    context: Context[RunRequest], inputs: Inputs, task: Task, values: Sequence[float]
) -> tuple[Fitted, list[float]]:
    """The prompt, and the probability of each rating as its answer, among the ratings there are."""
    loaded, form = context.loaded, context.form
    asked = loaded.encoder.joined(form.ask([inputs.target.title]))
    answers = loaded.encoder.answers([form.rating_answer(value) for value in values])
    room = loaded.context_length - len(asked) - max(map(len, answers))
    fitted = fit(loaded.encoder, task.template, "rating", task.demos, task.history, room, task.hint)
    head = demo_head(loaded, fitted, context.engine.prefills, task.edits)
    query = (*fitted.encoded.ids[len(head) :], *asked)
    weights = kept_weights(task, fitted)
    gate = None
    if any(weight != 1 for weight in weights):
        gate = log_gate(torch.tensor(weights, dtype=torch.float64, device=loaded.device))[None]
    with torch.no_grad():
        rows = [Row((*query, *answer), len(answer)) for answer in answers]
        found = suffix_logprobs(loaded, head.head(), rows, gate)
    return fitted, torch.softmax(found.double(), dim=0).tolist()


def _prediction(probabilities: Sequence[float], values: Sequence[float], actual: float) -> dict[str, Any]:
    expected = float(np.dot(probabilities, values))
    return {
        "expected": expected,
        "error": expected - actual,
        "probabilities": [{"rating": v, "p": p} for v, p in zip(values, probabilities, strict=True)],
    }


def controls(columns: DatasetColumns, query: Query) -> dict[str, float | None]:
    """Mean ratings known when the target is predicted: the user's own, the target item's, and of all."""
    assert columns.rating is not None
    known = ~np.isnan(columns.rating) & _known(columns, query)
    masks = (columns.user == query.user, columns.item == query.target.item, np.True_)
    return {name: _mean(columns.rating[known & mask]) for name, mask in zip(CONTROLS, masks, strict=True)}


def _known(columns: DatasetColumns, query: Query) -> NDArray[np.bool_]:
    """Interactions before the target; without times, all but every user's held-out ones."""
    if columns.timestamp is not None and query.target_timestamp is not None:
        before = columns.timestamp < query.target_timestamp
    else:
        last = np.append(columns.user[1:] != columns.user[:-1], True)
        ends = np.flatnonzero(last)[np.cumsum(last) - last]
        before = ends - np.arange(len(columns.user)) >= query.held_out
    own = np.flatnonzero(columns.user == query.user)
    before[own] = np.arange(len(own)) < query.target_position
    return before


def _mean(values: NDArray[np.floating]) -> float | None:
    return float(values.mean()) if len(values) else None


def rate_users(
    engine: Engine, dataset: str, model: str, options: RunOptions, users: int, report: Callable[[str], None]
) -> dict[str, Any]:
    """MAE and RMSE over users of a data set, drawn from the options' seed, of the model with demonstrations
    and without, and of the controls on the same users; paired tests of absolute errors against the model's.

    Users whose target has no rating are left out. Raises BadInput where none is left.
    """
    columns = datasets.columns(engine.store, datasets.get(engine.store, dataset).id)
    values = ratings_of(columns, dataset)
    errors: dict[str, list[float]] = {name: [] for name in ("model", "zero_shot", *CONTROLS)}
    for user in drawn_users(columns, users, options.seed, options.target):
        context = resolve(engine, options.run(dataset, user, model))
        if context.query.target.rating is None:
            continue
        report(f"Rating for user {user}")
        done = _rated(context, columns, values)
        errors["model"].append(done["error"])
        errors["zero_shot"].append(done["zero_shot"]["error"])
        overall = done["controls"]["overall_mean"]
        for name in CONTROLS:
            known = done["controls"][name]
            known = overall if known is None else known
            errors[name].append(np.nan if known is None else known - done["actual"])
    if not errors["model"]:
        raise BadInput(f"No user of {dataset!r} has a target with a rating.")
    return {
        "bench": "ratings",
        "dataset": dataset,
        "model": model,
        "demos": options.demos,
        "seed": options.seed,
        "users": len(errors["model"]),
        "rows": _table({name: np.abs(np.array(error)) for name, error in errors.items()}),
    }


def _table(errors: dict[str, NDArray[np.float64]]) -> list[dict[str, Any]]:
    """MAE and RMSE with 95 % intervals, and the difference in MAE from the model with demonstrations."""
    others = [name for name in errors if name != "model"]
    sure = np.isfinite(np.array(list(errors.values()))).all(axis=0)  # users whose every prediction is there
    absolute = {name: values[sure] for name, values in errors.items()}
    gains = np.array([absolute[name] - absolute["model"] for name in others])
    tests = dict(zip(others, together(paired_tests(gains)), strict=True))
    rows = []
    for name, values in absolute.items():
        mae, square = estimate(values), estimate(values**2)
        rows.append(
            {
                "predicted_by": name.replace("_", " "),
                "mae": mae["mean"],
                "mae_low": mae["low"],
                "mae_high": mae["high"],
                "rmse": square["mean"] ** 0.5,
                "rmse_low": square["low"] ** 0.5,
                "rmse_high": square["high"] ** 0.5,
                "mae_minus_models": tests.get(name, {}).get("mean"),
                "low": tests.get(name, {}).get("low"),
                "high": tests.get(name, {}).get("high"),
                "p_holm": tests.get(name, {}).get("p_holm"),
            }
        )
    return rows
