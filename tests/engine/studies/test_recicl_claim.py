"""The verdict on RecICL's claim: both differences must be there, and the sentence says what was found."""

import re

import numpy as np
import pytest

from engine.studies.answers import FRESH, STALE, ZERO_SHOT
from engine.studies.recicl_claim import (
    GAIN,
    MEASURES,
    RECICL,
    SINGLE,
    claim,
    comparisons,
    deciding,
    departures,
    differences,
)

COLUMNS = (ZERO_SHOT, STALE, FRESH)
ROWS = ["base", SINGLE, RECICL]


def told(over_single: float, over_own: float) -> tuple[str, dict[str, bool] | None]:
    """The verdict where recicl with fresh demonstrations is so much better than the claim's two cells."""
    rng = np.random.Generator(np.random.PCG64(0))
    noise = {(row, column): 0.5 + 0.1 * rng.normal(size=200) for row in ROWS for column in COLUMNS}
    noise[RECICL, FRESH] = 0.5 + 0.1 * rng.normal(size=200)
    noise[SINGLE, FRESH] = noise[RECICL, FRESH] - over_single + 0.01 * rng.normal(size=200)
    noise[RECICL, ZERO_SHOT] = noise[RECICL, FRESH] - over_own + 0.01 * rng.normal(size=200)
    values = {cell: dict.fromkeys(MEASURES, found) for cell, found in noise.items()}
    tested = differences(values, comparisons(ROWS, COLUMNS), 0)
    return claim("toys", values, tested, "Amazon reviews")


@pytest.mark.parametrize(
    "over_single, over_own, holds",
    [(0.1, 0.1, True), (0.1, 0.0, False), (0.0, 0.1, False), (-0.1, 0.1, False), (0.1, -0.1, False)],
)
def test_the_claim_holds_where_both_differences_are_there(
    over_single: float, over_own: float, holds: bool
) -> None:
    sentence, found = told(over_single, over_own)
    assert found == dict.fromkeys(MEASURES, holds)
    assert ("it is better than both." in sentence) == holds
    assert ("it is not shown to be better than both." in sentence) == (not holds)
    assert sentence.endswith(
        "This is not the paper's study, which has Amazon reviews: its claim stays untested here."
    )
    assert "claim holds" not in sentence
    assert "does not hold" not in sentence


def test_what_the_papers_study_has_and_this_one_has_not_is_named() -> None:
    paper = {"sources": ["proximal"], "answers": "rated", "loss_on": "last", "template": "recicl"}
    data = "Amazon reviews of 2018 and a model of 0.5 billion parameters"
    assert departures("proximal:4", paper) == data
    assert departures("neighbours:4", {**paper, "loss_on": "all"}) == (
        f"the user's own windows as demonstrations, the loss on the last answer alone, {data}"
    )
    assert "Yes or No" in departures("proximal:4", {})


@pytest.mark.parametrize(("change", "said"), [(-0.1, "cost what"), (0.1, "take more"), (0.0, "not shown")])
def test_what_tuning_without_demonstrations_does_to_learning_in_context(change: float, said: str) -> None:
    """The paper's premise: the gain from fresh demonstrations after such tuning less the gain before it."""
    rng = np.random.Generator(np.random.PCG64(1))
    noise = {(row, column): rng.normal(scale=0.02, size=300) for row in ROWS for column in COLUMNS}
    noise["base", FRESH] += 0.2
    noise[SINGLE, FRESH] += 0.2 + change
    values = {cell: dict.fromkeys(MEASURES, found) for cell, found in noise.items()}
    tested = differences(values, comparisons(ROWS, COLUMNS), 0)
    [test] = [test for test in tested if test["better"] == [SINGLE, GAIN]]
    assert test["than"] == ["base", GAIN]
    assert test["ndcg10"]["mean"] == pytest.approx(change, abs=0.01)
    assert said in claim("toys", values, tested, "Amazon reviews")[0]


