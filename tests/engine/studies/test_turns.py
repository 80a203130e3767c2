"""Studies write prompts as runs do: a model whose chat template writes turns gets turns, unless told."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from db.requests import StudyRequest
from engine.context import Engine
from engine.llm.scoring import ranking
from engine.studies import drift, faithfulness, plan, recicl, strategies

SMALL = {"dataset": "toy", "model": "talks", "users": 2, "candidates": 4, "history": 2}
IN_TIME = {"demos": "neighbours:1", "periods": 3, "cut": 2}
STUDIES = {
    "strategies": (strategies, {"k": 1, "only": ("none", "bm25")}),
    "faithfulness": (faithfulness, {"demos": "bm25:2"}),
    "drift": (drift, {**IN_TIME, "minutes": 0.02}),
    "recicl": (recicl, IN_TIME),
}


@pytest.mark.parametrize("asked", ["auto", "one"])
@pytest.mark.parametrize("study", STUDIES)
def test_demonstrations_are_turns_in_a_study_as_in_a_run(
    engine: Engine,
    model_folder: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    study: str,
    asked: str,
) -> None:
    engine.register("talks", str(model_folder("llama", "chat")))
    written: set[bool] = set()
    prepare = ranking.prepare

    def prepared(loaded: Any, task: ranking.Task, *more: Any) -> Any:
        written.add(task.template.turns)
        return prepare(loaded, task, *more)

    monkeypatch.setattr(ranking, "prepare", prepared)
    module, parts = STUDIES[study]
    found = module.run(engine, StudyRequest(study, **SMALL, **parts, turns=asked), lambda *_: None)
    model = found["model"] if "model" in found else found["rows"]["base"]
    assert (model["turns"], written) == (("chat", {True}) if asked == "auto" else ("one", {False}))


def test_a_study_of_a_model_in_one_turn_is_the_one_of_before_there_were_turns(engine: Engine) -> None:
    """Its checkpoint holds on: what it is known by does not tell that a default was left open."""
    open_, one, chat = (StudyRequest("recicl", **SMALL, turns=turns) for turns in ("auto", "one", "chat"))
    info, asked = engine.registered("tiny"), recicl.planned(engine, open_)
    known = [plan.identity(engine, request, asked, {"base": info}) for request in (open_, one, chat)]
    assert known[0] == known[1] != known[2]
