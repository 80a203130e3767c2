"""The drift study: who knows what in which period, points a chart can draw, and going on after a kill."""

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from db import datasets
from db.errors import BadInput
from db.requests import StudyRequest
from engine.baselines import sasrec, sasrec_training
from engine.baselines.sasrec_training import Recipe
from engine.context import Engine
from engine.studies import answers, plan
from engine.studies import drift as module
from engine.studies.drift import CONVENTIONAL, COPIED, LLM, compared, planned
from engine.studies.plan import Plan
from engine.studies.questions import Question

PAYLOAD = {
    "study": "drift",
    "dataset": "toy",
    "model": "tiny",
    "users": 4,
    "periods": 5,
    "cut": 3,
    "demos": "neighbours:2",
    "candidates": 8,
}
SERIES = [*LLM, *CONVENTIONAL, *COPIED]


def drift(engine: Engine, payload: dict[str, Any], *reported: Any) -> dict[str, Any]:
    """The study's result, asked as a job's payload asks."""
    return module.run(engine, StudyRequest.from_json(payload), *reported)


@pytest.fixture(autouse=True)
def _small_recipe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        sasrec,
        "Recipe",
        lambda loss, seed: Recipe(loss=loss, seed=seed, width=8, blocks=1, epochs=2, steps=1),
    )


def bare(result: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in result.items() if name != "seconds"}


def test_a_series_has_a_point_for_every_period_after_the_cut(
    engine: Engine, reports: Callable[..., Any]
) -> None:
    found = drift(engine, PAYLOAD, reports())
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert [each["name"] for each in found["series"]] == SERIES
    for each in found["series"]:
        assert [(point["period"], point["elapsed"]) for point in each["points"]] == [(3, 1), (4, 2)]
        for point in each["points"]:
            assert 0 <= point["low"] <= point["mean"] <= point["high"] <= 1
            assert point["n"] == 4
    first = {each["name"]: each["points"][0]["mean"] for each in found["series"]}
    assert first["itemknn_frozen"] == first["itemknn_retrained"]  # nothing happened yet
    assert first["sasrec_frozen"] == first["sasrec_retrained"]
    assert [test["than"] for test in found["controls"]["tests"]] == [*COPIED, "placebo", "placebo-users"]
    assert found["controls"]["said"][0].startswith("With fresh neighbours' windows the model reaches NDCG@10")


