"""Notes of a run say why a strategy gave fewer demonstrations than were asked for."""

from db.requests.strategy_spec import parse_spec
from engine.tasks.results import fewer


def test_an_optimizing_strategy_rejected_them() -> None:
    text = fewer(parse_spec("greedy:8"), 0, 8)
    assert text.startswith("Greedy by effect kept 0 of at most 8 demonstrations; it rejects")
    assert "found" not in text


def test_other_strategies_had_no_more() -> None:
    text = fewer(parse_spec("proximal:4"), 1, 4)
    assert text == "Only 1 of 4 demonstrations of this kind exist for this user."
