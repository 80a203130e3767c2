"""Effects of adding each of a pool to a request's prompt: stored, served again, refused where none are."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from db import datasets, optimizations
from db.effect_results import of_pool
from db.errors import BadInput
from db.requests import Chosen, RunRequest
from db.settings import Settings
from db.store import Store
from engine.context import Engine
from engine.jobs import handlers
from engine.llm.explain import predicted_effects
from engine.progress import quiet
from engine.tasks import predicted as tasks
from engine.tasks.pool import pool
from engine.tasks.predicted import predicted
from engine.tasks.rank import rank
from tests.toys import toy_columns


@pytest.fixture
def engine(store: Store, settings: Settings, model_folder: Callable[..., Path]) -> Engine:
    columns = toy_columns(users=12, items=30, length=8)
    datasets.insert(store, "toy", columns, kind="generic", source="test", fingerprint="toy", report={})
    made = Engine(store, settings)
    made.register("tiny", str(model_folder("llama")))
    return made


@pytest.fixture
def request_() -> RunRequest:
    return RunRequest(dataset="toy", user="u8", model="tiny", demos="neighbours:2", candidates=6)


@pytest.fixture
def views(engine: Engine, request_: RunRequest) -> list[dict[str, Any]]:
    return pool(engine, request_, ["neighbours", "random"], 5)


def test_each_effect_is_that_of_the_run_with_it_added_last(
    engine: Engine, request_: RunRequest, views: list[dict[str, Any]]
) -> None:
    run = rank(engine, request_)
    shown = tuple(Chosen(row["id"], 1.0) for row in run.result["demonstrations"])
    found = predicted(engine, request_, [view["id"] for view in views])
    assert (found["run"], found["added_to"], found["measure"]) == (run.key, 2, "margin")
    assert found["value"] == pytest.approx(run.result["margin"], abs=1e-4)
    names = {view["id"] for view in views} - {each.id for each in shown}
    assert found["effects"].keys() == names
    for name in list(names)[:3]:
        grown = rank(engine, replace(request_, demonstrations=(*shown, Chosen(name, 1.0))))
        gained = grown.result["margin"] - run.result["margin"]
        assert found["effects"][name] == pytest.approx(gained, abs=1e-4)
    said = of_pool({**found, "value": -0.1, "effects": {"a": 0.4, "b": 0.06, "c": -1.0, "d": None}})
    assert said == (
        "Added behind the 2 in the prompt, 2 of 3 help the target by 0.05 (log-share) or more, the best by "
        "+0.40. Its share is 90% without."
    )
    assert "Its share is over 99% without." in of_pool({**found, "value": -0.001})
    none = of_pool({**found, "measure": "loss", "effects": {"a": -0.2, "b": None}})
    assert none == "Added behind the 2 in the prompt, none of 1 helps the target by 0.05 (nats) or more."
    assert of_pool({**found, "effects": {"a": None}}) == "None of the pool has room in the prompt."


def test_it_is_stored_and_served_again(
    engine: Engine, request_: RunRequest, views: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = {"request": request_.to_json(), "demonstrations": [view["id"] for view in views]}
    first = handlers.HANDLERS["predicted"](engine, asked, quiet)

    def unused(*_: Any) -> Any:
        raise AssertionError("computed again")

    monkeypatch.setattr(predicted_effects, "added", unused)
    assert handlers.HANDLERS["predicted"](engine, asked, quiet) == first
    dataset = datasets.get(engine.store, "toy")
    assert [each.result for each in optimizations.listing(engine.store, dataset.id, "u8")] == [first]
    # Teeth: another desk, another pool or another measure is another question.
    for changed in (
        {**asked, "request": replace(request_, demos="neighbours:1").to_json()},
        {**asked, "demonstrations": asked["demonstrations"][:3]},
        {**asked, "measure": "loss"},
    ):
        with pytest.raises(AssertionError, match="computed again"):
            handlers.HANDLERS["predicted"](engine, changed, quiet)


def test_of_a_large_pool_the_most_similar_are_measured(
    engine: Engine, request_: RunRequest, views: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "MOST", 3)
    bare = replace(request_, demos="none")
    found = predicted(engine, bare, [view["id"] for view in views])
    most = sorted(views, key=lambda view: -view["similarity"])[:3]
    assert {view["similarity"] for view in views if view["id"] in found["effects"]} == {
        view["similarity"] for view in most
    }
    assert len(found["effects"]) == 3
    assert found["added_to"] == 0


NOT_PLAIN: list[dict[str, Any]] = [{"prompts": 2}, {"perturb": "ridge:0.5"}, {"forward": 2}]


@pytest.mark.parametrize("change", NOT_PLAIN, ids=lambda change: next(iter(change)))
def test_what_is_no_one_plain_prompt_is_refused(
    engine: Engine, request_: RunRequest, views: list[dict[str, Any]], change: dict[str, Any]
) -> None:
    with pytest.raises(BadInput, match=f"{next(iter(change))}: .*one plain prompt"):
        predicted(engine, replace(request_, **change), [views[0]["id"]])
    with pytest.raises(BadInput, match="no measure 'gain'"):
        predicted(engine, request_, [views[0]["id"]], "gain")
