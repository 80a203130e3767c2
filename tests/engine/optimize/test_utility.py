"""What a set is worth under perturbations, against rankings of the perturbed prompts one by one."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from db.choices import EDITS
from db.errors import BadInput
from db.requests import OptimizeRequest
from db.requests.edits import parse
from engine.context import Engine, resolve
from engine.demos import selection
from engine.demos.dislikes import disliked_titles
from engine.llm.scoring.perturbed_prompts import draws_of
from engine.llm.scoring.ranking import Task, rank_candidates
from engine.optimize import optimize, validation_purchases
from engine.optimize.utility import ModelUtility
from tests.engine.optimize.conftest import Optimized

Opened = Callable[..., Engine]


@pytest.mark.parametrize("perturb", [None, *EDITS, "typos:0.5+order"])
def test_the_robust_effect_is_that_of_the_perturbed_prompts(
    opened: Opened, asked: OptimizeRequest, perturb: str | None
) -> None:
    """Its mean and spread over draws, each written and ranked by itself; nobody sees what gives them away."""
    engine, ask = opened(), replace(asked, perturb=perturb, draws=3, kappa=0.7, noise=0.4, scoring="sum")
    context = resolve(engine, ask)
    dataset, query = context.dataset, context.query
    pool = selection.pool(engine.store, dataset, query, ["neighbours"], 3, 0)
    among = validation_purchases.targets(engine.store, dataset, query, ask.probes, ask.history, ask.seed)
    utility = ModelUtility(context, pool, among)

    edits = parse(perturb or "weights:0.4")
    chosen, share = (2, 0), validation_purchases.share(among)
    listed = validation_purchases.candidates(engine.store, dataset, query, among, ask.seed)
    hidden = validation_purchases.hidden(among, [pool[n] for n in chosen], query)
    disliked = disliked_titles(engine.store, dataset, query, "negatives")
    shown = Task(tuple(pool[n].example for n in chosen), (), ())
    totals = []
    for draw in draws_of(shown, edits, ask.seed, range(3), disliked):
        gains = []
        for target, titles, hides in zip(among, listed, hidden, strict=True):
            shown = [n for n, place in enumerate(draw.order) if not hides[place]]
            task = replace(
                draw.task,
                demos=tuple(draw.task.demos[n] for n in shown),
                weights=tuple((draw.task.weights or (1.0, 1.0))[n] for n in shown),
                history=tuple(row.title for row in target.history),
                candidates=titles,
                target=0,
            )
            found = rank_candidates(context.loaded, task)
            assert found.margin is not None
            assert found.margin_zero_shot is not None
            gains.append(found.margin - found.margin_zero_shot)
        totals.append(float(share @ np.array(gains)))
    expected = np.mean(totals) - 0.7 * np.std(totals)
    assert utility.robust(chosen) == pytest.approx(expected, abs=3e-4)


def test_perturbations_choose_among_several_sets(optimized: Optimized, asked: OptimizeRequest) -> None:
    found = optimize(optimized.engine, replace(asked, perturb="order", guard=False)).result
    assert found["request"]["perturb"] == "order"
    assert found["key"] != optimized.result["key"]


@pytest.mark.parametrize("perturb", ["loud", "typos:2", "order+order", 3])
def test_an_edit_that_is_none_is_refused(asked: OptimizeRequest, perturb: object) -> None:
    with pytest.raises(BadInput, match="perturb"):
        replace(asked, perturb=perturb)


def test_negatives_of_who_dislikes_nothing_are_refused_before_any_work(
    opened: Opened, asked: OptimizeRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = opened()
    monkeypatch.setattr(engine, "load", lambda info: pytest.fail("no model is needed to refuse this"))
    monkeypatch.setattr("db.datasets.rated_below", lambda *where: [])
    with pytest.raises(BadInput, match="rated nothing below"):
        optimize(engine, replace(asked, perturb="negatives"))
