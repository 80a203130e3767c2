"""From a request to one explanation of its demonstrations, for the worker and the command line alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from db.choices import EXPLANATIONS
from db.errors import BadInput
from db.requests import RunRequest
from engine.context import Context, Engine, resolve
from engine.progress import Report, quiet
from engine.registry import implementation
from engine.tasks.edits import edited, refuse_drawn
from engine.tasks.inputs import Inputs, gather

if TYPE_CHECKING:
    from engine.llm.loading.load import LoadedModel
    from engine.llm.scoring.memory import PrefillCache
    from engine.llm.scoring.ranking import Task

MEASURE = "margin"  # the target's log-share among the candidates; `loss` stands beside it where it is free
MINUS = "\u2212"


@dataclass(frozen=True)
class Asked:
    """One run's demonstrations, and the model they are about."""

    engine: Engine
    inputs: Inputs
    task: Task
    report: Report = quiet

    @property
    def context(self) -> Context[RunRequest]:
        """The request, looked up."""
        return self.inputs.context

    @cached_property
    def loaded(self) -> LoadedModel:
        """The model in memory."""
        self.report(None, f"loading {self.context.model.name}")
        return self.context.loaded

    @property
    def cache(self) -> PrefillCache:
        """What the model has read already."""
        return self.engine.prefills

    @property
    def ids(self) -> list[str]:
        """Of the demonstrations, in prompt order."""
        return [entry.demonstration.id for entry in self.inputs.chosen]

    def named(self, place: int) -> str:
        """A demonstration in a sentence: `number 2 (Rose Perfume)`."""
        return f"number {place + 1} ({short(self.inputs.chosen[place].answer.title)})"


def explained(engine: Engine, part: str, request: RunRequest, report: Report = quiet) -> dict[str, Any]:
    """One of `db.choices.EXPLANATIONS` about the demonstrations of a request, as JSON; stores nothing.

    Raises BadInput where the request has no demonstrations, more than one prompt or an edit left to chance,
    for a model behind an endpoint, and what `rank` raises.
    """
    if part not in EXPLANATIONS:
        raise BadInput(f"There is no explanation {part!r}. Choose one of {', '.join(EXPLANATIONS)}.")
    if request.prompts > 1:
        raise BadInput("prompts: an explanation is of the demonstrations of one prompt. Set prompts to 1.")
    if request.scoring == "free":
        raise BadInput("scoring: an explanation is of likelihoods, and free text has none. Choose another.")
    refuse_drawn(request, "an explanation is of one prompt")
    context = resolve(engine, request)
    if context.model.endpoint is not None:
        raise BadInput(
            f"{context.model.name!r} is behind an endpoint, and what happens inside it cannot be seen. "
            "Choose a local model, or measure effects, which take only its answers."
        )
    inputs = gather(context)
    if not inputs.chosen:
        raise BadInput("demos: there are no demonstrations to explain. Choose some.")
    asked = Asked(engine, inputs, edited(inputs.request, inputs.task(), inputs.disliked), report)
    result = implementation("engine.explanations", EXPLANATIONS[part]).explained(asked, report)
    return {"part": part, "demonstrations": asked.ids, "model": context.model.name, **result}


def signed(value: float, digits: int = 2) -> str:
    """+1.74, −0.26, 0.00."""
    text = f"{value:+.{digits}f}"
    return text.replace("-", MINUS) if float(text) else text[1:]


def short(title: str, letters: int = 40) -> str:
    """A title, cut where it is long."""
    line = " ".join(title.split())
    return line if len(line) <= letters else f"{line[: letters - 1].rstrip()}…"


def listed(parts: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
