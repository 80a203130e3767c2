"""From a request to a stored run: rank, effects, pool and verify, for the worker and the command line alike.

A run is a pure function of its inputs: its key digests what the numbers depend on, and an equal request is
served from the store with its original timing. Prompts and attention are the business of `engine.llm`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from db import datasets, demonstrations, runs, texts
from db.canonical import digest
from db.errors import BadInput
from db.requests import RunRequest, request_digest
from db.requests.edits import drawn
from db.runs import Effects, Run
from db.version import ENGINE_VERSION
from engine.context import Engine
from engine.demos import selection
from engine.tasks import proxy_scoring, results
from engine.tasks.inputs import Inputs, gather, query_of
from engine.tasks.spread import edited, ranker, refuse_drawn

if TYPE_CHECKING:
    from engine.llm.loading.load import LoadedModel
    from engine.llm.scoring.measure import Task

# (progress 0..1 or None, message, what was found so far or nothing); may raise to end the work.
Report = Callable[..., None]


def quiet(progress: float | None, message: str = "", partial: dict | None = None) -> None:
    """Progress for nobody."""


def rank(engine: Engine, request: RunRequest, report: Report = quiet) -> Run:
    """The run that answers a request, computed unless the store has it; loads no model if it has.

    Raises NotFound, BadInput, ModelError or OutOfMemory; the store is unchanged then.
    """
    store = engine.store
    datasets.get(store, request.dataset)  # a data set that is not there is found out before the hub is asked
    model = engine.registered(request.model)
    if request.prescore is not None:
        engine.registered(request.prescore)
    wanted = request_digest(store, request)
    found = runs.by_request(store, wanted)
    if found and engine.settings.dtype not in ("auto", found.result["model"]["dtype"]):
        found = None
    if request.embedding:  # the folder's files may have changed since
        found = None
    if found and not request.hint:
        return found
    started = time.perf_counter()
    report(None, "reading the history")
    inputs = gather(engine, request)
    if (
        found and inputs.hint and not request.embedding and found.result["hint"] == inputs.hint.as_dict()
    ):  # not fitted anew since
        return found
    report(None, f"loading {model.name}")
    loading = time.perf_counter()
    loaded = engine.load(model)
    ready = time.perf_counter()
    report(None, f"ranking {len(inputs.titles)} candidates")

    from engine.llm.scoring.ensemble import rank_by_prompts

    result = rank_by_prompts(loaded, tasks_of(inputs), engine.prefills, ranker(inputs))
    timings = {
        "prepare": round((loading - started) * 1000, 3),
        "load": round((ready - loading) * 1000, 3),
        **result.timings_ms,
        "total": round((time.perf_counter() - started) * 1000, 3),
    }
    demonstrations.save_many(store, [entry.demonstration for entry in inputs.chosen])
    with store.write() as connection:
        prompt = texts.put(connection, result.text)
    run = Run(
        key=run_key(inputs, loaded),
        request=inputs.request,
        request_digest=wanted,
        dataset_id=inputs.dataset.id,
        user_id=inputs.query.user_id,
        model=model.name,
        result=results.run_result(inputs, loaded, result, prompt),
        timings_ms=timings,
    )
    return runs.save(store, run)


def effects(
    engine: Engine,
    request: RunRequest,
    *,
    estimator: str = "auto",
    leave_one_out: bool = False,
    mode: str = "direct",
    report: Report = quiet,
) -> tuple[Run, Effects]:
    """The run of a request with the effect of each demonstration in it (arXiv 2504.04386, reconstructed).

    `estimator`: auto, exact (Shapley values from all 2^k weightings), strata (from the smallest and largest
    coalitions), path (Owen's integral over chances) or aumann (Aumann-Shapley's, over weights).
    `mode`: what leaving one out means: direct (query and answer do not see it), total (later demonstrations
    do not either) or reprompt (the prompt is written without it). Raises what `rank` raises.
    """
    if estimator not in ("auto", "exact", "strata", "path", "aumann"):
        raise BadInput(f"There is no estimator {estimator!r}. Choose auto, exact, strata, path or aumann.")
    if mode not in ("direct", "total", "reprompt"):
        raise BadInput(f"There is no mode {mode!r} of effects. Choose direct, total or reprompt.")
    if request.prompts > 1:
        raise BadInput("prompts: effects explain the demonstrations of one prompt. Set prompts to 1.")
    refuse_drawn(request, "effects explain one prompt")
    run = rank(engine, request, report)
    options: dict[str, Any] = {"estimator": estimator, "leave_one_out": leave_one_out}
    if mode != "direct":  # which was all there was, and keeps its keys
        options["mode"] = mode
    for richer in (options, {**options, "leave_one_out": True}):
        found = runs.find_effects(engine.store, effects_key(run, richer))
        if found:
            return run, found

    from engine.llm.scoring.measure import demonstration_effects

    inputs = gather(engine, request)
    report(None, f"loading {inputs.model.name}")
    loaded = engine.load(inputs.model)
    report(None, f"measuring {len(inputs.chosen)} demonstrations")
    result = demonstration_effects(
        loaded,
        edited(inputs.request, task_of(inputs), inputs.disliked),
        estimator=estimator,  # type: ignore[arg-type]  # checked above
        leave_one_out=leave_one_out,
        mode=mode,  # type: ignore[arg-type]
        cache=engine.prefills,
    )
    view = results.effects_result(inputs, result)
    key = effects_key(run, options)
    return run, runs.save_effects(engine.store, run.key, key, options, view, result.timings_ms)


def pool(engine: Engine, request: RunRequest, sources: Sequence[str], size: int) -> list[dict[str, Any]]:
    """Demonstrations that could be put before a user's history, best first within each source.

    sources: names of `db.choices.SOURCES`. Where the request names a model to prescore with, its effect in
    nats stands with each, the best of all first.
    """
    request = engine.resolved(request)
    dataset, query = query_of(engine.store, request)
    offered = selection.pool(engine.store, dataset, query, sources, size, request.seed)
    demonstrations.save_many(engine.store, [entry.demonstration for entry in offered])
    shown = [results.demonstration(entry, 1.0, request) for entry in offered]
    if request.prescore is None:
        return shown
    found = proxy_scoring.effects(engine, dataset, query, request, offered)
    return [{**shown[i], "prescore": found[i]} for i in proxy_scoring.best(found)]


def verify(engine: Engine, name: str) -> dict[str, Any]:
    """How exactly attention equals the dual model on each layer, on a real prompt (arXiv 2504.04386)."""
    from engine.llm.explain.identity import check_model

    loaded = engine.load(engine.registered(name))
    return results.verification(loaded, check_model(loaded))


def task_of(inputs: Inputs) -> Task:
    """The request in titles, as the language model's side takes it."""
    from engine.llm.scoring.kv_tuning import ForwardTuned
    from engine.llm.scoring.measure import Task

    forward = inputs.request.forward
    return Task(
        demos=tuple(entry.example for entry in inputs.chosen),
        history=tuple(i.title for i in inputs.query.history),
        candidates=inputs.titles,
        target=inputs.target_index,
        scoring=inputs.request.scoring,  # type: ignore[arg-type]  # validated with the request
        weights=inputs.weights,
        template=inputs.request.template,
        target_rating=inputs.target.rating,
        seed=inputs.request.seed,
        hint=inputs.hint.titles if inputs.hint else (),
        edits=(ForwardTuned(forward),) if forward else (),
    )


