"""How far effects depend on chance: each demonstration's effect over draws of each named edit, as JSON.

Boundary: a request in, plain JSON out; the effects are engine/llm/explain/perturbation_stats.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from db.choices import EDITS, MEASURES
from db.errors import BadInput
from db.requests import RunRequest
from db.requests.edits import Edit, parse
from engine.context import Engine, resolve
from engine.demos.dislikes import disliked_for
from engine.progress import Report, quiet
from engine.tasks.inputs import Inputs, gather

if TYPE_CHECKING:
    from torch import Tensor

    from engine.llm.explain.perturbation_stats import PerturbationStats


def perturbation_stats(
    engine: Engine,
    request: RunRequest,
    kinds: Sequence[str] = (),
    draws: int | None = None,
    kappa: float | None = None,
    measure: str = "margin",
    report: Report = quiet,
) -> dict[str, Any]:
    """The effect of each demonstration and of the set over draws of each edit alone, as JSON.

    measure: margin (the log of the target's share among the candidates) or loss (nats); `value` is its value
    with the demonstrations. kinds: edits as `perturb` writes them (default: all that this user's data
    allow). A reconstruction of LRGD's perturbation of the dual model (arXiv 2504.04386). Raises what `rank`
    raises, and BadInput where negatives are asked for and nothing was disliked. Stores nothing.
    """
    from engine.llm.explain.perturbation_stats import DRAWS, KAPPA
    from engine.llm.explain.perturbation_stats import perturbation_stats as measured

    if request.prompts > 1 or request.perturb is not None:
        raise BadInput("prompts, perturb: a spread takes one prompt as it stands; name the edits as kinds.")
    if measure not in MEASURES:
        raise BadInput(f"There is no measure {measure!r}. Choose one of {', '.join(MEASURES)}.")
    if kappa is not None and not 0 <= kappa <= 10:
        raise BadInput(f"kappa is {kappa}: the robust effect takes 0 to 10 standard deviations off the mean.")
    edits = [edit for text in (kinds or EDITS) for edit in parse(text)]
    inputs = gather(resolve(engine, request))
    edits, disliked, left_out = _possible(inputs, edits, bool(kinds))
    report(None, f"loading {inputs.model.name}")
    loaded = inputs.context.loaded
    kappa, draws = KAPPA if kappa is None else kappa, DRAWS if draws is None else draws
    seed, ids = inputs.request.choice_seed, [entry.demonstration.id for entry in inputs.chosen]
    plain, *edited = measured(
        loaded,
        inputs.task(),
        edits,
        draws,
        seed,
        disliked,
        engine.prefills,
        report,
        measure,  # type: ignore[arg-type]  # checked above
    )
    return {
        "measure": measure,
        "demonstrations": ids,
        "plain": {
            "effects": dict(zip(ids, plain.effects[:, 0].tolist(), strict=True)),
            "total": float(plain.totals[0]),
            "value": float(plain.values[0]),
        },
        "kinds": [_result(stats, ids, kappa, measure) for stats in edited],
        "left_out": left_out,
        "kappa": kappa,
        "draws": draws,
        "seed": seed,
        "target": inputs.request.target,
        "model": inputs.model.name,
    }


def _possible(
    inputs: Inputs, edits: list[Edit], asked: bool
) -> tuple[list[Edit], tuple[str, ...], list[dict[str, str]]]:
    """The edits this user's data allow, the titles the user disliked, and what was left out and why.

    asked: the edits were named one by one, so that one of them that cannot be had is refused.
    """
    context = inputs.context
    try:
        return edits, disliked_for(context.store, inputs.dataset, context.query, edits), []
    except BadInput as refusal:
        if asked:
            raise
        reason = str(refusal).removeprefix("perturb: ")
        left_out = [{"name": edit.name, "reason": reason} for edit in edits if edit.kind.disliked]
        return [edit for edit in edits if not edit.kind.disliked], (), left_out


def _result(stats: PerturbationStats, ids: Sequence[str], kappa: float, measure: str) -> dict[str, Any]:
    assert stats.edit is not None
    kind = stats.edit.kind
    return {
        "name": stats.edit.name,
        "amount": stats.edit.amount,
        "label": kind.label,
        "about": kind.about,
        "drawn": kind.drawn,
        "draws": stats.draws,
        "effects": {name: _moments(row, kappa) for name, row in zip(ids, stats.effects, strict=True)},
        "total": _moments(stats.totals, kappa),
        # Of a loss the careful end is the higher one.
        "value": _moments(stats.values, -kappa if measure == "loss" else kappa),
    }


def _moments(values: Tensor, kappa: float) -> dict[str, float]:
    from engine.lrgd.perturb import robust

    return {
        "mean": float(values.mean()),
        "std": float(values.std(correction=0)),
        "robust": float(robust(values, kappa)),
    }
