"""The learning curve and the path of the weights, against rankings; evidence without a model."""

from dataclasses import replace

import pytest

from db.requests import Chosen, RunRequest
from engine.context import Engine, resolve
from engine.explanations import build
from engine.explanations.asking import Asked, explained
from engine.tasks.effects import effects
from engine.tasks.inputs import gather
from engine.tasks.rank import rank


def test_each_addition_is_the_ranking_of_the_prompt_with_the_nearest_ones(
    engine: Engine, request_: RunRequest
) -> None:
    found, run = explained(engine, "build", request_), rank(engine, request_)
    added, demos = found["added"], run.result["demonstrations"]
    assert [(row["count"], row["place"]) for row in added] == [(0, None), (1, 2), (2, 1), (3, 0)]
    assert added[0]["margin"] == pytest.approx(run.result["margin_zero_shot"], abs=1e-5)
    assert added[3]["margin"] == pytest.approx(run.result["margin"], abs=1e-5)
    chosen = tuple(Chosen(demo["id"], 1.0) for demo in demos[1:])
    two = rank(engine, replace(request_, demos="none", demonstrations=chosen)).result
    assert (added[2]["margin"], added[2]["loss"]) == pytest.approx((two["margin"], two["loss"]), abs=1e-5)
    assert added[2]["rank"] == two["metrics"]["rank"]


def test_the_path_is_the_ranking_at_these_weights(engine: Engine, request_: RunRequest) -> None:
    path = {row["weight"]: row for row in explained(engine, "build", request_)["path"]}
    assert sorted(path) == [step / 16 for step in range(33)]
    for weight in (0.5, 1.0, 2.0):
        result = rank(engine, replace(request_, weights=(weight,) * 3)).result
        assert path[weight]["margin"] == pytest.approx(result["margin"], abs=1e-5)
        assert path[weight]["loss"] == pytest.approx(result["loss"], abs=1e-5)
    _, measured = effects(engine, request_, mode="direct")
    assert path[0.0]["margin"] == pytest.approx(measured.result["value_zero_shot"], abs=1e-5)


def test_the_sentence_names_the_largest_step_and_where_half_is_reached(
    engine: Engine, request_: RunRequest
) -> None:
    inputs = gather(resolve(engine, request_))
    asked = Asked(engine, inputs, inputs.task())
    path = [{"weight": step / 16, "margin": -2.0 + min(1.0, step / 8)} for step in range(33)]
    rows = [
        {"count": n, "place": 3 - n, "margin": margin} for n, margin in enumerate((-2.0, -0.5, -0.8, -0.7))
    ]
    told = build.said(asked, {"added": rows, "path": path})
    assert told.startswith("All of them change the target's margin by +1.30 log-share; the largest step is")
    assert "number 3 (" in told
    assert "+1.50 as it is added first" in told
    assert told.endswith("Half of what the weights do is reached by weight 0.25; more weight changes little.")
    still = [{**point, "margin": 0.0} for point in path]
    assert "changes the margin by 0.00" in build.said(asked, {"added": rows, "path": still})


def test_evidence_takes_no_model(
    engine: Engine, request_: RunRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = rank(engine, request_)
    monkeypatch.setattr(Asked, "loaded", property(lambda _: pytest.fail("the model was loaded")))
    found = explained(engine, "evidence", request_)
    own = {item["title"] for item in run.result["history"]}
    for row, demo in zip(found["rows"], run.result["demonstrations"], strict=True):
        titles = [item["title"] for item in (*demo["history"], demo["answer"])]
        assert row["shared"] == [title for title in titles if title in own]
