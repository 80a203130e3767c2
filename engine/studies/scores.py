"""All scores of one user's demonstrations: effects by every estimator, ground truths and alternatives.

Boundary: a gathered request and a loaded model in, `[k]` numbers per score out, all on the loss of the title
that was really bought next. No statistics.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from engine.data.similar_titles import TitleIndex
from engine.demos.query import titles_of
from engine.tasks.inputs import Inputs

if TYPE_CHECKING:
    from engine.llm.loading.load import LoadedModel
    from engine.llm.scoring.memory import PrefillCache

EFFECT, TRUTH, RIVAL = "effect", "truth", "rival"
ALL_PROMPTS_UP_TO = 5  # demonstrations for which all 2^k prompts are written, and mode total is run
_DIGITS = 7


@dataclass(frozen=True)
class Score:
    """A way to score demonstrations. kind: what it is to the study; a truth may be compared with others."""

    label: str
    kind: str


SCORES = {
    "exact": Score("exact Shapley values by removal", EFFECT),
    "strata": Score("Shapley values by strata", EFFECT),
    "path": Score("path integral over chances (Owen)", EFFECT),
    "aumann": Score("integral over weights (Aumann-Shapley)", EFFECT),
    "total": Score("exact Shapley values, mode total", EFFECT),
    "removal": Score("leave-one-out by removal", TRUTH),
    "reprompt": Score("exact Shapley values by reprompt", TRUTH),
    "reprompt_loo": Score("leave-one-out by reprompt", TRUTH),
    "gradient": Score("one gradient at alpha = 1", RIVAL),
    "gradient_input": Score("gradient times input", RIVAL),
    "gradient_input_size": Score("gradient times input, size", RIVAL),
    "mass": Score("attention mass", RIVAL),
    "bm25": Score("BM25 similarity to the query", RIVAL),
    "place": Score("recency: nearest to the query", RIVAL),
}

TRUTHS = ("exact", "removal", "reprompt", "reprompt_loo")


def scored(loaded: LoadedModel, inputs: Inputs, k: int, cache: PrefillCache) -> dict[str, Any]:
    """`{values: {score: [k]}, gain, gain_reprompt, nodes, error, certified}` in nats, in prompt order.

    nodes, error, certified: what each estimator took, its completeness error, and what it knows of the error
    of an effect. Where fewer than k demonstrations were found or fit: `{short: how many}`.
    """
    import torch

    from engine.llm.explain.reprompt import Reprompts
    from engine.llm.explain.saliency import gradient_times_input
    from engine.llm.scoring.gates import DemonstrationLoss
    from engine.llm.scoring.ranking import demo_head, prepare
    from engine.lrgd import agreement
    from engine.lrgd.effects import ESTIMATORS
    from engine.lrgd.objective import Remembered
    from engine.lrgd.shapley import exact

    question, fitted, _, _ = prepare(loaded, inputs.task())
    if len(fitted.kept) < k:
        return {"short": len(fitted.kept)}
    head = demo_head(loaded, fitted, cache)
    loss = DemonstrationLoss(loaded, fitted, head, question)
    objective = Remembered(loss)
    ones = torch.ones(k, dtype=loss.dtype, device=loaded.device)
    estimates = {name: estimate(objective, ones) for name, estimate in ESTIMATORS.items()}
    values = {name: estimate.effects.tolist() for name, estimate in estimates.items()}
    values["removal"] = agreement.removal(objective, ones).tolist()
    values["gradient"] = (-loss.gradient(ones[None])[1][0]).tolist()
    signed, size = gradient_times_input(loaded, fitted, question)
    values |= {"gradient_input": signed.tolist(), "gradient_input_size": size.tolist()}
    values["mass"] = loss.attention_mass(ones).tolist()
    values["bm25"] = likeness(inputs)
    values["place"] = [float(b) for b in range(k)]
    again = Remembered(Reprompts(loaded, fitted, head, question))
    if k <= ALL_PROMPTS_UP_TO:
        whole = DemonstrationLoss(loaded, fitted, head, question, "total")
        values["total"] = exact(whole, ones).effects.tolist()
        values["reprompt"] = exact(again, ones).effects.tolist()
    values["reprompt_loo"] = agreement.removal(again, ones).tolist()
    without, with_all = again.value(torch.stack([0 * ones, ones])).tolist()
    return {
        "values": {name: plain(scores) for name, scores in values.items()},
        "gain": estimates["exact"].total,
        "gain_reprompt": without - with_all,
        "nodes": {name: estimate.nodes for name, estimate in estimates.items()},
        "error": {name: estimate.completeness_error for name, estimate in estimates.items()},
        "certified": {name: estimate.certified_error for name, estimate in estimates.items()},
    }


def likeness(inputs: Inputs) -> list[float]:
    """BM25 score of each demonstration's titles for the titles of the query's history [k]."""
    asked = titles_of(inputs.query.history)
    shown = [titles_of([*entry.history, entry.answer]) for entry in inputs.chosen]
    return TitleIndex([*shown, asked]).scores(asked).tolist()[: len(shown)]


def plain(values: Sequence[float]) -> list[float]:
    """Of few digits, so that a resumed study is equal to one without a break."""
    return [float(f"{value:.{_DIGITS}g}") for value in values]
