"""Scores kept as JSON: finite numbers that rank as the scores did."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.evaluation.metrics import Standing, standing
from engine.studies.answers import Asked

scores = st.sampled_from([math.nan, math.inf, -math.inf, 0.0, 1.0, -2.5])


@given(st.lists(scores, min_size=2, max_size=8), st.data())
def test_kept_scores_rank_as_the_scores_do(given: list[float], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(given) - 1))
    kept = Asked(None, (), (), place).plain(given)  # type: ignore[arg-type]
    assert all(math.isfinite(score) for score in kept)
    assert standing(kept, 0) == standing(given, place)


@pytest.mark.parametrize("place", [0, 3])
def test_a_model_without_any_score_is_not_worth_what_chance_is(place: int) -> None:
    kept = Asked(None, (), (), place).plain([math.nan] * 5)  # type: ignore[arg-type]
    assert standing(kept, 0) == Standing(4)
