"""All scores of one user's demonstrations: effects by every estimator, ground truths and alternatives.

Boundary: a gathered request and a loaded model in, `[k]` numbers per score out, for both measures of the
title that was really bought next. No statistics.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from db.choices import MEASURES
from engine.data.similar_titles import TitleIndex
from engine.demos.query import titles_of
from engine.tasks.inputs import Inputs

if TYPE_CHECKING:
    from engine.llm.loading.load import LoadedModel
    from engine.llm.scoring.gates import WeightedPrompt
    from engine.llm.scoring.modes import Question
    from engine.lrgd.objective import Remembered
    from engine.prompts import Fitted

EFFECT, TRUTH, RIVAL = "effect", "truth", "rival"
ROUNDING = 1e-6  # what equal numbers may differ by
_DIGITS = 7


@dataclass(frozen=True)
class Score:
    """A way to score demonstrations. kind: what it is to the study; a truth may be compared with others."""

    label: str
    kind: str


SCORES = {
    "exact": Score("exact Shapley values by removal", EFFECT),
    "kriging": Score("Shapley values by removal, kriging", EFFECT),
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

DROPS = ("reprompt_loo", "reprompt")
"""What really dropping a demonstration does: that one alone, and its share over all coalitions."""


def scored(loaded: LoadedModel, inputs: Inputs, k: int) -> dict[str, Any]:
    """`{measure: {values: {score: [k]}, gain, gain_reprompt, passes, covered}}`, in prompt order.

    covered: for each estimator with intervals, which of them hold the exact value [k]. Where fewer than k
    demonstrations were found or fit: `{short: how many}`.
    """
    from engine.llm.explain.reprompt import Reprompts
    from engine.llm.scoring.gates import WeightedPrompt
    from engine.llm.scoring.measures import reading
    from engine.llm.scoring.memory import PrefillCache
    from engine.llm.scoring.ranking import demo_head, prepare
    from engine.lrgd.objective import Remembered

    question, fitted, _, _ = prepare(loaded, inputs.task())
    if len(fitted.kept) < k:
        return {"short": len(fitted.kept)}
    # Of this user alone: what another's prompts left behind would not be there after a break.
    cache = PrefillCache()
    head = demo_head(loaded, fitted, cache)
    ask = reading(loaded, question, "margin", cache)
    games = {
        "direct": Remembered(WeightedPrompt(loaded, fitted, head, ask), ask.columns),
        "total": Remembered(WeightedPrompt(loaded, fitted, head, ask, "total"), ask.columns),
        "reprompt": Remembered(Reprompts(loaded, fitted, head, ask), ask.columns),
    }
    found = {}
    for column, measure in enumerate(MEASURES):
        own = reading(loaded, question, measure, cache)  # type: ignore[arg-type]
        gated = WeightedPrompt(loaded, fitted, head, own)
        played = {name: game.column(column) for name, game in games.items()}
        found[measure] = _scored(loaded, inputs, k, played, gated)
    signed, size = gradients(loaded, fitted, question)
    found["loss"]["values"] |= {"gradient_input": signed, "gradient_input_size": size}
    return found


def gradients(loaded: LoadedModel, fitted: Fitted, question: Question) -> tuple[list[float], list[float]]:
    """Gradient times input of the loss, with its sign and in size [k]."""
    from engine.llm.explain.saliency import gradient_times_input

    signed, size = gradient_times_input(loaded, fitted, question)
    return plain(signed.tolist()), plain(size.tolist())


def _scored(
    loaded: LoadedModel, inputs: Inputs, k: int, games: Mapping[str, Remembered], gated: WeightedPrompt
) -> dict[str, Any]:
    """All scores in one measure. games: by mode, sharing the passes of the other measure."""
    import torch

    from engine.lrgd import agreement
    from engine.lrgd.aumann import aumann
    from engine.lrgd.kriging import kriging
    from engine.lrgd.shapley import exact

    ones = torch.ones(k, dtype=gated.dtype, device=loaded.device)
    true, nearly, integral = exact(games["direct"], ones), kriging(games["direct"], ones), aumann(gated, ones)
    assert nearly.reach is not None
    values = {"exact": true.effects.tolist(), "kriging": nearly.effects.tolist()}
    values["aumann"] = integral.effects.tolist()
    values["total"] = exact(games["total"], ones).effects.tolist()
    values["removal"] = agreement.removal(games["direct"], ones).tolist()
    values["reprompt"] = exact(games["reprompt"], ones).effects.tolist()
    values["reprompt_loo"] = agreement.removal(games["reprompt"], ones).tolist()
    values["gradient"] = (-gated.gradient(ones[None])[1][0]).tolist()
    values["mass"] = gated.attention_mass(ones).tolist()
    values["bm25"] = likeness(inputs)
    values["place"] = [float(b) for b in range(k)]
    without, with_all = games["reprompt"].value(torch.stack([0 * ones, ones])).tolist()
    held = (nearly.effects - true.effects).abs() <= nearly.reach + ROUNDING
    return {
        "values": {name: plain(scores) for name, scores in values.items()},
        "gain": true.total,
        "gain_reprompt": without - with_all,
        "passes": {found.estimator: found.passes for found in (true, integral)} | {"kriging": nearly.passes},
        "covered": {"kriging": held.tolist()},
    }


def likeness(inputs: Inputs) -> list[float]:
    """BM25 score of each demonstration's titles for the titles of the query's history [k]."""
    asked = titles_of(inputs.query.history)
    shown = [titles_of([*entry.history, entry.answer]) for entry in inputs.chosen]
    return TitleIndex([*shown, asked]).scores(asked).tolist()[: len(shown)]


def plain(values: Sequence[float]) -> list[float]:
    """Of few digits, so that a resumed study is equal to one without a break."""
    return [float(f"{value:.{_DIGITS}g}") for value in values]
