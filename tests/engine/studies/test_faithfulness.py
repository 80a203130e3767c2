"""The faithfulness study on a tiny model: all scores of each user, honest truths, and going on."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from db.errors import BadInput
from db.requests import RunRequest, StudyRequest
from engine.context import Engine, resolve
from engine.llm.explain.effects import EffectsResult, demonstration_effects
from engine.llm.scoring.ranking import rank_candidates
from engine.lrgd.effects import ESTIMATORS
from engine.studies import faithfulness as module
from engine.studies.scores import SCORES, likeness, scored
from engine.tasks.inputs import gather


def faithfulness(engine: Engine, payload: dict[str, Any], *reported: Any) -> dict[str, Any]:
    """The study's result, asked as a job's payload asks."""
    return module.run(engine, StudyRequest.from_json(payload), *reported)


PAYLOAD = {"study": "faithfulness", "dataset": "toy", "model": "tiny", "users": 3, "demos": "neighbours:3"}


def bare(result: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in result.items() if name != "seconds"}


def test_every_score_is_held_against_every_truth_but_itself(whole_study: Callable[..., Any]) -> None:
    found, told = whole_study(faithfulness, PAYLOAD)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert (found["k"], found["users"], found["measured"], found["short"]) == (3, 3, 3, 0)
    assert found["measure"] == "margin"
    assert found["by_measure"].keys() == {"loss"}
    of_loss = {"gradient_input", "gradient_input_size"}
    assert set(SCORES) - set(found["order"]) == of_loss
    assert found["by_measure"]["loss"]["order"] == list(SCORES)
    for result in (found, found["by_measure"]["loss"]):
        assert result["truth_order"] == ["exact", "removal", "reprompt", "reprompt_loo"]
        for name, score in result["scores"].items():
            assert (set(score) - {"label", "kind"}) == set(result["truth_order"]) - {name}
            for truth in set(result["truth_order"]) - {name}:
                for kind in ("spearman", "pearson", "top1", "sign"):
                    one = score[truth][kind]
                    assert -1 <= one["low"] <= one["mean"] <= one["high"] <= 1
        assert result["scores"]["kriging"]["exact"]["spearman"]["mean"] == 1  # three take all coalitions
        assert result["estimators"]["kriging"]["error"]["max"] == pytest.approx(0, abs=1e-4)
        assert result["estimators"]["exact"]["passes"] == {"mean": 8, "max": 8}
        assert result["drops"].keys() == {"direct", "total", "reprompt"}
        assert result["bars"]
    assert found["claim"].startswith("On toy, margin, with 3 demonstrations")
    shares = [share for share, _ in told.told]
    assert shares == sorted(shares)
    rows = [row for _, table in module.tables(found) for row in table]
    assert any(row[0] == "reprompt (if you drop it)" for row in rows)


def test_the_scores_of_a_user_are_those_of_single_runs(engine: Engine) -> None:
    inputs = gather(resolve(engine, RunRequest("toy", "u5", "tiny", "neighbours:3")))
    loaded = engine.load(inputs.model)
    both = scored(loaded, inputs, 3)
    for measure, found in both.items():

        def alone(estimator: str = "exact", mode: str = "direct", measure: str = measure) -> EffectsResult:
            return demonstration_effects(loaded, inputs.task(), estimator, True, mode, measure)  # type: ignore[arg-type]

        for name in ESTIMATORS:
            result = alone(name)
            assert found["values"][name] == pytest.approx(result.effects, abs=1e-5)
            assert found["passes"].get(name, 8) == result.passes
        values, direct, dropped = found["values"], alone(), alone(mode="reprompt")
        assert values["total"] == pytest.approx(alone(mode="total").effects, abs=1e-4)
        assert values["removal"] == pytest.approx(direct.leave_one_out, abs=1e-5)
        assert values["reprompt"] == pytest.approx(dropped.effects, abs=1e-4)
        assert values["reprompt_loo"] == pytest.approx(dropped.leave_one_out, abs=1e-4)
        assert values["mass"] == pytest.approx(direct.mass, abs=1e-5)
        assert found["gain"] == pytest.approx(direct.gains[measure].total, abs=1e-5)
        assert found["gain_reprompt"] == pytest.approx(dropped.gains[measure].total, abs=1e-4)
        assert found["values"]["bm25"] == pytest.approx(likeness(inputs))
        assert found["values"]["place"] == [0, 1, 2]
    assert scored(loaded, inputs, 4) == {"short": 3}


@pytest.mark.parametrize("measure", ["margin", "loss"])
def test_the_gradient_is_what_a_little_more_weight_gains(engine: Engine, measure: str) -> None:
    inputs = gather(resolve(engine, RunRequest("toy", "u5", "tiny", "neighbours:3")))
    loaded, task = engine.load(inputs.model), inputs.task()
    found = scored(loaded, inputs, 3)[measure]["values"]["gradient"]
    for b in range(3):
        more, less = (
            rank_candidates(
                loaded, replace(task, weights=tuple(1 + sign * 0.05 * (c == b) for c in range(3)))
            )
            for sign in (1, -1)
        )
        up, down = (more.margin, less.margin) if measure == "margin" else (less.loss, more.loss)
        assert up is not None
        assert down is not None
        assert found[b] == pytest.approx((up - down) / 0.1, rel=0.05, abs=2e-4)


def test_likeness_counts_shared_words(engine: Engine) -> None:
    inputs = gather(resolve(engine, RunRequest("toy", "u5", "tiny", "neighbours:3")))
    words = {word for row in inputs.query.history for word in row.title.lower().split()}
    for score, entry in zip(likeness(inputs), inputs.chosen, strict=True):
        shown = {word for row in [*entry.history, entry.answer] for word in row.title.lower().split()}
        assert (score > 0) == bool(words & shown)


def test_a_killed_study_goes_on_and_ends_the_same(
    engine: Engine,
    reports: Callable[..., Any],
    whole_study: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole, _ = whole_study(faithfulness, PAYLOAD)
    killed = reports(ends_after=3)
    with pytest.raises(KeyboardInterrupt):
        faithfulness(engine, PAYLOAD, killed)
    kept = json.loads(json.dumps(killed.partial))
    assert len(kept["measured"]) == 2
    one = kept["so_far"]["spearman"]["kriging"]
    assert (one["mean"], one["n"]) == (pytest.approx(1), 2)
    assert one["low"] <= one["mean"] <= one["high"]
    assert one["label"] == "Shapley values by removal, kriging"
    measured, asked = module.measured, []
    monkeypatch.setattr(module, "measured", lambda *given: asked.append(1) or measured(*given))
    assert bare(faithfulness(engine, PAYLOAD, reports(), kept)) == bare(whole)
    assert len(asked) == 1


def test_users_with_too_few_are_left_out_and_counted(
    engine: Engine, reports: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    scored, seen = module.scored, []

    def first_is_short(*given: Any) -> Any:
        seen.append(1)
        return {"short": 1} if len(seen) == 1 else scored(*given)

    monkeypatch.setattr(module, "scored", first_is_short)
    found = faithfulness(engine, PAYLOAD, reports())
    assert (found["users"], found["measured"], found["short"]) == (3, 2, 1)
    assert any("1 of 3 users were left out" in note for note in found["notes"])
    monkeypatch.setattr(module, "scored", lambda *given: {"short": 0})
    with pytest.raises(BadInput, match="fewer than two have 3 demonstrations"):
        faithfulness(engine, PAYLOAD, reports())


@pytest.mark.parametrize("demos", ["neighbours:1", "neighbours:9", "neighbours:90t"])
def test_so_many_have_no_exact_values(engine: Engine, reports: Callable[..., Any], demos: str) -> None:
    with pytest.raises(BadInput, match="K from 2 to 8"):
        faithfulness(engine, {**PAYLOAD, "demos": demos}, reports())