def test_frozen_knows_nothing_of_after_the_cut_and_retrained_nothing_of_its_period(
    engine: Engine, reports: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Watched where recommenders are fitted: the question is always asked about a later moment."""
    request = StudyRequest.from_json(PAYLOAD)
    _, columns, time = planned(engine, request)
    assert columns.timestamp is not None
    fits: list[tuple[str, int | None]] = []
    asked: list[tuple[str, int | None, int]] = []

    def fitted(dataset: Any, columns: Any, kind: str, seed: int, *, before: int | None, **_: Any) -> Any:
        fits.append((kind, before))

        def scores(history: list[int], candidates: list[int], moment: int | None = None) -> np.ndarray:
            # Else counting scorers would look beyond what they were fitted on.
            assert (moment is None) == (before is not None)
            return np.zeros(len(candidates))

        return SimpleNamespace(scorer=SimpleNamespace(scores=scores, before=before, kind=kind))

    scored = module._scored

    def watched(engine: Any, request: Any, plan: Any, name: str, scorer: Any, question: Question) -> Any:
        user = int(question.user_id[1:])
        moment = int(columns.timestamp[9 * user + question.position])  # type: ignore[index]
        asked.append((name, scorer.before, moment))
        return scored(engine, request, plan, name, scorer, question)

    monkeypatch.setattr(module, "fitted", fitted)
    monkeypatch.setattr(module, "_scored", watched)
    drift(engine, PAYLOAD, reports())
    assert {name for name, _, _ in asked} == set(CONVENTIONAL)
    for name, before, moment in asked:
        period = int(np.searchsorted(time.starts, moment, side="right"))
        known = {"frozen": time.start(3), "retrained": time.start(period), "realtime": None}
        assert before == known[name.split("_")[1]]
        assert before is None or before <= moment
    assert {before for _, before in fits} == {time.start(3), time.start(4), None}


def test_demonstrations_know_what_the_recommenders_beside_them_know(
    engine: Engine, reports: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Watched where demonstrations are chosen: stale, renewed and fresh differ in the moment they know."""
    time = planned(engine, StudyRequest.from_json(PAYLOAD))[2]
    choose, seen = answers.selection.choose, []

    def watched(store: Any, dataset: Any, query: Any, *rest: Any) -> Any:
        chosen = choose(store, dataset, query, *rest)
        newest = max((row.timestamp for e in chosen for row in [*e.history, e.answer]), default=0)
        seen.append((query.target_timestamp, query.known_until, newest))
        return chosen

    monkeypatch.setattr(answers.selection, "choose", watched)
    found = drift(engine, PAYLOAD, reports())
    for moment, until, newest in seen:
        period = int(np.searchsorted(time.starts, moment, side="right"))
        assert until in (None, time.start(3), time.start(period))
        assert newest < (moment if until is None else until)
    assert {until for _, until, _ in seen} == {None, time.start(3), time.start(4)}
    pairs = {(test["better"], test["than"]) for test in found["tests"]}
    assert ("llm_fresh", "itemknn_realtime") in pairs
    assert ("llm_renewed", "sasrec_retrained") in pairs
    assert ("llm_fresh", "sasrec_retrained") not in pairs
    assert module.KNOWN in found["notes"]


def test_a_killed_study_goes_on_and_ends_the_same(
    engine: Engine, reports: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = drift(engine, PAYLOAD, reports())
    killed = reports(ends_after=14)  # among the conventional ones
    with pytest.raises(KeyboardInterrupt):
        drift(engine, PAYLOAD, killed)
    kept = json.loads(json.dumps(killed.partial))
    assert kept["so_far"]["ndcg10"]["llm_fresh"]["n"] == 8
    monkeypatch.setattr(plan, "scores", lambda *_: pytest.fail("the LLM was asked again"))
    assert bare(drift(engine, PAYLOAD, reports(), kept)) == bare(whole)


STOPPED = "no better validation for 1 epochs"


def test_a_recommender_that_had_too_little_time_is_named(
    engine: Engine, reports: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sasrec_training.State, "over", lambda self, recipe, minutes: STOPPED * self.epoch)
    notes = drift(engine, PAYLOAD, reports())["notes"]
    assert [note for note in notes if not note.startswith(("Controls", "Placebo"))] == [module.KNOWN]
    monkeypatch.undo()
    hurried = drift(engine, {**PAYLOAD, "seed": 1, "minutes": 1e-9}, reports())["notes"][1:]
    hurried = [note for note in hurried if not note.startswith(("Controls", "Placebo"))]
    assert len(hurried) == 2
    assert all("SASRec" in note and "for period 3, 4" in note for note in hurried)
    assert all("did not reach its early stop: 1e-09 minutes are over" in note for note in hurried)


def test_who_is_asked_in_several_periods_counts_once() -> None:
    questions = [Question("a", 1, 3), Question("b", 1, 3), Question("a", 2, 4), Question("a", 3, 5)]
    asked = Plan(dataset=None, questions=questions, cut=1)  # type: ignore[arg-type]
    values = dict.fromkeys(SERIES, np.zeros(4)) | {"llm_fresh": np.array([1.0, 0.0, 1.0, 1.0])}
    found = compared(asked, values, 0)[0]["ndcg10"]
    assert (found["n"], found["mean"]) == (2, 0.5)
    assert found["p_holm"] >= found["p"]


def test_without_times_there_is_no_drift_to_study(engine: Engine, reports: Callable[..., Any]) -> None:
    with pytest.raises(BadInput, match="'plain' has no usable times"):
        drift(engine, {**PAYLOAD, "dataset": "plain"}, reports())
    assert datasets.get(engine.store, "plain").users == 16
