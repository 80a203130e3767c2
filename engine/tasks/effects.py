"""The effect of each demonstration of a run, measured unless the store has it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from db import runs
from db.canonical import digest
from db.choices import EFFECT_MODES, ESTIMATORS, MEASURES
from db.effect_results import FELT, NARROW, together
from db.errors import BadInput
from db.models import ModelInfo
from db.requests import Chosen, RunRequest
from db.runs import Effects, Run
from db.version import ENGINE_VERSION
from engine.context import Context, Engine, resolve
from engine.progress import Report, counted, counting, part, quiet
from engine.tasks import results
from engine.tasks.edits import edited, refuse_drawn
from engine.tasks.inputs import gather
from engine.tasks.proxy_effects import beside
from engine.tasks.rank import rank_in
from engine.tasks.remote import check_remote, remote_effects_of

RANKED = 0.05  # the share of the work that ranking takes where the run is not stored yet
FIRST = 0.3  # the share after which turning down is measured, where dropping follows


def effects(
    engine: Engine,
    request: RunRequest,
    *,
    estimator: str = "auto",
    leave_one_out: bool = False,
    mode: str = "auto",
    measure: str = "margin",
    proxy: str | None = None,
    report: Report = quiet,
) -> tuple[Run, Effects]:
    """The run of a request with the effect of each demonstration in it (arXiv 2504.04386, reconstructed).

    `measure`: margin (the target's log-share among the candidates) or loss (nats of the target's answer).
    `estimator`: auto, exact (Shapley values from all 2^k weightings), kriging (from some of them, with
    intervals), difference (of dropping, from turning down and how the two differ) or aumann
    (Aumann-Shapley's, over weights).
    `mode`: what leaving one out means: direct (query and answer do not see it), total (later demonstrations
    do not either), reprompt (the prompt is written without it), or auto: direct, which is stored as soon as
    it is there, and then reprompt, whose effects are returned with both in them
    (`db.effect_results.together`). Of a model behind an endpoint only reprompt can be had; `proxy` names a
    local model whose effects of the same demonstrations are put beside them. Raises what `rank` raises.
    """
    for name, value, table in (
        ("estimator", estimator, ESTIMATORS),
        ("mode of effects", mode, EFFECT_MODES),
        ("measure", measure, MEASURES),
    ):
        if value not in table:
            raise BadInput(f"There is no {name} {value!r}. Choose one of {', '.join(table)}.")
    if request.prompts > 1:
        raise BadInput("prompts: effects explain the demonstrations of one prompt. Set prompts to 1.")
    refuse_drawn(request, "effects explain one prompt")
    context = resolve(engine, request)
    options = {"estimator": estimator, "leave_one_out": leave_one_out, "mode": mode, "measure": measure}
    if context.model.endpoint is not None:
        check_remote(context, estimator, mode)
        near = None if proxy is None else engine.local(proxy)
        run = rank_in(context, part(report, 0.0, RANKED))
        return run, _remote(context, run, {**options, "mode": "reprompt"}, near, part(report, RANKED, 1.0))
    if proxy is not None:
        raise BadInput(
            f"proxy: {context.model.name!r} is a local model and has effects of its own. A proxy stands "
            "beside a model behind an endpoint."
        )
    run = rank_in(context, part(report, 0.0, RANKED))
    if mode != "auto":
        return run, _measured(context, run, options, part(report, RANKED, 1.0))
    stop = 1.0 if estimator == "aumann" else FIRST
    removal = _measured(context, run, {**options, "mode": "direct"}, part(report, RANKED, stop))
    if estimator == "aumann":
        return run, replace(removal, result=alone(removal.result))
    report(FIRST, "dropping each demonstration", {"run": run.key, "removal": removal.effects_key})
    dropped = _measured(context, run, {**options, "mode": "reprompt"}, part(report, FIRST, 1.0))
    return run, replace(dropped, result=together(removal.result, dropped.result))


def _measured(context: Context[RunRequest], run: Run, options: dict[str, Any], report: Report) -> Effects:
    """The effects in one mode, from the store where it has them."""
    store = context.store
    for way in dict.fromkeys((options["estimator"], *_also(options))):
        for lost in (options["leave_one_out"], True):
            same = {**options, "estimator": way, "leave_one_out": lost}
            stored = runs.find_effects(store, effects_key(run, same))
            if stored:
                return stored
    known = _turned_down(context, run, options)

    from engine.llm.explain.effects import Estimate, Known, demonstration_effects

    inputs = gather(context)
    report(None, f"loading {context.model.name}")
    if context.model.endpoint is not None:
        measured, result = remote_effects_of(context, inputs, run, options, report)
    else:
        loaded = context.loaded
        with counting(report, f"measuring {counted(len(inputs.chosen), 'demonstration')}") as tally:

            def told(estimate: Estimate) -> None:
                tally.message = results.so_far(estimate, options["mode"])
                shown = results.estimate(inputs, estimate, options)
                report(None, tally.message, {"estimate": {**shown, "run": run.key}})

            measured = demonstration_effects(
                loaded,
                edited(inputs.request, inputs.task(), inputs.disliked),
                **options,
                cache=context.engine.prefills,
                told=told,
                known=None if known is None else Known(known, NARROW, FELT),
            )
        if measured.estimator == "difference":  # not what is asked for as exact
            options = {**options, "estimator": measured.estimator}
        result = results.effects_result(inputs, measured, run)
    return runs.save_effects(store, run.key, effects_key(run, options), options, result, measured.timings_ms)


def _also(options: Mapping[str, Any]) -> tuple[str, ...]:
    """Estimators that `auto` may have taken, under whose name effects are stored."""
    return ("difference",) if options["estimator"] == "auto" and options["mode"] == "reprompt" else ()


def _turned_down(
    context: Context[RunRequest], run: Run, options: Mapping[str, Any]
) -> dict[str, list[float]] | None:
    """The costs in mode direct, from which dropping is told, where they are stored. Raises BadInput where
    nothing else would do."""
    if options["mode"] != "reprompt" or options["estimator"] not in ("auto", "difference"):
        return None
    for stored in runs.effects(context.store, run.key):
        found = stored.result
        if found["mode"] == "direct" and found["measure"] == options["measure"] and "costs" in found:
            return found["costs"]
    if options["estimator"] == "difference":
        raise BadInput(
            "estimator: difference starts from what turning each demonstration down does, which is not "
            "measured yet. Use mode auto."
        )
    return None


def _remote(
    context: Context[RunRequest], run: Run, options: dict[str, Any], proxy: ModelInfo | None, report: Report
) -> Effects:
    """Effects of an endpoint's model, and beside them those that a local model gives the same prompt."""
    if proxy is None:
        return _measured(context, run, options, report)
    measured = _measured(context, run, options, part(report, 0.0, 0.7))
    chosen = tuple(Chosen(demo["id"], demo["weight"]) for demo in run.result["demonstrations"])
    same = replace(
        run.request, model=proxy.name, demos="none", demonstrations=chosen, weights=None, prescore=None
    )
    _, local = effects(
        context.engine, same, mode="reprompt", measure=options["measure"], report=part(report, 0.7, 1.0)
    )
    key = effects_key(run, {**options, "proxy": context.engine.identity(proxy).as_dict()})
    return beside(context.store, run, measured, proxy, key, local)


def alone(removal: Mapping[str, Any]) -> dict[str, Any]:
    """Effects by turning down where nothing can be dropped."""
    note = "What dropping a demonstration does was not measured: this estimator takes gradients of weights."
    return {**removal, "notes": [*removal["notes"], note]}


def effects_key(run: Run, options: dict[str, Any]) -> str:
    """SHA-256 over the run and the way its effects are measured."""
    return digest({"run": run.key, "engine": ENGINE_VERSION, **options})
