"""From a request to a stored run, for the worker and the command line alike.

A run is a pure function of its inputs: its key digests what the numbers depend on, and an equal request is
served from the store with its original timing. Prompts and attention are the business of `engine.llm`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
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
from engine.tasks.answerer import Answerer
from engine.tasks.inputs import Inputs, gather
from engine.tasks.remote import accounted, answering, refuse

if TYPE_CHECKING:
    from engine.llm.scoring.ranking import RankResult, Task


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
    from engine.llm.scoring.ranking import rank_all

    pending = looked_up(contexts, report)
    if not pending.new:
        return pending.kept(None, [])
    loaded = contexts[0].loaded
    tasks = pending.tasks(loaded)
    with counting(report, f"ranking {counted(len(tasks), 'list')}"):
        # Nothing kept from others: what is read together decides the last digits, also after a restart.
        ranked = rank_all(loaded, tasks)
    return pending.kept(loaded, ranked)


@dataclass(frozen=True)
class Pending:
    """Requests to one model, looked up: the runs that are stored, and by place in `found` what the others are
    made from. Whoever has the model ranks `tasks`; `kept` are the runs of all of them."""

    found: Sequence[Run | None]
    new: Mapping[int, Inputs]

    def tasks(self, model: Answerer) -> list[Task]:
        """What is to be ranked. Requests that lead to the same prompt share one task."""
        return [inputs.task() for inputs in self._different(model).values()]

    def kept(self, model: Answerer | None, ranked: Sequence[RankResult]) -> list[Run]:
        """The runs of all requests, the new ones stored: all of them, or none. ranked: of `tasks`; without
        new requests no model is needed."""
        runs_ = list(self.found)
        if model is not None and self.new:
            results_ = dict(zip(self._different(model), ranked, strict=True))
            answered = [(inputs, results_[run_key(inputs, model)]) for inputs in self.new.values()]
            made = [
                (inputs, model, result, {**result.timings_ms, "total": result.timings_ms["rank"]})
                for inputs, result in answered
            ]
            store = answered[0][0].context.store
            for place, run in zip(self.new, _kept(store, made), strict=True):
                runs_[place] = run
        return [run for run in runs_ if run is not None]

    def _different(self, model: Answerer) -> dict[str, Inputs]:
        """What new runs are made from, by their keys."""
        return {run_key(inputs, model): inputs for inputs in self.new.values()}


def looked_up(contexts: Sequence[Context[RunRequest]], report: Report = quiet) -> Pending:
    """What is stored of many requests to one model, and what the others need. Those that are more than one
    plain prompt are answered here and now. Raises what `rank` raises."""
    found = [_known(context) for context in contexts]
    new: dict[int, Inputs] = {}
    for place, (context, run) in enumerate(zip(contexts, found, strict=True)):
        if run is None and _plain(context):
            refuse(context.model, context.request)
            new[place] = gather(context)
        elif run is None:
            found[place] = rank_in(context, report)
    return Pending(found, new)


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


Ranked = tuple[Inputs, Answerer, "RankResult", dict[str, float]]
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


def _run(inputs: Inputs, loaded: Answerer, ranked: RankResult, timings: dict[str, float], prompt: str) -> Run:
    """A run that is not stored yet. prompt: the hash of its text."""
    context, request = inputs.context, inputs.request
    result = results.run_result(inputs, loaded, ranked, prompt)
    if context.model.endpoint is not None:
        result = accounted(result, loaded, request)  # type: ignore[arg-type]  # an endpoint's model
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


def run_key(inputs: Inputs, loaded: Answerer) -> str:
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
