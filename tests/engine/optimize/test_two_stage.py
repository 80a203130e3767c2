"""Optimizations on a tiny model: stored, replayable, applied as told, and blind to the target."""

import importlib
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from db import datasets, optimizations
from db.errors import BadInput, NotFound
from db.requests import OptimizeRequest, RunRequest
from engine.context import Engine, resolve
from engine.demos import query as queries
from engine.demos import selection
from engine.jobs import handlers
from engine.optimize import calibration, optimize, validation_purchases
from engine.optimize.long_term_effect import long_term_effect
from engine.optimize.two_stage import key_of
from engine.progress import quiet
from engine.tasks.inputs import gather
from engine.tasks.rank import rank
from tests.engine.optimize.conftest import Optimized

Opened = Callable[..., Engine]
optimizing = importlib.import_module("engine.optimize.two_stage")  # its function has the same name


def unguarded(asked: OptimizeRequest) -> OptimizeRequest:
    """A random model's demonstrations seldom help, so a guard would leave nothing to look at."""
    return replace(asked, guard=False)


def test_the_same_question_is_answered_from_the_store(
    opened: Opened, asked: OptimizeRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = opened()
    first = optimize(engine, asked).result
    monkeypatch.setattr(engine, "load", lambda info: pytest.fail("a stored one must not load a model"))
    again = optimize(engine, asked).result
    assert again == {**first, "cached": True}
    assert not first["cached"]
    assert json.loads(json.dumps(first)) == first
    [stored] = optimizations.listing(engine.store, datasets.get(engine.store, "toy").id, "u8")
    assert stored.key == first["key"]


def test_the_key_says_until_when_things_are_known(opened: Opened, asked: OptimizeRequest) -> None:
    """A set chosen as of an earlier moment is another set: it is stored under another key."""
    context = resolve(opened(), asked)
    keys = {
        key_of(replace(context, moment=replace(context.query, known_until=until)))
        for until in (None, 1_000_000_000, 1_000_500_000)
    }
    assert len(keys) == 3
    assert key_of(context) in keys


def test_the_path_can_be_replayed(optimized: Optimized, asked: OptimizeRequest) -> None:
    found, told = optimized.result, optimized.reports
    pool = {each["id"] for each in found["pool"]}
    assert [step["step"] for step in found["path"]] == list(range(len(found["path"])))
    assert [step["stage"] for step in found["path"]] == sorted(step["stage"] for step in found["path"])
    assert (found["path"][0]["action"], found["path"][-1]["action"]) == ("zero-shot", "guard")
    for step in found["path"]:
        assert set(step["demonstrations"]) <= pool
        assert len(step["demonstrations"]) <= asked.size
        assert len(step["weights"]) == len(step["demonstrations"])
    assert [each["id"] for each in found["chosen"]] == found["path"][-1]["demonstrations"]
    assert told[-1][2]["path"] == found["path"]


def test_the_objective_told_is_the_gain_on_the_probes_that_chose(
    optimized: Optimized, asked: OptimizeRequest
) -> None:
    """Worked out anew from one ranking per probe, with the probe's own demonstrations at weight 0."""
    from engine.llm.scoring.ranking import Task, rank_candidates
    from engine.prompts import Example

    engine, found = optimized.engine, optimized.result
    step = next(s for s in reversed(found["path"]) if s["demonstrations"])
    dataset, query = _query(engine)
    among = validation_purchases.targets(
        engine.store, dataset, query, asked.probes, asked.history, asked.seed
    )
    listed = validation_purchases.candidates(engine.store, dataset, query, among, asked.seed)
    shown = {each["id"]: each for each in found["pool"]}
    model = engine.load(engine.registered("tiny"))
    gains = []
    for target, titles in zip(among, listed, strict=True):
        written = {
            name: weight
            for name, weight in zip(step["demonstrations"], step["weights"], strict=True)
            if not _same_person(engine, name, target, dataset)
        }
        demos = tuple(Example(tuple(shown[n]["history"]), shown[n]["answer"], None) for n in written)
        task = Task(
            demos,
            tuple(row.title for row in target.history),
            titles,
            0,
            scoring=found["request"]["scoring"],
            weights=tuple(written.values()),
        )
        ranked = rank_candidates(model, task)
        bare = rank_candidates(model, replace(task, demos=(), weights=None))
        assert ranked.margin is not None
        assert bare.margin is not None
        gains.append(ranked.margin - bare.margin)
    assert step["objective"] == pytest.approx(float(validation_purchases.share(among) @ gains), abs=2e-3)


def _query(engine: Engine):
    dataset = datasets.get(engine.store, "toy")
    return dataset, queries.build(engine.store, dataset, "u8", "test")


def _same_person(engine: Engine, name: str, target: validation_purchases.Target, dataset) -> bool:
    from db import demonstrations

    made = demonstrations.get_many(engine.store, [name], dataset.id)[name]
    if target.kind == "similar":
        return target.user_id in (made.user_id, *(user for user, _ in made.merged))
    at = target.purchase.position
    places = made.merged or ((made.user_id, made.position or 0),)
    return any(user == "u8" and at <= place <= at + 5 for user, place in places)


def test_the_target_is_never_read(
    opened: Opened, asked: OptimizeRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Unseen:
        def __getattribute__(self, name: str) -> Any:
            raise AssertionError(f"the target's {name} was read")

    engine, build = opened(), queries.build
    monkeypatch.setattr(
        queries,
        "build",
        lambda store, dataset, user, *rest: (
            replace(build(store, dataset, user, *rest), target=Unseen())
            if (user, *rest[:1]) == ("u8", "test")
            else build(store, dataset, user, *rest)
        ),
    )
    for guard in (True, False):
        assert optimize(engine, replace(asked, guard=guard)).result["path"]


@pytest.mark.parametrize("timestamps", [True, False])
def test_another_target_changes_nothing(
    opened: Opened, asked: OptimizeRequest, store, tmp_path, timestamps: bool
) -> None:
    found = []
    for last in (3, 17):
        engine = opened(last, timestamps)
        made = optimize(engine, unguarded(asked)).result
        found.append({name: made[name] for name in ("probes", "path", "chosen", "pool")})
        with store.write() as connection:
            connection.exec_driver_sql("DELETE FROM datasets")
    assert found[0] == found[1]


def test_what_to_expect_is_taken_from_other_users_known_purchases(
    opened: Opened, asked: OptimizeRequest
) -> None:
    engine = opened()
    _, query = _query(engine)
    context = resolve(engine, replace(asked, calibrate=6, scoring="sum"))

    def found(query: queries.Query) -> dict[str, Any]:
        return calibration.gains(context.at(query), quiet)

    moments = [
        calibration._earlier(context, user).target_timestamp
        for user in calibration._users(context)
        if user != "u8"
    ]
    early = replace(query, target_timestamp=sorted(m for m in moments if m is not None)[2])
    assert {len(gains) for gains in found(early).values()} == {2}
    everything = replace(query, target_timestamp=2**40)
    assert {len(gains) for gains in found(everything).values()} == {len(moments)}
    assert set(found(query)) == set(calibration.STARTS)
    before = found(query)
    engine.load = lambda info: pytest.fail("tried once")  # type: ignore[method-assign]
    assert all((found(query)[name] == before[name]).all() for name in before)


def test_a_trial_of_strategies_that_was_stopped_goes_on_from_what_was_stored(
    opened: Opened, asked: OptimizeRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = opened()
    _, query = _query(engine)
    context = resolve(engine, replace(asked, calibrate=6, scoring="sum")).at(query)
    monkeypatch.setattr(calibration, "PART", 2)
    done: list[str] = []
    row = calibration._row

    def stopping(context: Any, user: str) -> dict[str, Any]:
        if len(done) == 5:
            raise InterruptedError
        done.append(user)
        return row(context, user)

    monkeypatch.setattr(calibration, "_row", stopping)
    with pytest.raises(InterruptedError):
        calibration.gains(context, quiet)
    monkeypatch.setattr(calibration, "_row", lambda *given: done.append(given[1]) or row(*given))
    resumed = calibration.gains(context, quiet)
    assert sorted(done) == sorted([*calibration._users(context), done[4]]), "one of a part is tried again"
    monkeypatch.setattr(calibration, "_row", row)
    whole = calibration._tried(context, quiet)
    known = [each for each in whole if calibration._known(each, query) and each["user"] != query.user_id]
    for name in calibration.STARTS:
        assert resumed[name].tolist() == [each["gain"][name] for each in known]


def test_probes_are_past_purchases_and_half_of_them_judge(opened: Opened) -> None:
    engine = opened()
    dataset, query = _query(engine)
    among = validation_purchases.targets(engine.store, dataset, query, 10, 10, 0)
    own = [each for each in among if each.kind == "own"]
    assert 1 <= len(own) <= validation_purchases.OWN
    assert len(among) > len(own)
    assert all(each.purchase.position < query.target_position for each in own)
    moment = query.target_timestamp or 0
    assert all((each.purchase.timestamp or 0) < moment for each in among)
    assert abs(sum(each.held_out for each in among) - len(among) / 2) <= 1
    assert validation_purchases.share(among).sum() == pytest.approx(1)
    for titles, each in zip(
        validation_purchases.candidates(engine.store, dataset, query, among, 0), among, strict=True
    ):
        assert titles[0] == each.purchase.title
        assert len(set(titles)) == len(titles)
        assert not {row.title for row in query.history} & set(titles[1:])


def test_a_strategy_that_optimizes_works_wherever_one_is_written(opened: Opened) -> None:
    engine = opened()
    run = RunRequest("toy", "u8", "tiny", demos="greedy:2", candidates=6)
    inputs = gather(resolve(engine, run))
    assert inputs.optimization is not None
    assert [e.demonstration.id for e in inputs.chosen] == [
        each["id"] for each in inputs.optimization["chosen"]
    ]
    assert list(inputs.weights) == [each["weight"] for each in inputs.optimization["chosen"]]
    assert rank(engine, run).key == rank(engine, run).key
    guarded = gather(resolve(engine, replace(run, demos="twostage:2")))
    assert guarded.optimization is not None
    if guarded.optimization["guard"]["verdict"] == "zero-shot":
        assert guarded.chosen == ()
    assert gather(resolve(engine, replace(run, demos="neighbours:2"))).optimization is None
    with pytest.raises(BadInput, match="leave out prompts"):
        gather(resolve(engine, replace(run, prompts=2)))


@pytest.mark.parametrize("surely", [True, False])
def test_a_search_that_does_not_surely_help_gives_way_to_the_plain_strategy(
    opened: Opened, asked: OptimizeRequest, monkeypatch: pytest.MonkeyPatch, surely: bool
) -> None:
    engine = opened()
    helps = dict.fromkeys(calibration.STARTS, np.full(50, 0.1)) | {"recent": np.full(50, 0.3)}
    monkeypatch.setattr(calibration, "gains", lambda *given: helps)
    monkeypatch.setattr(optimizing, "choose", lambda search, starts, *rest: starts["recent"][:1])
    monkeypatch.setattr(optimizing, "better", lambda new, old, share: surely)
    found = optimize(engine, replace(asked, stages=1)).result
    dataset, query = _query(engine)
    plain = [e.demonstration.id for e in selection.choose(engine.store, dataset, query, "recent:3", 0)]
    assert [each["id"] for each in found["chosen"]] == (plain[:1] if surely else plain)
    assert [step["action"] for step in found["path"][1:-1]] == ([] if surely else ["back"])
    assert found["guard"]["verdict"] == "stage 1"


def test_a_budget_in_tokens_holds(opened: Opened, asked: OptimizeRequest) -> None:
    engine = opened()
    found = optimize(engine, replace(unguarded(asked), tokens=1)).result
    assert found["chosen"] == []


def test_a_job_gives_what_the_function_gives(opened: Opened, asked: OptimizeRequest) -> None:
    engine = opened()
    found = handlers.optimize_job(engine, asked.to_json(), lambda *said: None)
    assert found["key"] == optimize(engine, asked).result["key"]


def test_what_makes_no_sense_is_refused(opened: Opened, asked: OptimizeRequest) -> None:
    engine = opened()
    with pytest.raises(NotFound):
        optimize(engine, replace(asked, user="nobody"))
    for field, value in (
        ("size", 0),
        ("stages", 3),
        ("ridge", -1.0),
        ("sources", ()),
        ("kappa", float("nan")),
    ):
        with pytest.raises(BadInput, match=field):
            replace(asked, **{field: value})
    with pytest.raises(BadInput, match="not a field"):
        OptimizeRequest.from_json({**asked.to_json(), "speed": 9})
    assert OptimizeRequest.from_json(json.loads(json.dumps(asked.to_json()))) == asked


def test_a_set_is_scored_again_on_each_newer_purchase(opened: Opened, asked: OptimizeRequest) -> None:
    engine = opened()
    found = long_term_effect(engine, unguarded(asked), 5)
    assert [point["place"] for point in found["points"]] == [5, 6, 7]
    first = found["points"][0]
    assert first["elapsed_s"] == 0
    assert first["stale"] == first["reoptimized"]
    for point in found["points"]:
        for way in ("stale", "fresh", "reoptimized"):
            assert point[way]["effect"] == pytest.approx(point[way]["margin"] - point["zero_shot"]["margin"])
    with pytest.raises(BadInput, match="start is 7"):
        long_term_effect(engine, asked, 7)
