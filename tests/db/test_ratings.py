"""The scale of ratings: thresholds from the range, spellings, what old data sets have."""

import math

import pytest

from db.errors import BadInput
from db.ratings import FIVE_STARS, Scale, between, parse


@pytest.mark.parametrize(
    ("low", "high", "step", "liked", "disliked"),
    [
        (1, 5, 1, 4, 3),
        (0.5, 5, 0.5, 4, 3),
        (0, 5, 1, 4, 3),
        (0, 1, 1, 1, 1),
        (-1, 1, 1, 1, 0),
        (1, 10, 1, 8, 6),
        (0, 10, 1, 8, 5),
        (1, 7, 1, 6, 4),
        (1, 3, 1, 3, 2),
        (0, 100, 1, 75, 50),
        (-10, 10, 0, 5, 0),
        (0, 1, 0, 0.75, 0.5),
    ],
)
def test_thresholds_follow_the_range(
    low: float, high: float, step: float, liked: float, disliked: float
) -> None:
    scale = between(low, high, step)
    assert (scale.liked, scale.disliked) == (liked, disliked)
    assert Scale.from_json(scale.to_json()) == scale
    assert parse(scale.spelling) == scale


def test_a_rating_may_be_liked_disliked_neither_or_missing() -> None:
    assert [FIVE_STARS.likes(r) for r in (5, 4, 3.5, 1, None, math.nan)] == [
        True,
        True,
        False,
        False,
        True,
        True,
    ]
    assert [FIVE_STARS.dislikes(r) for r in (2.5, 3, None, math.nan)] == [True, False, False, False]
    counts = parse("counts")
    assert counts.likes(1)
    assert not counts.dislikes(0)


def test_a_data_set_without_a_stored_scale_has_five_stars() -> None:
    assert Scale.from_json(None) == FIVE_STARS


@pytest.mark.parametrize(
    ("text", "scale"),
    [
        ("1:10", Scale(1, 10, 8, 6)),
        ("-1:1", Scale(-1, 1, 1, 0)),
        ("1:10:7", Scale(1, 10, 7, 6)),
        ("1:10:7:4", Scale(1, 10, 7, 4)),
        ("0:1", Scale(0, 1, 1, 1)),
    ],
)
def test_spellings(text: str, scale: Scale) -> None:
    assert parse(text) == scale


@pytest.mark.parametrize("text", ["", "5", "5:1", "1:5:9", "1:5:2:4", "a:b", "1:5:4:3:2", "nan:5", "0:inf"])
def test_a_scale_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="rating_scale"):
        parse(text)
