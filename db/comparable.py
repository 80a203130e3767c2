"""Whether numbers of two runs compare, and why not. Plain text; reads the runs alone."""

from collections.abc import Sequence

from db.requests import RunRequest
from db.requests.fields import RequestField, described
from db.runs import Run

_LETTERS = 60  # of a name in a sentence


def lists_obstacle(a: Run, b: Run) -> str | None:
    """Why ranks in A and in B cannot be compared; None where they can."""
    if a.request.dataset != b.request.dataset:
        return f"The runs belong to different data sets: {both(a.request.dataset, b.request.dataset)}."
    if a.request.user != b.request.user:
        return f"The runs belong to different users: {both(a.request.user, b.request.user)}."
    if a.result["target"]["item"] != b.result["target"]["item"]:
        titles = (run.result["target"]["title"] for run in (a, b))
        return f"The runs have different targets: {both(*titles)}."
    if a.result["candidates"]["fingerprint"] != b.result["candidates"]["fingerprint"]:
        return "The candidate lists differ: each run ranked its target among other items."
    return None


def losses_obstacle(a: Run, b: Run) -> str | None:
    """Why losses of A and B cannot be compared where their targets are the same; None where they can."""
    models = [run.result["model"] for run in (a, b)]
    if models[0]["revision"] != models[1]["revision"]:
        if a.model != b.model:  # as they are registered: the folders of all tuned models are called alike
            return f"The models differ ({both(a.model, b.model)}): so do their loss scales."
        name, old = _cut(a.model), any("libraries" not in model for model in models)
        # Runs that do not name their libraries are of versions that read only samples of large files.
        part = ", or an earlier version read only a part of its files" if old else ""
        return f"The model {name} was replaced between the runs{part}: its revision differs."
    if a.request.scoring != b.request.scoring:
        return "The scoring modes differ: scores and losses are on different scales."
    if None in (a.result["loss"], b.result["loss"]):
        return "Free text has no likelihoods, and so no losses."
    return None


def changed(requests: Sequence[RunRequest]) -> list[RequestField]:
    """The fields in which the first request differs from any other."""
    return [
        field
        for field in described(RunRequest)
        if any(getattr(other, field.name) != getattr(requests[0], field.name) for other in requests[1:])
    ]


def both(a: object, b: object) -> str:
    """Two names in a sentence."""
    return f"{_cut(a)} and {_cut(b)}"


def _cut(name: object) -> str:
    text = " ".join(str(name).split())
    return text if len(text) <= _LETTERS else f"{text[: _LETTERS - 1]}…"
