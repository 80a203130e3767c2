"""The study end to end on a tiny random model: cells, honesty about time, and going on after a kill."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from db import datasets
from db.errors import BadInput
from db.requests import StudyRequest
from engine.context import Engine
from engine.llm.scoring import ranking
from engine.studies import answers, plan
from engine.studies import recicl as module
from engine.studies.recicl import per_user, planned
from tests.toys import toy_columns

PAYLOAD = {
    "study": "recicl",
    "dataset": "toy",
    "model": "tiny",
    "single": "tiny-single",
    "recicl": "tiny-recicl",
    "users": 5,
    "periods": 6,
    "cut": 3,
    "demos": "neighbours:2",
    "candidates": 8,
}


def recicl(engine: Engine, payload: dict[str, Any], *reported: Any) -> dict[str, Any]:
    """The study's result, asked as a job's payload asks."""
    return module.run(engine, StudyRequest.from_json(payload), *reported)


def bare(result: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in result.items() if name != "seconds"}


CELLS = 5
"""Conditions of a model: no, stale and fresh demonstrations, and two placebos of the fresh ones."""
COPIED = ["copy"] * 2 + ["copy-histories"] * 2


def test_all_cells_with_intervals_and_tests(whole_study: Callable[..., Any]) -> None:
    found, told = whole_study(recicl, PAYLOAD)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    cells = {(cell["row"], cell["column"]): cell for cell in found["cells"]}
    assert len(cells) == 3 * CELLS + len(COPIED)
    for (_, column), cell in cells.items():
        assert cell["n"] == found["users"] == 5
        assert (cell["demonstrations"] > 0) == (column != "zero_shot")
        for measure in ("auc", "uauc", "ndcg10"):
            assert 0 <= cell[measure]["low"] <= cell[measure]["mean"] <= cell[measure]["high"] <= 1
    assert cells["base", "fresh"]["auc"] == cells["recicl", "fresh"]["auc"]  # one model under three names
    against_single = next(test for test in found["tests"] if test["than"][0] == "single")
    assert against_single["better"] == ["recicl", "fresh"]
    assert (against_single["ndcg10"]["mean"], against_single["ndcg10"]["p"]) == (0, 1)
    assert found["claim_holds"] == {"auc": False, "uauc": False, "ndcg10": False}
    assert "not shown to be better than both" in found["claim"]
    assert "its claim stays untested here" in found["claim"]
    assert all(test["ndcg10"]["p_holm"] >= test["ndcg10"]["p"] for test in found["tests"])
    shares = [share for share, _ in told.told]
    assert shares == sorted(shares)
    assert 0 <= shares[0] < shares[-1] < 1


def test_models_that_are_not_named_are_tuned_on_what_was_before_the_cut(
    engine: Engine, reports: Callable[..., Any]
) -> None:
    payload = {**PAYLOAD, "single": None, "recicl": None, "tune": True, "minutes": 0.02, "users": 3}
    found = recicl(engine, payload, reports())
    rows = [row for name in ("base", "single", "recicl") for row in [name] * CELLS]
    assert [cell["row"] for cell in found["cells"]] == rows + COPIED
    assert found["rows"]["recicl"]["model"] == "toy-recicl-until-3-from-tiny-0.02-minutes"
    assert not [
        note for note in found["notes"] if "tuned" in note
    ]  # nothing speaks against what they have seen
    tuned = found["rows"]["single"]["revision"]
    assert recicl(engine, payload, reports())["rows"]["single"]["revision"] == tuned
    untuned = recicl(engine, {**payload, "tune": False}, reports())
    assert [cell["row"] for cell in untuned["cells"]] == ["base"] * CELLS + COPIED


def test_stale_demonstrations_are_of_before_the_cut_and_fresh_ones_of_before_the_target(
    engine: Engine, reports: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Watched where demonstrations are chosen; and with everything the two differ in."""
    shown: dict[bool, list[int]] = {True: [], False: []}
    choose = answers.selection.choose
    cut = planned(engine, StudyRequest.from_json(PAYLOAD)).cut
    assert cut is not None

    def watched(store: Any, dataset: Any, query: Any, *rest: Any) -> Any:
        chosen = choose(store, dataset, query, *rest)
        assert query.target_timestamp >= cut
        until = query.target_timestamp if query.known_until is None else cut
        stamps = [row.timestamp for entry in chosen for row in [*entry.history, entry.answer]]
        assert all(stamp < until for stamp in stamps)
        shown[query.known_until is not None] += stamps
        return chosen

    monkeypatch.setattr(answers.selection, "choose", watched)
    recicl(engine, {**PAYLOAD, "single": None, "recicl": None}, reports())
    assert shown[True]
    assert max(shown[True]) < cut <= max(shown[False])


