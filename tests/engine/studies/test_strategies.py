"""The table of strategies on a tiny model: held-out targets only, shared work, tests, and going on."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from db import datasets
from db.choices import COMPARED
from db.errors import BadInput
from db.requests import RunRequest, StudyRequest
from engine.context import Context, Engine, resolve
from engine.evaluation.metrics import Standing, standing
from engine.llm.scoring import ranking
from engine.studies import strategies as module
from engine.studies.pairwise_tests import MEASURES
from engine.tasks import inputs as gathering
from engine.tasks.inputs import Inputs, gather
from tests.toys import toy_columns

PAYLOAD = {
    "study": "strategies",
    "dataset": "toy",
    "model": "tiny",
    "users": 4,
    "k": 2,
    "candidates": 6,
    "only": ["none", "random", "bm25", "neighbours"],
}


def strategies(engine: Engine, payload: dict[str, Any], *reported: Any) -> dict[str, Any]:
    """The study's result, asked as a job's payload asks."""
    return module.run(engine, StudyRequest.from_json(payload), *reported)


def bare(result: dict[str, Any]) -> dict[str, Any]:
    """Without what a clock told."""
    told = {name: value for name, value in result.items() if name != "seconds"}
    table = {name: {**one, "seconds": None} for name, one in result["strategies"].items()}
    return {**told, "strategies": table}


def test_a_row_for_every_strategy_with_intervals_and_p(engine: Engine, reports: Callable[..., Any]) -> None:
    told = reports()
    payload = {name: value for name, value in PAYLOAD.items() if name != "only"}
    found = strategies(engine, {**payload, "users": 2}, told)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found["order"] == list(found["strategies"]) == list(COMPARED)
    for name, one in found["strategies"].items():
        for shown in MEASURES:
            assert 0 <= one[shown]["low"] <= one[shown]["mean"] <= one[shown]["high"] <= 1
            assert one[shown]["n"] == 2
        if name == "none":
            assert one["shown"] == 0
        elif name != "twostage":  # whose guard may leave everybody without demonstrations
            assert one["shown"] > 0
        assert one["shown"] <= 2
        control = name not in module.plain([name])  # tested by what the controls' block says
        assert (one["p_zero_shot"] is None) == (control or name == "none")
        assert (one["p_random"] is None) == (control or name == "random")
        assert (one["p_bm25"] is None) == (control or name == "bm25")
        assert (one["p_best"] is None) == (control or name == found["best"])
        assert 0 <= one["target_shown"] <= 1
    shares = [share for share, _ in told.told]
    assert shares == sorted(shares)
    assert 0 <= shares[0] < shares[-1] < 1
    assert len(set(shares)) == 2 * len(COMPARED)  # a step for every choice


def test_the_numbers_are_those_of_single_runs_on_held_out_targets(
    engine: Engine, whole_study: Callable[..., Any]
) -> None:
    """Each user asked alone, from the start, gives the mean that the table tells."""
    found, _ = whole_study(strategies, PAYLOAD)
    plan = module.last_purchases(engine, StudyRequest.from_json(PAYLOAD))
    loaded = engine.load(engine.registered("tiny"))
    for name, spec in (("none", "none"), ("neighbours", "neighbours:2")):
        standings = []
        for question in plan.questions:
            request = RunRequest("toy", question.user_id, "tiny", spec, candidates=6)
            inputs = gather(resolve(engine, request))
            assert inputs.query.target_position == 8  # the last of nine
            scores = ranking.rank_candidates(loaded, inputs.task()).scores
            standings.append(standing(scores, inputs.target_index))
        first = sum(stands == Standing(0) for stands in standings)
        assert found["strategies"][name]["hr1"]["mean"] == pytest.approx(first / 4)
        expected = module.per_user(standings)["ndcg10"].mean()
        assert found["strategies"][name]["ndcg10"]["mean"] == pytest.approx(expected)


def test_equal_choices_share_one_ranking_and_one_zero_shot(
    engine: Engine, reports: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    together, prompts = [], []
    answers, read = ranking.answers, ranking.read
    monkeypatch.setattr(
        ranking, "answers", lambda *given, **how: together.append(len(given[1])) or answers(*given, **how)
    )
    monkeypatch.setattr(
        ranking, "read", lambda *given, **how: prompts.extend(given[1]) or read(*given, **how)
    )

    def same(context: Context[RunRequest]) -> Inputs:
        """All strategies but none choose what random chooses; neighbours weights it otherwise."""
        demos = context.request.demos
        if demos == "none":
            return gather(context)
        chosen = gather(context.asking(replace(context.request, demos="random:2")))
        return replace(chosen, weights=(1.0, 0.5)) if demos.startswith("neighbours") else chosen

    monkeypatch.setattr(module, "gather", same)
    found = strategies(engine, PAYLOAD, reports())
    assert together == [3] * 4  # of each user, all side by side
    whole = [(prompt.line, tuple(row.ids for row in prompt.rows)) for prompt in prompts]
    assert len(whole) == len(set(whole))  # nothing is read twice
    rows = found["strategies"]
    assert rows["random"]["ndcg10"] == rows["bm25"]["ndcg10"]
    assert rows["bm25"]["p_random"] == 1


def test_what_strategies_choose_from_is_known_before_the_target(
    engine: Engine, reports: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Watched where they choose: nothing of the target's day or later is shown."""
    choose, watched = gathering.selection.choose, []

    def seen(store: Any, dataset: Any, query: Any, *rest: Any) -> Any:
        chosen = choose(store, dataset, query, *rest)
        watched.extend(
            row.timestamp < query.target_timestamp for e in chosen for row in [*e.history, e.answer]
        )
        return chosen

    monkeypatch.setattr(gathering.selection, "choose", seen)
    strategies(engine, PAYLOAD, reports())
    assert watched
    assert all(watched)


