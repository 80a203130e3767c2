"""What a strategy was asked for, and why there may be fewer demonstrations."""

import pytest

from db.requests.strategy_spec import shortfall


@pytest.mark.parametrize(
    ("written", "prompts", "count", "said"),
    [
        ("greedy:8", 1, 0, "Greedy by effect kept 0 of at most 8 demonstrations; it rejects"),
        ("twostage:2", 1, 1, "Two-stage optimization kept 1 of at most 2"),
        ("proximal:4", 1, 1, "Only 1 of 4 demonstrations of this kind exist for this user."),
        ("neighbours:4", 2, 5, "Only 5 of 8"),
        ("neighbours:4", 1, 4, None),
        ("neighbours:300t", 1, 1, None),
        ("none", 1, 0, None),
    ],
)
def test_fewer_demonstrations_than_asked_for_are_explained(
    written: str, prompts: int, count: int, said: str | None
) -> None:
    note = shortfall(written, prompts, count)
    assert (note is None) == (said is None)
    assert (note or "").startswith(said or "")
