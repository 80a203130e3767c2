"""The effect of each demonstration of a run, measured unless the store has it."""

from __future__ import annotations

from typing import Any

from db import runs
from db.canonical import digest
from db.errors import BadInput
from db.requests import RunRequest
from db.runs import Effects, Run
from db.version import ENGINE_VERSION
from engine.context import Engine, resolve
from engine.progress import Report, counted, counting, part, quiet
from engine.tasks import results
from engine.tasks.edits import edited, refuse_drawn
from engine.tasks.inputs import gather
from engine.tasks.rank import rank_in

RANKED = 0.05  # the share of the work that ranking takes where the run is not stored yet


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
    context = resolve(engine, request)
    run = rank_in(context, part(report, 0.0, RANKED))
    options: dict[str, Any] = {"estimator": estimator, "leave_one_out": leave_one_out}
    if mode != "direct":  # which was all there was, and keeps its keys
        options["mode"] = mode
    for richer in (options, {**options, "leave_one_out": True}):
        stored = runs.find_effects(engine.store, effects_key(run, richer))
        if stored:
            return run, stored

    from engine.llm.explain.effects import demonstration_effects

    inputs = gather(context)
    report(None, f"loading {context.model.name}")
    loaded = context.loaded
    with counting(part(report, RANKED, 1.0), f"measuring {counted(len(inputs.chosen), 'demonstration')}"):
        measured = demonstration_effects(
            loaded,
            edited(inputs.request, inputs.task(), inputs.disliked),
            estimator=estimator,  # type: ignore[arg-type]  # checked above
            leave_one_out=leave_one_out,
            mode=mode,  # type: ignore[arg-type]
            cache=engine.prefills,
        )
    result = results.effects_result(inputs, measured)
    key = effects_key(run, options)
    return run, runs.save_effects(engine.store, run.key, key, options, result, measured.timings_ms)


def effects_key(run: Run, options: dict[str, Any]) -> str:
    """SHA-256 over the run and the way its effects are measured."""
    return digest({"run": run.key, "engine": ENGINE_VERSION, **options})
