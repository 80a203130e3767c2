"""What is told of a study under way, how often, and what is taken over from an earlier attempt."""

from typing import Any

import pytest

from engine.studies import checkpoint as module
from engine.studies.checkpoint import Checkpoint


def summary(values: dict[str, Any]) -> dict[str, Any]:
    return {"n": len(values)}


def test_values_are_measured_once_and_told_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(module, "worked", lambda: clock[0])
    told: list[tuple[Any, ...]] = []
    kept = Checkpoint("a", 4, lambda *words: told.append(words), None, summary)
    for number in range(4):
        assert kept.measured(str(number), lambda: clock[0], "work") == clock[0]
        clock[0] += 1.5
    assert kept.measured("0", lambda: pytest.fail("measured twice"), "work") == 0.0
    assert [words[0] for words in told] == [0, 0.25, 0.5, 0.75]
    assert [len(words) for words in told] == [2, 3, 2, 3]  # every other time it carries what there is
    assert told[1][2] == {"identity": "a", "seconds": 1.5, "so_far": {"n": 1}, "measured": {"0": 0.0}}
    assert told[3][2]["measured"] == {"0": 0.0, "1": 1.5, "2": 3.0}


def test_what_was_told_is_not_told_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """While something else takes its time, such as a fit."""
    clock = [0.0]
    monkeypatch.setattr(module, "worked", lambda: clock[0])
    told: list[tuple[Any, ...]] = []
    kept = Checkpoint("a", 4, lambda *words: told.append(words), None, summary)
    kept.measured("0", lambda: 1, "work")
    for _ in range(9):
        clock[0] += 60
        kept.report("fit")
    assert [len(words) for words in told] == [2, 3, *[2] * 8]


def test_the_more_there_is_the_less_often_all_of_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(module, "worked", lambda: clock[0])
    before = {"identity": "a", "seconds": 1.0, "measured": {str(n): n for n in range(9000)}}
    told: list[tuple[Any, ...]] = []
    kept = Checkpoint("a", 9999, lambda *words: told.append(words), before, summary)
    for number in range(9000, 9030):
        kept.measured(str(number), lambda: None, "work")
        clock[0] += 1.0
    assert [place for place, words in enumerate(told) if len(words) == 3] == [1, 22]


def test_what_was_told_does_not_change_afterwards() -> None:
    told: list[tuple[Any, ...]] = []
    kept = Checkpoint("a", 2, lambda *words: told.append(words), None, summary)
    kept.measured("0", lambda: 1, "work")
    kept.measured("1", lambda: 2, "work")
    kept.measured("2", lambda: 3, "work")
    assert [words[2]["measured"] for words in told if len(words) == 3] == [{"0": 1}]


def test_only_the_same_study_is_gone_on_with() -> None:
    before = {"identity": "a", "seconds": 9.0, "measured": {"0": 1}}
    assert "0" in Checkpoint("a", 1, lambda *_: None, before, summary)
    assert Checkpoint("a", 1, lambda *_: None, before, summary).seconds >= 9
    assert "0" not in Checkpoint("b", 1, lambda *_: None, before, summary)
    assert Checkpoint("b", 1, lambda *_: None, before, summary).seconds < 9
