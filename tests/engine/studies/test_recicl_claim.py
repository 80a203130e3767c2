"""The verdict on RecICL's claim: both differences must be there, and the sentence says what was found."""

import re

import numpy as np
import pytest

from engine.studies.answers import FRESH, STALE, ZERO_SHOT
from engine.studies.recicl_claim import (
    MEASURES,
    RECICL,
    SINGLE,
    claim,
    comparisons,
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
    return claim("toys", values, tested)


@pytest.mark.parametrize(
    "over_single, over_own, holds",
    [(0.1, 0.1, True), (0.1, 0.0, False), (0.0, 0.1, False), (-0.1, 0.1, False), (0.1, -0.1, False)],
)
def test_the_claim_holds_where_both_differences_are_there(
    over_single: float, over_own: float, holds: bool
) -> None:
    sentence, found = told(over_single, over_own)
    assert found == dict.fromkeys(MEASURES, holds)
    assert sentence.startswith(f"RecICL's claim {'holds' if holds else 'does not hold'} on toys:")


def test_the_sentence_tells_the_numbers() -> None:
    sentence, _ = told(0.1, -0.1)
    assert re.search(r"is 0\.\d{3}, \+0\.(099|100|101) \(.*, p < 0\.001\) against the single", sentence)
    assert re.search(r"and -0\.(099|100|101) \(.*, p < 0\.001\) against its own zero-shot", sentence)
    assert re.search(r"Against stale demonstrations, fresh ones make [+-]0\.0\d\d \(.*, p = ", sentence)


def test_measures_that_disagree_are_named() -> None:
    rng = np.random.Generator(np.random.PCG64(0))
    low, high = rng.normal(size=(2, 60)) * 0.01 + [[0.3], [0.6]]
    cells = {
        cell: {"auc": low, "uauc": low, "ndcg10": low}
        for cell in [(row, column) for row in ROWS for column in COLUMNS]
    }
    cells[RECICL, FRESH] = {"auc": low, "uauc": low, "ndcg10": high}
    sentence, holds = claim("toys", cells, differences(cells, comparisons(ROWS, COLUMNS), 0))
    assert holds == {"auc": False, "uauc": False, "ndcg10": True}
    assert sentence.endswith("By AUC and uAUC the claim does not hold.")


def test_without_both_tuned_models_nothing_is_claimed() -> None:
    values = {(row, c): dict.fromkeys(MEASURES, np.ones(5)) for row in ("base", RECICL) for c in COLUMNS}
    pairs = comparisons(["base", RECICL], COLUMNS)
    sentence, holds = claim("toys", values, differences(values, pairs, 0))
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
