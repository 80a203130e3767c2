"""The limit of a tuning covers all its phases; each is named and counted."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.llm.loading import load as loading
from engine.tuning import judge, phases, trainer
from engine.tuning.phases import PHASES, Phases
from engine.tuning.tune import tune
from tests.engine.tuning.test_tune import engine, request

__all__ = ["engine"]  # the fixture
Reported = list[tuple[float, str, dict[str, Any] | None]]


def test_a_short_tuning_on_a_slow_machine_keeps_its_limit(
    engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]  # a clock of its own, so that this machine's speed has no say

    def slow(what: Callable[..., Any], seconds: float) -> Callable[..., Any]:
        def slowly(*words: Any, **options: Any) -> Any:
            now[0] += seconds
            return what(*words, **options)

        return slowly

    for module in (phases, trainer):
        monkeypatch.setattr(module, "worked", lambda: now[0])
    monkeypatch.setattr(trainer, "answer_losses", slow(trainer.answer_losses, 0.1))
    monkeypatch.setattr(loading, "load", slow(loading.load, 0.8))
    monkeypatch.setattr(judge, "rank_all", slow(judge.rank_all, 0.6))
    monkeypatch.setattr("engine.tuning.tune.REPORT_EVERY_S", 0.0)
    reported: Reported = []
    limit = 8.0
    done = tune(
        engine,
        request(minutes=limit / 60, steps=None),
        lambda share, message="", partial=None: reported.append((share, message, partial)),
    )
    assert now[0] < limit + 1.5, "without a limit on the last phase it takes 10 s more"
    assert done["stopped_because"] == "the time was up"
    assert done["spent"] == pytest.approx(now[0], abs=1.0)
    assert done["judged"].keys() == {"sum", "calibrated"}
    assert Path(done["folder"]).is_dir()
    messages = [message for _, message, _ in reported]
    for number, (name, _) in enumerate(PHASES, start=1):
        assert any(message.startswith(f"phase {number} of 5, {name}") for message in messages), name
    assert any("training: step" in message and "tokens/s" in message for message in messages)
    assert any("training: validating, 0 of" in message for message in messages)
    shares = [share for share, *_ in reported]
    assert shares == sorted(shares)
    assert all(partial["best"] is None for *_, partial in reported if partial and not partial["curve"])


def test_without_a_limit_the_bar_follows_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(phases, "worked", lambda: clock[0])
    reported: Reported = []

    def report(share: float, message: str, partial: dict[str, Any] | None = None) -> None:
        reported.append((share, message, partial))

    free = Phases(report, None)
    free.begin("training")
    free.say(0.5, "step 4")
    assert reported[-1] == (pytest.approx(0.49), "phase 3 of 5, training: step 4", None)
    assert free.for_training() is None
    timed = Phases(report, 100.0)
    timed.begin("loading the model")
    clock[0] = 10.0
    timed.begin("training")
    assert timed.for_training() == pytest.approx(100 - 10 - 20), "saving takes as long as loading did, twice"
    clock[0] = 90.0
    timed.say(0.1)
    assert reported[-1][0] == pytest.approx(0.9), "the bar is the time"
    assert timed.left == pytest.approx(10)
    clock[0] = 120.0
    assert timed.for_training() == pytest.approx(5), "one step at least, however long loading took"