def tasks_of(inputs: Inputs) -> list[Task]:
    """One task for each prompt of the request."""
    whole, stops = task_of(inputs), list(accumulate(inputs.prompts))
    return [
        replace(whole, demos=whole.demos[stop - size : stop], weights=inputs.weights[stop - size : stop])
        for stop, size in zip(stops, inputs.prompts, strict=True)
    ]


def run_key(inputs: Inputs, loaded: LoadedModel) -> str:
    """SHA-256 over everything the numbers of a run depend on."""
    request = inputs.request
    chosen = [[e.demonstration.id, w] for e, w in zip(inputs.chosen, inputs.weights, strict=True)]
    hint = {"hint": inputs.hint.as_dict()} if inputs.hint else {}
    ways = {} if request.history_by == "recent" else {"shown": [row.position for row in inputs.query.history]}
    parts = {} if request.prompts == 1 else {"prompts": inputs.prompts}
    edits = request.edits
    under: dict[str, Any] = {"perturb": [str(edit) for edit in edits]} if edits else {}
    if request.forward:
        under["forward"] = request.forward
    return digest(
        {
            **hint,
            **under,
            **ways,
            **parts,
            "engine": ENGINE_VERSION,
            "data": inputs.dataset.fingerprint,
            "user": inputs.query.user_id,
            "target_position": inputs.query.target_position,
            "history": request.history,
            "candidates": inputs.candidates.fingerprint,
            "demonstrations": chosen,
            "template": request.template,
            "scoring": request.scoring,
            "seed": request.seed if request.scoring == "listwise" or drawn(edits) else None,
            "model": loaded.revision,
            "dtype": loaded.dtype_name,
        }
    )


def effects_key(run: Run, options: dict[str, Any]) -> str:
    """SHA-256 over the run and the way its effects are measured."""
    return digest({"run": run.key, "engine": ENGINE_VERSION, **options})
