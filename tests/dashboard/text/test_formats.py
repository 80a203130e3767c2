"""Numbers, dates and sizes as people read them."""

from datetime import UTC, datetime

import pytest

from dashboard.text import formats
from db.ratings import Scale, between, parse


@pytest.mark.parametrize(
    ("value", "text"), [(1.742, "+1.74"), (-0.256, "−0.26"), (0.001, "0.00"), (-0.004, "0.00"), (None, "–")]
)
def test_signed(value: float | None, text: str) -> None:
    assert formats.signed(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1, "1st"),
        (2, "2nd"),
        (3, "3rd"),
        (4, "4th"),
        (11, "11th"),
        (12, "12th"),
        (21, "21st"),
        (113, "113th"),
    ],
)
def test_ordinal(value: int, text: str) -> None:
    assert formats.ordinal(value) == text


@pytest.mark.parametrize(
    ("metrics", "text", "shown"),
    [
        ({"rank": 3.0, "tied": 0}, "3rd", "3"),
        ({"rank": 4.5, "tied": 3}, "3rd–6th (tied with 3 others)", "4.5"),
        ({"rank": 2.0, "tied": 2}, "1st–3rd (tied with 2 others)", "2"),
        ({"rank": 1.5, "tied": 1}, "1st–2nd (tied with 1 other)", "1.5"),
        ({"rank": 7}, "7th", "7"),  # of a run that an earlier version stored
    ],
)
def test_rank(metrics: dict[str, float], text: str, shown: str) -> None:
    assert formats.rank(metrics) == text
    assert formats.rank_number(metrics["rank"]) == shown


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0 s"),
        (0.084, "84 ms"),
        (0.21, "0.21 s"),
        (12.4, "12.4 s"),
        (185, "3 min 05 s"),
        (7800, "2 h 10 min"),
        (None, "–"),
    ],
)
def test_seconds(value: float | None, text: str) -> None:
    assert formats.seconds(value) == text


def test_sizes_and_counts() -> None:
    assert formats.size(812) == "812 B"
    assert formats.size(4_200_000) == "4.2 MB"
    assert formats.count(12345) == "12,345"
    assert formats.plural(1, "item") == "1 item"
    assert formats.plural(3, "entry", "entries") == "3 entries"
    assert formats.parameters(9_800_000) == "9.8 M"


def test_dates() -> None:
    assert formats.day(1_614_729_600) == "3 Mar 2021"
    assert formats.day(None) == "–"
    assert formats.day(10**18) == "–"
    now = datetime(2021, 3, 3, 12, tzinfo=UTC).timestamp()
    assert formats.ago(now - 20, now) == "just now"
    assert formats.ago(now - 7200, now) == "2 h ago"
    assert formats.ago(now - 3 * 86400, now) == "28 Feb 2021"


@pytest.mark.parametrize(
    ("rating", "text"),
    [(5.0, "★★★★★"), (4.5, "★★★★½"), (0.0, "no stars"), (None, ""), (float("nan"), ""), (87.0, "rated 87")],
)
def test_stars(rating: float | None, text: str) -> None:
    assert formats.stars(rating) == text


@pytest.mark.parametrize(
    ("scale", "text"),
    [(between(1, 10, 1), "rated 4 of 10"), (parse("counts"), "rated 4"), (between(0.5, 5, 0.5), "★★★★")],
)
def test_a_rating_is_shown_on_its_own_scale(scale: Scale, text: str) -> None:
    assert formats.stars(4.0, scale) == text