def test_a_killed_study_goes_on_and_ends_the_same(
    engine: Engine,
    reports: Callable[..., Any],
    whole_study: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole, _ = whole_study(recicl, PAYLOAD)
    killed = reports(ends_after=9)
    with pytest.raises(KeyboardInterrupt):
        recicl(engine, PAYLOAD, killed)
    kept = json.loads(json.dumps(killed.partial))  # as the store gives it back
    assert len(kept["measured"]) == 8
    assert kept["so_far"]["ndcg10"]["base"]["fresh"]["n"] == 5
    asked = []
    scores = plan.scores
    monkeypatch.setattr(plan, "scores", lambda *given: asked.append(1) or scores(*given))
    again = recicl(engine, PAYLOAD, reports(), kept)
    assert bare(again) == bare(whole)
    assert len(asked) == 15 - 8
    assert again["seconds"] >= round(kept["seconds"], 1)


def test_what_another_study_measured_is_not_taken_over(
    engine: Engine, reports: Callable[..., Any], whole_study: Callable[..., Any]
) -> None:
    _, first = whole_study(recicl, PAYLOAD)
    other = {**PAYLOAD, "demos": "random:2"}
    assert bare(recicl(engine, other, reports(), first.partial)) == bare(recicl(engine, other, reports()))


def test_without_times_there_is_no_stale_column_and_it_is_said(
    engine: Engine, reports: Callable[..., Any]
) -> None:
    found = recicl(engine, {**PAYLOAD, "dataset": "plain"}, reports())
    assert found["columns"] == ["zero_shot", "fresh", "placebo", "placebo-users"]
    assert len(found["cells"]) == 3 * 4 + 2
    assert found["split"] == {"kind": "leave-one-out"}
    assert any("no usable times" in note for note in found["notes"])
    assert all("stale" not in (*test["better"], *test["than"]) for test in found["tests"])


def test_one_candidate_list_serves_all_cells(
    engine: Engine, reports: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[tuple[str, ...], set[tuple[str, ...]]] = {}
    rank = ranking.rank_all

    def watched(loaded: Any, tasks: Any, *rest: Any) -> Any:
        for task in tasks:
            asked.setdefault(task.history, set()).add(task.candidates)
        return rank(loaded, tasks, *rest)

    monkeypatch.setattr(ranking, "rank_all", watched)
    recicl(engine, PAYLOAD, reports())
    assert len(asked) == PAYLOAD["users"]
    assert all(len(lists) == 1 for lists in asked.values())


def test_a_model_tuned_on_what_it_is_asked_is_named(engine: Engine, reports: Callable[..., Any]) -> None:
    folder = Path(engine.registered("tiny").source)
    recipe = {"recipe": {"request": {"dataset": "toy", "layout": "single", "periods": 6, "until": None}}}
    (folder / "RECIPE.json").write_text(json.dumps(recipe))
    found = recicl(engine, {**PAYLOAD, "single": None}, reports())
    assert any("after the cut" in note and "--until 3" in note for note in found["notes"])
    assert any("stands for recicl" in note for note in found["notes"])
    recipe["recipe"]["request"] |= {"until": 3, "layout": "recicl"}
    (folder / "RECIPE.json").write_text(json.dumps(recipe))
    notes = recicl(engine, {**PAYLOAD, "single": None}, reports())["notes"]
    assert [note for note in notes if not note.startswith(("Controls", "Placebo"))] == []


def test_controls_are_of_the_fresh_demonstrations_and_known_as_early(
    engine: Engine, whole_study: Callable[..., Any]
) -> None:
    found, told = whole_study(recicl, PAYLOAD)
    cells = {(cell["row"], cell["column"]): cell["ndcg10"]["mean"] for cell in found["cells"]}
    compared = found["controls"]
    assert compared["of"] == ["base", "single", "recicl"]
    first = compared["tests"][0]
    assert (first["better"], first["than"]) == (["base", "fresh"], "copy")
    difference = cells["base", "fresh"] - cells["copy", "fresh"]
    assert first["ndcg10"]["mean"] == pytest.approx(difference)
    placebo = next(test for test in compared["tests"] if test["than"] == "placebo")
    difference = cells["base", "fresh"] - cells["base", "placebo"]
    assert placebo["ndcg10"]["mean"] == pytest.approx(difference)
    assert compared["said"][0].startswith("With neighbours' windows, before tuning, the model reaches")
    assert any(note.startswith("Controls take the demonstrations of neighbours'") for note in found["notes"])
    for value in told.partial["measured"].values():
        fresh = [score for score in value["copies"]["copy"]["fresh"] if score]
        assert sum(fresh) <= value["shown"]["fresh"]  # each counts once, as at most one candidate
        assert value["shown"]["placebo"] == value["shown"]["fresh"]
    assert module.tables(found)[2][1][0][:2] == ["base fresh", "copy"]


def test_a_study_leaves_out_what_shows_the_target_in_all_cells(
    engine: Engine, reports: Callable[..., Any]
) -> None:
    columns = toy_columns(users=16, items=9, length=8)
    datasets.insert(engine.store, "few", columns, kind="t", source="t", fingerprint="few", report={})
    payload = {**PAYLOAD, "dataset": "few", "single": None, "recicl": None, "candidates": 2}
    whole = recicl(engine, {**payload, "demos": "random:3"}, reports())
    less = recicl(engine, {**payload, "demos": "random:3", "exclude_target_item": True}, reports())
    shown = [{c["column"]: c["demonstrations"] for c in found["cells"]} for found in (whole, less)]
    assert shown[1]["fresh"] < shown[0]["fresh"]
    assert any("left out after the choice" in note for note in less["notes"])


@pytest.mark.parametrize("demos", ["embedding:2", "votek:2", "neighbours:400t"])
def test_strategies_that_read_titles_and_budgets_in_tokens_are_asked_too(
    engine: Engine, reports: Callable[..., Any], demos: str
) -> None:
    payload = {**PAYLOAD, "single": None, "recicl": None, "users": 2, "demos": demos}
    found = recicl(engine, payload, reports())
    shown = {cell["column"]: cell["demonstrations"] for cell in found["cells"]}
    assert shown["zero_shot"] == 0 < shown["fresh"]


def test_nobody_to_ask_is_said(engine: Engine, reports: Callable[..., Any]) -> None:
    columns = toy_columns(users=7, length=1)
    datasets.insert(engine.store, "once", columns, kind="test", source="t", fingerprint="once", report={})
    with pytest.raises(BadInput, match="no two users"):
        recicl(engine, {**PAYLOAD, "dataset": "once"}, reports())


def test_measures_of_three_users_worked_out_by_hand() -> None:
    found = per_user([[3.0, 1.0, 2.0], [0.0, 1.0, 2.0], [1.5, 1.0, 2.0]], [True, False, True])
    assert found["uauc"].tolist() == [1, 0, 0.5]
    assert found["ndcg10"].tolist() == pytest.approx([1, 0.5, 1 / 1.5849625007211562])
    assert found["auc"].mean() == pytest.approx((1 + 0 + 0.5) / 3)
    assert "rated" not in found, "one target that was not liked says too little"
    many = per_user([[float(n), 1.0] for n in range(10)], [n >= 4 for n in range(10)])
    assert "rated" not in many
    many = per_user([[float(n), 1.0] for n in range(10)], [n >= 5 for n in range(10)])
    assert many["rated"].mean() == 1
