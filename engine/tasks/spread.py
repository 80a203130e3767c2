"""Requests under the named edits of the dual model: rankings, and the spread of effects.

Boundary: requests in, rankers and plain JSON out; what an edit does to a prompt is
engine/llm/scoring/perturbed_prompts.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from db.choices import EDITS
from db.errors import BadInput
from db.requests import RunRequest
from db.requests.edits import Edit, drawn, parse
from engine.context import Engine
from engine.demos.dislikes import disliked_titles
from engine.tasks.inputs import Inputs, gather

if TYPE_CHECKING:
    from torch import Tensor

    from engine.llm.explain.perturbation_stats import Spread
    from engine.llm.loading.load import LoadedModel
    from engine.llm.scoring.measure import RankResult, Task
    from engine.llm.scoring.memory import PrefillCache


def ranker(inputs: Inputs) -> Callable[[LoadedModel, Task, PrefillCache], RankResult]:
    """What ranks each prompt of a request: plainly, or under its edits."""
    from engine.llm.scoring.measure import rank_candidates
    from engine.llm.scoring.perturbed_prompts import rank_perturbed

    edits, seed = inputs.request.edits, inputs.request.seed
    if not edits:
        return rank_candidates
    return lambda loaded, task, cache: rank_perturbed(loaded, task, edits, seed, cache, inputs.disliked)


def edited(request: RunRequest, task: Task, disliked: tuple[str, ...]) -> Task:
    """The task under the request's edits, in none of which chance has a part (`refuse_drawn`)."""
    from engine.llm.scoring.perturbed_prompts import draws_of

    return draws_of(task, request.edits, request.seed, [0], disliked)[0].task


def refuse_drawn(request: RunRequest, what: str) -> None:
    """Raises BadInput where the request has an edit that is drawn: no one prompt is there for `what`."""
    if names := [edit.name for edit in request.edits if edit.kind.drawn]:
        fixed = ", ".join(name for name, kind in EDITS.items() if not kind.drawn)
        raise BadInput(
            f"perturb: {names[0]} is left to chance, and {what}. Use {fixed} here, or `spread` for effects "
            "over many draws."
        )


def spread(
    engine: Engine,
    request: RunRequest,
    kinds: Sequence[str] = (),
    draws: int | None = None,
    kappa: float | None = None,
    report: Callable[..., None] = lambda *_: None,
) -> dict[str, Any]:
    """The effect of each demonstration and of the set over draws of each edit alone, in nats, as JSON.

    kinds: edits as `perturb` writes them (default: all that this user's data allow). A reconstruction of
    LRGD's perturbation of the dual model (arXiv 2504.04386). Raises what `service.rank` raises, and BadInput
    where negatives are asked for and nothing was disliked. Stores nothing.
    """
    from engine.llm.explain.perturbation_stats import DRAWS, KAPPA, spreads
    from engine.tasks.service import task_of

    if request.prompts > 1 or request.perturb is not None:
        raise BadInput("prompts, perturb: a spread takes one prompt as it stands; name the edits as kinds.")
    if kappa is not None and not 0 <= kappa <= 10:
        raise BadInput(f"kappa is {kappa}: the robust effect takes 0 to 10 standard deviations off the mean.")
    edits = [edit for text in (kinds or EDITS) for edit in parse(text)]
    inputs = gather(engine, request)
    disliked, left_out = (), []
    if any(edit.name == "negatives" for edit in edits):
        try:
            disliked = disliked_titles(engine.store, inputs.dataset, inputs.query)
        except BadInput as reason:
            if kinds:
                raise
            edits = [edit for edit in edits if edit.name != "negatives"]
            left_out = [{"name": "negatives", "reason": str(reason).removeprefix("perturb: ")}]
    report(None, f"loading {inputs.model.name}")
    loaded = engine.load(inputs.model)
    kappa, draws = KAPPA if kappa is None else kappa, DRAWS if draws is None else draws
    plain, *found = spreads(
        loaded, task_of(inputs), edits, draws, inputs.request.seed, disliked, engine.prefills, report
    )
    ids = [entry.demonstration.id for entry in inputs.chosen]
    return {
        "demonstrations": ids,
        "plain": {
            "effects": dict(zip(ids, plain.effects[:, 0].tolist(), strict=True)),
            "total": float(plain.totals[0]),
            "loss": float(plain.losses[0]),
        },
        "kinds": [_view(one, ids, kappa) for one in found],
        "left_out": left_out,
        "kappa": kappa,
        "draws": draws,
        "seed": inputs.request.seed,
        "target": inputs.request.target,
        "model": inputs.model.name,
    }


def _view(found: Spread, ids: Sequence[str], kappa: float) -> dict[str, Any]:
    assert found.edit is not None
    kind = found.edit.kind
    return {
        "name": found.edit.name,
        "amount": found.edit.amount,
        "label": kind.label,
        "about": kind.about,
        "drawn": kind.drawn,
        "draws": found.draws,
        "effects": {one: _moments(row, kappa) for one, row in zip(ids, found.effects, strict=True)},
        "total": _moments(found.totals, kappa),
        # Of a loss the careful end is the higher one.
        "loss": _moments(found.losses, -kappa),
    }


def _moments(values: Tensor, kappa: float) -> dict[str, float]:
    from engine.lrgd.perturb import robust

    return {
        "mean": float(values.mean()),
        "std": float(values.std(correction=0)),
        "robust": float(robust(values, kappa)),
    }


def described(edits: Sequence[Edit]) -> str:
    """The edits in words, for a run's notes."""
    amounts = ["" if edit.amount is None else f" {edit.amount:g}" for edit in edits]
    named = ", ".join(e.kind.label.lower() + amount for e, amount in zip(edits, amounts, strict=True))
    if not drawn(edits):
        return f"Ranked under {named}."
    from engine.llm.scoring.perturbed_prompts import DRAWS

    return f"Ranked under {named}: the mean scores of {DRAWS} draws, the first of them without chance."
