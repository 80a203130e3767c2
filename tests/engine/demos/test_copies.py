"""Copies count what demonstrations show: by item, by weight, in answers alone or in histories too."""

import pytest

from db.choices import COPIES
from engine.demos.copies import COUNTED, scores

SHOWN = [(["a", "b", "a"], "c"), (["c"], "d"), (["", "b"], "c")]


@pytest.mark.parametrize(
    ("name", "weights", "expected"),
    [
        ("copy", (1.0, 1.0, 1.0), [0, 0, 2, 1, 0]),
        ("copy", (2.0, 0.0, 0.5), [0, 0, 2.5, 0, 0]),
        ("copy-histories", (1.0, 1.0, 1.0), [2, 2, 3, 1, 0]),
        ("copy-histories", (0.5, 1.0, 0.0), [1, 0.5, 1.5, 1, 0]),
    ],
)
def test_each_demonstration_counts_its_weight(
    name: str, weights: tuple[float, ...], expected: list[float]
) -> None:
    assert scores(name, SHOWN, weights, ["a", "b", "c", "d", "e"]) == expected


def test_every_row_is_counted_and_without_demonstrations_all_are_tied() -> None:
    assert set(COUNTED) == set(COPIES)
    for name in COPIES:
        assert scores(name, [], (), [1, 2, 3]) == [0, 0, 0]
