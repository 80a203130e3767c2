"""A request is looked up once: how often a model's folder is looked at and the store written for it."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from db import datasets, models
from db.errors import ModelError, NotFound
from db.requests import OptimizeRequest, RunRequest
from db.settings import Settings
from db.store import Store
from engine.context import Engine, resolve
from engine.jobs import handlers
from engine.llm.loading import load, loaded_models, sources
from engine.tasks.pool import pool
from engine.tasks.rank import rank
from tests.toys import toy_columns

RUN = RunRequest(dataset="toy", user="u8", model="tiny", demos="neighbours:3", candidates=6)
OPTIMIZE = OptimizeRequest("toy", "u8", "tiny", size=2, pool=4, probes=6, steps=2, calibrate=3)
STUDY = {"study": "strategies", "dataset": "toy", "model": "tiny", "users": 3, "candidates": 6, "k": 2}


@pytest.fixture
def engine(store: Store, settings: Settings, model_folder: Callable[..., Path]) -> Engine:
    columns = toy_columns(users=16, items=30, length=8)
    datasets.insert(store, "toy", columns, kind="generic", source="test", fingerprint="toy", report={})
    made = Engine(store, settings)
    made.register("tiny", str(model_folder("llama")))
    return made


@pytest.fixture
def looks(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Counter:
    """Calls since the models were registered, by name."""
    calls: Counter = Counter()

    def counted(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any, **more: Any) -> Any:
            calls[name] += 1
            return function(*given, **more)

        return call

    monkeypatch.setattr(sources, "revision", counted("looked", sources.revision))
    monkeypatch.setattr(load, "inspect", counted("inspected", load.inspect))
    monkeypatch.setattr(models, "register", counted("written", models.register))
    monkeypatch.setattr(loaded_models, "locate", counted("located", loaded_models.locate))
    return calls


def run_payload(**changes: Any) -> dict[str, Any]:
    return {"request": replace(RUN, **changes).to_json()}


@pytest.mark.parametrize(
    ("job", "payload"),
    [
        (handlers.rank_job, run_payload(demos="neighbours:200t")),
        (handlers.rank_job, run_payload(demos="mmr:3", history_by="clusters")),
        (handlers.rank_job, run_payload(demos="twostage:2")),
        (handlers.effects_job, {**run_payload(), "leave_one_out": True}),
        (handlers.spread_job, {**run_payload(), "kinds": ["weights:0.5"], "draws": 2}),
        (handlers.forward_job, {**run_payload(), "iterations": 1}),
        (handlers.catalogue_job, {**run_payload(scoring="sum"), "top": 3}),
        (handlers.pool_job, {**run_payload(prescore="tiny"), "size": 3}),
        (handlers.optimize_job, OPTIMIZE.to_json()),
        (handlers.study_job, {**STUDY, "only": ["none", "embedding", "twostage"]}),
        (handlers.study_job, {**STUDY, "study": "faithfulness", "demos": "neighbours:2"}),
        (
            handlers.study_job,
            {**STUDY, "study": "recicl", "demos": "neighbours:200t", "periods": 4, "cut": 2},
        ),
    ],
)
def test_a_models_folder_is_looked_at_once_and_not_written(
    engine: Engine, looks: Counter, job: handlers.Handler, payload: dict[str, Any]
) -> None:
    job(engine, payload, lambda *said: None)
    # Inspected when it was registered. Located once more by the loader, which compares with what it holds.
    assert (looks["looked"], looks["inspected"], looks["written"], looks["located"]) == (1, 0, 0, 1)


def test_a_second_request_looks_anew_and_loads_nothing(engine: Engine, looks: Counter) -> None:
    rank(engine, RUN)
    rank(engine, RUN)  # served from the store
    rank(engine, replace(RUN, demos="bm25:2"))
    assert (looks["looked"], looks["inspected"], looks["written"], looks["located"]) == (3, 0, 0, 1)


def test_a_changed_folder_is_noticed_and_written_once(engine: Engine, looks: Counter) -> None:
    first = rank(engine, RUN)
    folder = Path(models.get(engine.store, "tiny").source)
    (folder / "RECIPE.json").write_text('{"scoring": "mean"}')
    second, third = rank(engine, RUN), rank(engine, RUN)
    assert (first.request.scoring, second.request.scoring) == ("calibrated", "mean")
    assert third.cached
    assert (looks["looked"], looks["inspected"], looks["written"]) == (3, 1, 1)


def test_the_scoring_is_named_and_the_proxy_is_looked_up(
    engine: Engine, looks: Counter, model_folder: Callable[..., Path]
) -> None:
    engine.register("small", str(model_folder("gpt2")))
    looks.clear()
    context = resolve(engine, replace(RUN, prescore="small"))
    assert (context.request.scoring, context.model.name) == ("calibrated", "tiny")
    assert context.proxy is not None
    assert (context.proxy.name, looks["looked"]) == ("small", 2)
    assert resolve(engine, replace(RUN, scoring="sum")).request.scoring == "sum"
    assert pool(engine, RUN, ["neighbours"], 2)


def test_a_data_set_that_is_not_there_is_found_out_before_the_model(engine: Engine, looks: Counter) -> None:
    with pytest.raises(NotFound, match="toys"):
        resolve(engine, replace(RUN, dataset="toys", model="nowhere"))
    assert not looks
    with pytest.raises(ModelError, match="nowhere"):
        resolve(engine, replace(RUN, model="/nowhere"))


def test_another_request_keeps_the_moment_and_another_moment_keeps_the_request(engine: Engine) -> None:
    context = resolve(engine, RUN)
    other = resolve(engine, replace(RUN, user="u3")).query
    moved = context.at(other)
    assert (moved.query, moved.request, context.query.user_id) == (other, context.request, "u8")
    asked = moved.asking(OPTIMIZE)
    assert (asked.query, asked.request) == (other, replace(OPTIMIZE, scoring="calibrated", turns="one"))
    assert (asked.dataset, asked.model) == (context.dataset, context.model)