def test_the_sentence_tells_the_numbers() -> None:
    sentence, _ = told(0.1, -0.1)
    p = r"p < 0\.001, Holm (< 0\.001|0\.00\d)"
    assert re.search(rf"is 0\.\d{{3}}, \+0\.(099|100|101) \(.*?, {p}\) against the single", sentence)
    assert re.search(rf"and -0\.(099|100|101) \(.*, {p}\) against its own zero-shot", sentence)
    assert re.search(r"Against stale demonstrations, fresh ones make [+-]0\.0\d\d \(.*, p = ", sentence)


def test_measures_that_disagree_are_named() -> None:
    rng = np.random.Generator(np.random.PCG64(0))
    low, high = rng.normal(size=(2, 60)) * 0.01 + [[0.3], [0.6]]
    cells = {
        cell: {"auc": low, "uauc": low, "ndcg10": low}
        for cell in [(row, column) for row in ROWS for column in COLUMNS]
    }
    cells[RECICL, FRESH] = {"auc": low, "uauc": low, "ndcg10": high}
    sentence, holds = claim(
        "toys", cells, differences(cells, comparisons(ROWS, COLUMNS), 0), "Amazon reviews"
    )
    assert holds == {"auc": False, "uauc": False, "ndcg10": True}
    assert "By AUC and uAUC it is not shown." in sentence


def test_a_tuning_on_ratings_is_judged_by_ratings() -> None:
    """That is the measure of the paper, and what such a model is tuned to say."""
    rng = np.random.Generator(np.random.PCG64(0))
    cells = {
        (row, column): {"rated": rng.normal(0.5, 0.1, size=60), "ndcg10": rng.normal(0.3, 0.1, size=60)}
        for row in ROWS
        for column in COLUMNS
    }
    cells[RECICL, FRESH]["rated"] += 0.2
    assert deciding(cells, {"answers": "rated"}) == "rated"
    assert deciding(cells, {"answers": "yes_no"}) == "ndcg10"
    assert (
        deciding({cell: {"ndcg10": kept["ndcg10"]} for cell, kept in cells.items()}, {"answers": "rated"})
        == "ndcg10"
    )
    tested = differences(cells, comparisons(ROWS, COLUMNS), 0)
    sentence, holds = claim("toys", cells, tested, "Amazon reviews", "rated")
    assert holds == {"rated": True, "ndcg10": False}
    assert re.search(r"AUC by rating is 0\.[67]\d\d, .*: it is better than both\.", sentence)
    assert "By NDCG@10 it is not shown." in sentence
    assert "power" not in sentence


def test_what_is_not_shown_has_its_power_beside_it() -> None:
    sentence = told(0.0, 0.0)[0]
    found = re.search(
        r"With 200 users, true differences of (0\.\d+) and (0\.\d+) are found with 80%", sentence
    )
    assert found
    assert all(float(each) == pytest.approx(2.8 * 0.01 / 200**0.5, abs=0.001) for each in found.groups())


def test_without_both_tuned_models_nothing_is_claimed() -> None:
    values = {(row, c): dict.fromkeys(MEASURES, np.ones(5)) for row in ("base", RECICL) for c in COLUMNS}
    pairs = comparisons(["base", RECICL], COLUMNS)
    sentence, holds = claim("toys", values, differences(values, pairs, 0), "Amazon reviews")
    assert holds is None
    assert "was not tested on toys" in sentence


def test_every_pair_is_tested_once() -> None:
    pairs = comparisons(ROWS, COLUMNS)
    assert len(pairs) == len(set(pairs))
    assert ((RECICL, FRESH), (SINGLE, FRESH)) in pairs
    for row in ROWS:
        assert ((row, FRESH), (row, STALE)) in pairs
        assert ((row, FRESH), (row, ZERO_SHOT)) in pairs
    assert all(STALE not in cell for pair in comparisons(ROWS, (ZERO_SHOT, FRESH)) for cell in pair)
