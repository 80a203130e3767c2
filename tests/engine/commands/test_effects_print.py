"""Effects as the command line prints them: what is sure, what is not told apart, who is redundant."""

from typing import Any

import pytest

from engine.commands import output


def row(name: str, effect: float, reach: float, **more: Any) -> dict[str, Any]:
    interval = [effect - reach, effect + reach]
    plain = {"id": name, "effect": effect, "interval": interval, "leave_one_out": 0.1}
    return {**plain, "loss_effect": 0.5, "mass": 0.2, **more}


def view(**changes: Any) -> dict[str, Any]:
    rows = [row("aa", 1.0, 0.2), row("bb", 0.9, 0.2), row("cc", -2.0, 0.0)]
    plain = {
        "measure": "margin",
        "mode": "direct",
        "value_zero_shot": -2.0,
        "value": -2.1,
        "notes": ["Mind."],
    }
    made = {"effect_total": -0.1, "estimator": "kriging", "passes": 80, "redundant": None}
    return {**plain, **made, "demonstrations": rows, **changes}


@pytest.fixture
def printed(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    said: list[Any] = []
    monkeypatch.setattr(output, "line", said.append)
    monkeypatch.setattr(output, "table", lambda rows, *columns: said.append((rows, columns)))
    return said


def test_intervals_stand_beside_effects_and_what_overlaps_is_said(printed: list[Any]) -> None:
    output.effects(view())
    rows, columns = printed[0]
    assert columns[1:3] == ("if you turn it down (log-share)", "95 %")
    assert "off the loss (nats)" in columns
    assert [cells[2] for cells in rows] == ["+0.80 to +1.20", "+0.70 to +1.10", "exact"]
    assert printed[1].endswith("effects add up to -0.100 log-share (kriging, 80 passes)")
    assert printed[2:] == ["Not told apart: 1, 2.", "note: Mind."]


def test_what_has_no_interval_is_shown_without(printed: list[Any]) -> None:
    unknown = {**row("aa", 1.0, 0.0), "interval": None}
    output.effects(view(demonstrations=[unknown], measure="loss"))
    rows, columns = printed[0]
    assert rows[0][2] is None
    assert columns[1] == "if you turn it down (nats)"


def test_both_answers_and_the_pair_that_teaches_the_same(printed: list[Any]) -> None:
    beside = row("", -0.4, 0.0)
    rows = [
        row("aa", 1.0, 0.0, removal=beside, disagrees=True),
        row("bb", 0.9, 0.0, removal=beside, disagrees=False),
    ]
    pair = {"first": "aa", "second": "bb", "interaction": -1.5, "effects": [1.0, 0.9]}
    output.effects(view(mode="reprompt", removal={}, demonstrations=rows, redundant=pair))
    cells, columns = printed[0]
    assert [column for column in columns if "if you" in column] == [
        "if you drop it (log-share)",
        "if you turn it down (log-share)",
        "off the loss, if you drop it (nats)",
    ]
    assert [line[-2] for line in cells] == ["the signs differ", ""]
    assert "Demonstrations 1 and 2 teach the same: beside one of them the other adds 1.50" in printed[2]
