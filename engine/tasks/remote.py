"""Who answers a request: the model in memory, or the server of an endpoint's model.

Boundary: requests in; what a server cannot do is refused here, in a sentence, before it is called.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from db.endpoints import INSIDE, SENT
from db.errors import BadInput
from db.models import ModelInfo
from db.requests import RunRequest
from db.runs import Run
from engine.context import Context
from engine.progress import Report, counted, counting
from engine.tasks import results
from engine.tasks.edits import ranker
from engine.tasks.inputs import Inputs

if TYPE_CHECKING:
    from engine.endpoint.scoring import Remote
    from engine.llm.explain.effects import EffectsResult
    from engine.llm.scoring.ranking import RankResult


def refuse(model: ModelInfo, request: RunRequest) -> None:
    """Raises BadInput where a request to an endpoint's model asks for what only a local one can do."""
    if model.endpoint is None:
        return
    from engine.endpoint.scoring import way_of

    way_of(model.endpoint, model.name, request.scoring, request.turns == "chat")
    if request.scoring == "free" and request.prompts > 1:
        raise BadInput("prompts: free text is one answer to one prompt. Set prompts to 1.")
    for field, why in INSIDE.items():
        if getattr(request, field):
            raise BadInput(f"{field}: {why} of a model; those of one behind an endpoint are not here.")
    weights = request.weights or [chosen.weight for chosen in request.demonstrations or ()]
    if any(weight not in (0, 1) for weight in weights):
        raise BadInput(
            "weights: a model behind an endpoint reads a demonstration or does not: each weight is 1 or 0. "
            "Other weights act inside a local model."
        )


@contextmanager
def answering(
    context: Context[RunRequest], inputs: Inputs
) -> Iterator[tuple[Any, Callable[..., RankResult]]]:
    """The model of a request and what ranks by it; an endpoint's connections are closed behind the block."""
    if context.model.endpoint is None:
        yield context.loaded, ranker(inputs)
        return
    from engine.endpoint.scoring import rank_remote

    with remote_of(context) as remote:
        if context.request.scoring == "free":
            from engine.tasks.remote_writing import rank_written

            yield remote, lambda remote, task, _: rank_written(remote, task, inputs)
        else:
            yield remote, rank_remote


@contextmanager
def remote_of(context: Context[RunRequest]) -> Iterator[Remote]:
    """The server of the request's model, asked for texts where the request's scoring is free."""
    from engine.endpoint.scoring import Remote

    with context.engine.client(context.model) as client:
        yield Remote(context.model, client, context.identity, writes=context.request.scoring == "free")


def accounted(
    result: dict[str, Any], remote: Remote, request: RunRequest, scored: bool = True
) -> dict[str, Any]:
    """A result with what its server was asked for, and what is to be known of it, in sentences.

    scored: likelihoods were wanted, so that it is said why there are none.
    """
    spent = remote.account()
    calls = f"{spent['calls']:,} calls, {spent['tokens']:,} tokens read and written"
    retries = f", {spent['retries']:,} of them again" if spent["retries"] else ""
    way = remote.endpoint.way(request.scoring, request.turns)
    notes = [SENT[way], f"Answered by the endpoint of {remote.name}: {calls}{retries}."]
    if scored and not remote.endpoint.ways.prompt:
        notes += [note for note in remote.endpoint.notes if note.startswith("Titles cannot")]
    weights = request.weights or [chosen.weight for chosen in request.demonstrations or ()]
    if 0 in weights:
        notes.append(
            "Demonstrations of weight 0 are left out of the prompt, which a local model would not do: there "
            "they keep their place and nothing looks at them."
        )
    notes = [*result.get("notes", ()), *notes, *remote.notes]
    return {**result, **remote.more, "endpoint": spent, "notes": notes}


def check_remote(context: Context[RunRequest], estimator: str, mode: str) -> None:
    """Raises BadInput where effects of an endpoint's model cannot be had so."""
    if mode not in ("auto", "reprompt"):
        raise BadInput(
            f"mode: {mode} acts inside a model. Of one behind an endpoint effects are measured by writing "
            "the prompt without a demonstration: use reprompt."
        )
    if estimator == "aumann":
        raise BadInput("estimator: aumann takes gradients, and an endpoint gives none. Use auto or exact.")
    if estimator == "difference":
        raise BadInput(
            "estimator: difference starts from turning demonstrations down, which an endpoint cannot. Use "
            "auto or exact."
        )
    if context.request.scoring == "free":
        raise BadInput(
            "scoring: effects are on likelihoods, and free text has none. The endpoint of "
            f"{context.model.name!r} has to give log-probabilities for them."
        )


def remote_effects_of(
    context: Context[RunRequest], inputs: Inputs, run: Run, options: dict[str, Any], report: Report
) -> tuple[EffectsResult, dict[str, Any]]:
    """Effects by prompts written again, as measured and as stored, with what that took."""
    from engine.endpoint.effects import remote_effects

    asked = {name: value for name, value in options.items() if name != "mode"}
    what = f"measuring {counted(len(inputs.chosen), 'demonstration')}"
    with remote_of(context) as remote, counting(report, what):
        measured = remote_effects(remote, inputs.task(), **asked)
        result = results.effects_result(inputs, measured, run)
        return measured, accounted(result, remote, context.request)
