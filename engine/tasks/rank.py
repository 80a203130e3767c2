"""From a request to a stored run, for the worker and the command line alike.

A run is a pure function of its inputs: its key digests what the numbers depend on, and an equal request is
served from the store with its original timing. Prompts and attention are the business of `engine.llm`.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from db import demonstrations, runs, texts
from db.canonical import digest
from db.requests import RunRequest
from db.requests.edits import drawn
from db.runs import Run
from db.store import Store
from db.version import ENGINE_VERSION
from engine.context import Context, Engine, resolve
from engine.progress import Clock, Report, counted, counting, quiet
from engine.tasks import results
from engine.tasks.inputs import Inputs, gather
from engine.tasks.remote import accounted, answering, refuse

if TYPE_CHECKING:
    from engine.llm.loading.load import LoadedModel
    from engine.llm.scoring.ranking import RankResult


def rank(engine: Engine, request: RunRequest, report: Report = quiet) -> Run:
    """The run that answers a request, computed unless the store has it; loads no model if it has.

    Raises NotFound, BadInput, ModelError or OutOfMemory; the store is unchanged then.
    """
    return rank_in(resolve(engine, request), report)


def rank_in(context: Context[RunRequest], report: Report = quiet) -> Run:
    """The same for a request that was looked up already."""
    store, request = context.store, context.request
    question = asked_here(context)
    stored = runs.by_request(store, question)
    if stored and not request.hint:
        return _served(context, stored)
    refuse(context.model, request)
    clock = Clock()
    report(None, "reading the history")
    with clock("prepare"):
        inputs = gather(context)
        if stored and inputs.hint and stored.result["hint"] == inputs.hint.as_dict():
            return _served(context, stored)  # the baseline was not fitted again since
        report(None, f"loading {context.model.name}")
    loaded, ranked = _ranked(context, inputs, clock, report)
    timings = {**clock.parts, **ranked.timings_ms, "total": clock.read()["total"]}
    return _kept(store, [(inputs, loaded, ranked, timings)])[0]


def rank_many(contexts: Sequence[Context[RunRequest]], report: Report = quiet) -> list[Run]:
    """The same for many requests to one model, whose prompts are read side by side where they can be: far
    sooner than one by one. What is new is stored together, all of it or none."""
    found = [_known(context) for context in contexts]
    new: dict[int, Inputs] = {}
    for place, (context, run) in enumerate(zip(contexts, found, strict=True)):
        if run is None and _plain(context):
            refuse(context.model, context.request)
            new[place] = gather(context)
        elif run is None:
            found[place] = rank_in(context, report)
    if new:
        for place, run in zip(new, _ranked_together(list(new.values()), report), strict=True):
            found[place] = run
    return [run for run in found if run is not None]


def _known(context: Context[RunRequest]) -> Run | None:
    """The stored answer; of a request with a hint only `rank_in` can tell whether it still holds."""
    stored = None if context.request.hint else runs.by_request(context.store, asked_here(context))
    return None if stored is None else _served(context, stored)


def _plain(context: Context[RunRequest]) -> bool:
    """Whether one prompt of a model here answers the request, read as it is."""
    request = context.request
    return context.model.endpoint is None and not (
        request.hint or request.forward or request.edits or request.prompts > 1
    )


def _ranked_together(many: Sequence[Inputs], report: Report) -> list[Run]:
    """New runs of one model. Requests that lead to the same prompt share one."""
    from engine.llm.scoring.memory import PrefillCache
    from engine.llm.scoring.ranking import rank_all

    loaded = many[0].context.loaded
    keys = [run_key(inputs, loaded) for inputs in many]
    different = dict(zip(keys, many, strict=True))
    with counting(report, f"ranking {counted(len(different), 'list')}"):
        # Nothing kept from others: what is read together decides the last digits, also after a restart.
        ranked = rank_all(loaded, [inputs.task() for inputs in different.values()], PrefillCache())
    results_ = dict(zip(different, ranked, strict=True))
    return _kept(
        many[0].context.store,
        [
            (inputs, loaded, results_[key], {**(timed := results_[key].timings_ms), "total": timed["rank"]})
            for key, inputs in zip(keys, many, strict=True)
        ],
    )


Ranked = tuple[Inputs, Any, "RankResult", dict[str, float]]
"""What a run was made from, what answered, what that made of it, and milliseconds by step."""


def _kept(store: Store, ranked: Sequence[Ranked]) -> list[Run]:
    """These as stored runs: all of them, or none."""
    demonstrations.save_many(store, [entry.demonstration for inputs, *_ in ranked for entry in inputs.chosen])
    with store.write() as connection:
        prompts = [texts.put(connection, answer.text) for _, _, answer, _ in ranked]
    made = [
        (_run(*each, prompt), (asked_here(each[0].context),))
        for each, prompt in zip(ranked, prompts, strict=True)
    ]
    return runs.save_all(store, made)


def _run(inputs: Inputs, loaded: Any, ranked: RankResult, timings: dict[str, float], prompt: str) -> Run:
    """A run that is not stored yet. prompt: the hash of its text."""
    context, request = inputs.context, inputs.request
    result = results.run_result(inputs, loaded, ranked, prompt)
    if context.model.endpoint is not None:
        result = accounted(result, loaded, request)
    return Run(
        key=run_key(inputs, loaded),
        request=request,
        request_digest=context.request_digest,
        dataset_id=inputs.dataset.origin_id,
        user_id=inputs.query.user_id,
        model=context.model.name,
        result=result,
        timings_ms=timings,
    )


def _ranked(
    context: Context[RunRequest], inputs: Inputs, clock: Clock, report: Report
) -> tuple[Any, RankResult]:
    """What answered, the model in memory or the server of one elsewhere, and what it made of the request."""
    from engine.llm.scoring.ensemble import rank_by_prompts

    with ExitStack() as open_:
        with clock("load"):
            loaded, rank_one = open_.enter_context(answering(context, inputs))
        with counting(report, f"ranking {counted(len(inputs.titles), 'candidate')}"):
            return loaded, rank_by_prompts(loaded, inputs.tasks(), context.engine.prefills, rank_one)


def asked_here(context: Context[RunRequest]) -> str:
    """Digest of all that decides a run's numbers and is known without loading the model: the request, and
    the dtypes, devices, libraries and files with which this engine answers it."""
    return digest([context.request_digest, context.computing])


def _served(context: Context[RunRequest], run: Run) -> Run:
    """A stored run, which pages find as the answer from now on, also where another engine answered since."""
    known = runs.by_request(context.store, context.request_digest)
    if known is None or known.key != run.key:
        runs.answer(context.store, context.request_digest, run.key)
    return run


def run_key(inputs: Inputs, loaded: LoadedModel) -> str:
    """SHA-256 over everything the numbers of a run depend on."""
    request, query, edits = inputs.request, inputs.query, inputs.request.edits
    return digest(
        {
            "engine": ENGINE_VERSION,
            "model": loaded.identity.as_dict(),
            "header": loaded.encoder.header,
            "data": inputs.dataset.fingerprint,
            "user": query.user_id,
            "target_position": query.target_position,
            "history": [request.history, *(row.position for row in query.history)],
            "candidates": inputs.candidates.fingerprint,
            "demonstrations": [
                [entry.demonstration.id, weight]
                for entry, weight in zip(inputs.chosen, inputs.weights, strict=True)
            ],
            "prompts": inputs.prompts,
            "template": inputs.context.template.key,
            "scoring": request.scoring,
            "seed": request.choice_seed if request.scoring == "listwise" or drawn(edits) else None,
            "hint": inputs.hint.as_dict() if inputs.hint else None,
            "perturb": [str(edit) for edit in edits],
            "forward": request.forward,
            "control": [inputs.control.name, inputs.control.of] if inputs.control else None,
            "excluded": inputs.excluded,
            **({"set": inputs.of_set.kept.reference} if inputs.of_set else {}),
        }
    )
