"""Sentences of the Recommend page that say where numbers come from: each is so for the run it stands at."""

from types import SimpleNamespace
from typing import Any

import pytest

from dashboard.screens.recommend.lists_card import total_help
from dashboard.screens.recommend.other_lists import demonstrations_know
from dashboard.screens.recommend.pool import known_when

RUN: Any = SimpleNamespace(
    result={"margin_zero_shot": -2.0, "margin": -0.5, "loss_zero_shot": 9.0, "loss": 6.0}
)


def effects(mode: str, measure: str, before: float, after: float) -> dict[str, Any]:
    total = after - before if measure == "margin" else before - after
    values = {"value_zero_shot": before, "value": after, "effect_total": total}
    return {"mode": mode, "measure": measure, **values}


@pytest.mark.parametrize("measure", ["margin", "loss"])
def test_a_total_says_what_it_is_of_and_why_it_is_not_the_change(measure: str) -> None:
    same = {"margin": (-2.0, -0.5), "loss": (9.0, 6.0)}[measure]
    other = {"margin": (-2.0, -1.5), "loss": (9.0, 5.0)}[measure]
    for mode, said in (("direct", "if you turn it down"), ("reprompt", "if you drop it")):
        equal = total_help(RUN, effects(mode, measure, *same))
        assert said in equal
        assert "It is the change" in equal
        different = total_help(RUN, effects(mode, measure, *other))
        assert said in different
        assert ("turned down, demonstrations keep their place" in different) == (mode == "direct")
        assert ("of weight 0 is not in the prompt" in different) == (mode == "reprompt")


def test_what_is_known_follows_whether_there_are_moments() -> None:
    assert "target's moment" in demonstrations_know({"target": {"timestamp": 5}})
    assert "moment" not in demonstrations_know({"target": {"timestamp": None}})
    timed: Any = SimpleNamespace(has_timestamps=True)
    untimed: Any = SimpleNamespace(has_timestamps=False)
    assert "before the target's moment" in known_when(timed)
    assert "before" not in known_when(untimed)