def test_a_killed_study_goes_on_and_ends_the_same(
    engine: Engine,
    reports: Callable[..., Any],
    whole_study: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole, _ = whole_study(strategies, PAYLOAD)
    killed = reports(ends_after=12)
    with pytest.raises(KeyboardInterrupt):
        strategies(engine, PAYLOAD, killed)
    kept = json.loads(json.dumps(killed.partial))
    assert len(kept["measured"]) == 2
    assert kept["so_far"]["ndcg10"]["bm25"]["n"] == 2
    asked, users = module.asked, []
    monkeypatch.setattr(module, "asked", lambda *given: users.append(given[3]) or asked(*given))
    again = strategies(engine, PAYLOAD, reports(), kept)
    assert bare(again) == bare(whole)
    assert len(users) == 2
    other = {**PAYLOAD, "only": ["none", "random", "bm25"]}
    assert list(strategies(engine, other, reports(), kept)["strategies"]) == other["only"]


def test_a_strategy_that_came_later_is_measured(
    engine: Engine, reports: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    payload = {name: value for name, value in PAYLOAD.items() if name != "only"}
    monkeypatch.setattr(module, "COMPARED", {name: COMPARED[name] for name in ("none", "random")})
    first = reports()
    strategies(engine, payload, first)
    monkeypatch.setattr(module, "COMPARED", {name: COMPARED[name] for name in ("none", "random", "bm25")})
    found = strategies(engine, payload, reports(), first.partial)
    assert found["order"] == ["none", "random", "bm25"]


def test_the_guard_is_counted(
    engine: Engine, reports: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    verdicts = iter(["zero-shot", "two-stage", "two-stage", "stage 1"])

    def optimized(context: Context[RunRequest]) -> Inputs:
        inputs = gather(context)
        if context.request.demos != "neighbours:2":
            return inputs
        return replace(inputs, optimization={"guard": {"verdict": next(verdicts)}})

    monkeypatch.setattr(module, "gather", optimized)
    found = strategies(engine, PAYLOAD, reports())
    assert found["guard"] == {"zero-shot": 1, "two-stage": 2, "stage 1": 1}


CONTROLS = ["none", "random", "placebo", "placebo-users", "copy", "copy-histories"]


def test_controls_take_the_demonstrations_of_the_named_strategy(
    engine: Engine, reports: Callable[..., Any]
) -> None:
    """The copies by hand, from the single run's own demonstrations; the placebos as single runs."""
    payload = {**PAYLOAD, "only": CONTROLS, "control_of": "random"}
    told = reports()
    found = strategies(engine, payload, told)
    assert found["order"] == CONTROLS
    for user, value in told.partial["measured"].items():
        question = module.last_purchases(engine, StudyRequest.from_json(payload)).questions[
            int(user.partition("/")[2])
        ]
        request = RunRequest("toy", question.user_id, "tiny", "random:2", candidates=6)
        inputs = gather(resolve(engine, request))
        for name, counted in (("copy", [0]), ("copy-histories", [0, 1])):
            shown = [
                [*([entry.answer.item_id]), *(row.item_id for row in entry.history if 1 in counted)]
                for entry in inputs.chosen
            ]
            counts = [sum(items.count(item) for items in shown) for item in inputs.item_ids]
            stands = standing(counts, inputs.target_index)
            assert value["standing"][name] == [stands.above, stands.tied]
            assert value["shown"][name] == 2
        for name in ("placebo", "placebo-users"):
            control = replace(request, demos=f"{name}:2", control_of="random")
            chosen = gather(resolve(engine, control))
            assert value["placebos"][name] == chosen.control.measures
    assert [test["than"] for test in found["controls"]["tests"]] == [
        "copy",
        "copy-histories",
        "placebo",
        "placebo-users",
    ]
    assert found["controls"]["of"] == "random"
    assert found["best"] in ("none", "random")
    assert {test["better"] for test in found["tests"]} == {"none", "random"}
    assert any("Controls take the demonstrations of random windows" in note for note in found["notes"])
    assert any("tokens on average" in note for note in found["notes"])
    assert module.tables(found)[1][1][0][:2] == ["random", "copy"]


def test_controls_alone_are_refused(engine: Engine, reports: Callable[..., Any]) -> None:
    with pytest.raises(BadInput, match="only: placebo, copy are controls"):
        strategies(engine, {**PAYLOAD, "only": ["copy", "placebo"]}, reports())
    none = strategies(engine, {**PAYLOAD, "only": ["none", "copy"]}, reports())
    assert "controls" not in none  # nobody to compare them with


def test_a_study_leaves_out_what_shows_the_target_and_says_how_much(
    engine: Engine, reports: Callable[..., Any]
) -> None:
    columns = toy_columns(users=16, items=9, length=8)
    datasets.insert(engine.store, "few", columns, kind="t", source="t", fingerprint="few", report={})
    payload = {**PAYLOAD, "dataset": "few", "candidates": 2, "only": ["none", "random", "copy"]}
    whole = strategies(engine, {**payload, "control_of": "random"}, reports())
    less = strategies(engine, {**payload, "control_of": "random", "exclude_target_item": True}, reports())
    assert whole["strategies"]["random"]["target_shown"] > 0
    assert {row["target_shown"] for row in less["strategies"].values()} == {0}
    assert less["strategies"]["random"]["shown"] < whole["strategies"]["random"]["shown"]
    assert any("left out after the choice" in note for note in less["notes"])
    assert not any("left out after the choice" in note for note in whole["notes"])


def test_what_is_left_out_is_counted_once_though_copies_count_the_same_demonstrations() -> None:
    request = StudyRequest("strategies", "toy", exclude_target_item=True)
    user = {"excluded": {"bm25": 1, "copy": 1, "none": 0}, "shown": {"bm25": 3, "copy": 3, "none": 0}}
    [said] = module.left_out(request, [user, user])
    assert "2 of 8 in all" in said
    assert module.left_out(replace(request, exclude_target_item=False), [user]) == []


def test_it_notes_what_each_strategy_did_for_each_user(engine: Engine, reports: Callable[..., Any]) -> None:
    """A mark per user, in the order measured; none of the strategy they are held against, nor of controls."""
    found = strategies(engine, {**PAYLOAD, "only": ["none", "bm25", "copy"]}, reports())
    assert list(found["turned"]) == ["bm25"]
    assert len(found["turned"]["bm25"]) == PAYLOAD["users"]
    assert "turned" not in strategies(engine, {**PAYLOAD, "only": ["bm25", "random"]}, reports())


def test_a_better_rank_helped() -> None:
    standings = {
        "none": [Standing(3), Standing(0), Standing(2), Standing(1, 2)],
        "bm25": [Standing(1), Standing(4), Standing(2), Standing(2)],
        "copy": [Standing(0)] * 4,
    }
    assert module.turned(standings) == {"bm25": "+-=="}, "tied with two others, rank 3 is expected"
    assert module.turned({name: found * 100 for name, found in standings.items()})["bm25"] == "+-==" * 50
