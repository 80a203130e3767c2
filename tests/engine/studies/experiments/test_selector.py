"""Demonstrations only where they help: simulated truths, identities, and that judged users never teach."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import scipy.stats

from engine.studies.experiments.cells import Cell
from engine.studies.experiments.decision_rule import FOLDS, folds
from engine.studies.experiments.selector import (
    ALWAYS,
    NEVER,
    ORACLE,
    SELECTOR,
    Outcomes,
    cross_validated,
    selector,
    tables,
    uncertainty,
)
from tests.support.grid import grid

NAMES = ("history length", "entropy")


def outcomes(seed: int, users: int = 150, sure: float = 0.2) -> Outcomes:
    """Users whom demonstrations help by `sure` where their entropy is above .5, and hurt elsewhere."""
    rng = np.random.Generator(np.random.PCG64(seed))
    features = rng.random((users, 2))
    without = rng.uniform(0.3, 0.6, users)
    gains = np.where(features[:, 1] > 0.5, sure, -sure) + rng.normal(0, 0.1, users)
    return Outcomes(features, without, without + gains, np.full(users, 100.0), np.full(users, 500.0))


PAST, JUDGED = outcomes(0), outcomes(1)


def test_a_true_rule_beats_always_and_never_and_stays_below_the_oracle() -> None:
    found = selector(PAST, JUDGED, NAMES)
    reached = {name: arm["mean"] for name, arm in found["arms"].items()}
    assert reached[ORACLE] >= reached[SELECTOR] > max(reached[ALWAYS], reached[NEVER])
    assert all(test["p_holm"] < 0.05 and test["mean"] > 0 for test in found["tests"].values())
    assert found["words"].startswith("Show demonstrations where entropy is above 0.")
    assert found["shown"] == pytest.approx((JUDGED.features[:, 1] > 0.5).mean(), abs=0.05)
    assert (found["fitted_on"], found["users"], found["validation"]) == (150, 150, "past purchases")
    assert json.loads(json.dumps(found)) == found
    assert [len(rows) for _, rows in tables(found)] == [4, 2]


def test_tokens_saved_are_those_of_whom_nothing_is_shown() -> None:
    found = selector(PAST, JUDGED, NAMES)
    assert found["tokens"]["saved"] == pytest.approx(400 * (1 - found["shown"]))
    assert found["tokens"][SELECTOR] == pytest.approx(500 - found["tokens"]["saved"])
    assert f"saves {found['tokens']['saved'] / 500:.0%} of the tokens" in found["said"]


def test_outcomes_of_judged_users_never_reach_the_fit() -> None:
    other = replace(JUDGED, without=JUDGED.with_[::-1], with_=JUDGED.without * 3)
    found, changed = (selector(PAST, judged, NAMES) for judged in (JUDGED, other))
    assert changed["arms"] != found["arms"]
    for part in ("rule", "words", "shown", "tokens"):
        assert changed[part] == found[part]


@pytest.mark.parametrize("number", range(FOLDS))
def test_outcomes_of_a_fold_never_reach_its_own_decisions(number: int) -> None:
    """All others learn from them; who is shown something in this fold can be told from tokens."""
    held = folds(len(PAST.without), 0) == number
    marked = replace(PAST, tokens_without=np.zeros(len(held)), tokens_with=held.astype(float))
    turned = replace(marked, with_=np.where(held, -PAST.with_ * 50, PAST.with_))
    found, changed = (cross_validated(asked, NAMES)["tokens"][SELECTOR] for asked in (marked, turned))
    assert changed == found > 0


def test_folds_of_users_find_the_true_rule_too() -> None:
    found = cross_validated(PAST, NAMES)
    assert all(test["mean"] > 0 and test["p_holm"] < 0.05 for test in found["tests"].values())
    assert "entropy is above" in found["words"]
    assert found["validation"] == "5 folds of users"


@pytest.mark.parametrize("shift, arm", [(0.3, ALWAYS), (-0.3, NEVER)])
def test_where_all_are_alike_the_rule_is_the_better_of_always_and_never(shift: float, arm: str) -> None:
    def alike(asked: Outcomes) -> Outcomes:
        noise = np.random.Generator(np.random.PCG64(7)).normal(0, 0.05, len(asked.without))
        return replace(asked, with_=asked.without + shift + noise)

    found = selector(alike(PAST), alike(JUDGED), NAMES)
    assert found["words"] == f"{arm.capitalize()} show demonstrations."
    assert found["arms"][SELECTOR] == found["arms"][arm]
    assert found["tests"][arm]["p"] == 1


def test_features_that_tell_nothing_are_not_called_a_gain() -> None:
    """Of twenty simulated pairs of past and later purchases, hardly any rule is called better than both."""
    better = 0
    for seed in range(20):
        past, judged = outcomes(seed, 60, sure=0.0), outcomes(100 + seed, 60, sure=0.0)
        tests = selector(past, judged, NAMES)["tests"].values()
        better += all(test["mean"] > 0 and test["p_holm"] < 0.05 for test in tests)
    assert better <= 1


def test_a_few_users_get_one_rule_for_all() -> None:
    few = PAST.of(np.arange(len(PAST.without)) < 3)
    for found in (selector(few, few, NAMES), cross_validated(few, NAMES)):
        assert found["words"] in ("Always show demonstrations.", "Never show demonstrations.")


def test_what_is_incomplete_is_refused() -> None:
    with pytest.raises(ValueError, match="finite features"):
        replace(PAST, features=np.full_like(PAST.features, np.nan))
    with pytest.raises(ValueError, match="all four values"):
        replace(PAST, without=PAST.without[1:])


# Features.


def test_uncertainty_worked_out_by_hand() -> None:
    cells = grid({"none": [[Cell(0, 0, (math.log(3), 0.0), ())], [Cell(0, 1, (1.0, 1.0), ())]]})
    found = uncertainty(cells, "none")
    assert found[0] == pytest.approx([scipy.stats.entropy([0.75, 0.25]), math.log(3)])
    assert found[1] == pytest.approx([math.log(2), 0])


def test_which_candidate_is_the_target_plays_no_part_in_it() -> None:
    scores = (0.3, -1.0, 2.0, -math.inf, math.nan)
    lists = [[Cell(0, 0, scores[place:] + scores[:place], ())] for place in range(5)]
    found = uncertainty(grid({"none": lists}), "none")
    assert found == pytest.approx(np.tile(found[0], (5, 1)))
    assert np.isfinite(found).all()


def test_a_shift_of_all_scores_changes_no_uncertainty() -> None:
    lists = [[Cell(0, 0, tuple(shift + score for score in (0.0, 1.0, 5.0)), ())] for shift in (0.0, -700.0)]
    found = uncertainty(grid({"none": lists}), "none")
    assert found[0] == pytest.approx(found[1])
