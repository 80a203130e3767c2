"""The named edits of the dual model (`db.requests.edits`) that a request may ask for, applied to its prompt.

Boundary: requests in, edited tasks, rankers and sentences out; what an edit does to a prompt is
engine/llm/scoring/perturbed_prompts.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from db.choices import EDITS
from db.errors import BadInput
from db.requests import RunRequest
from db.requests.edits import Edit, drawn

if TYPE_CHECKING:
    from engine.llm.loading.load import LoadedModel
    from engine.llm.scoring.memory import PrefillCache
    from engine.llm.scoring.ranking import RankResult, Task
    from engine.tasks.inputs import Inputs


def ranker(inputs: Inputs) -> Callable[[LoadedModel, Task, PrefillCache], RankResult]:
    """What ranks each prompt of a request: plainly, or under its edits."""
    from engine.llm.scoring.perturbed_prompts import rank_perturbed
    from engine.llm.scoring.ranking import rank_candidates

    edits, seed = inputs.request.edits, inputs.request.choice_seed
    if not edits:
        return rank_candidates
    return lambda loaded, task, cache: rank_perturbed(loaded, task, edits, seed, cache, inputs.disliked)


def edited(request: RunRequest, task: Task, disliked: tuple[str, ...]) -> Task:
    """The task under the request's edits, in none of which chance has a part (`refuse_drawn`)."""
    from engine.llm.scoring.perturbed_prompts import draws_of

    return draws_of(task, request.edits, request.choice_seed, [0], disliked)[0].task


def refuse_drawn(request: RunRequest, what: str) -> None:
    """Raises BadInput where the request has an edit that is drawn: no one prompt is there for `what`."""
    if names := [edit.name for edit in request.edits if edit.kind.drawn]:
        fixed = ", ".join(name for name, kind in EDITS.items() if not kind.drawn)
        raise BadInput(
            f"perturb: {names[0]} is left to chance, and {what}. Use {fixed} here, or `spread` for effects "
            "over many draws."
        )


def described(edits: Sequence[Edit]) -> str:
    """The edits in words, for a run's notes."""
    amounts = ["" if edit.amount is None else f" {edit.amount:g}" for edit in edits]
    named = ", ".join(e.kind.label.lower() + amount for e, amount in zip(edits, amounts, strict=True))
    if not drawn(edits):
        return f"Ranked under {named}."
    from engine.llm.scoring.perturbed_prompts import DRAWS

    return f"Ranked under {named}: the mean scores of {DRAWS} draws, the first of them without chance."
