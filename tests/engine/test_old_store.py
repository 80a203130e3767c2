"""What version 0.1.0 computed is computed again under the same keys, so that its runs go on being served."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from db import models, runs
from db.requests import RunRequest
from db.settings import Settings
from db.store import Store
from engine.context import Engine
from engine.tasks.effects import effects
from engine.tasks.rank import rank
from engine.tasks.setup import register_embedded
from tests.db.stores import reading
from tests.db.stores.reading import EXPECTED

# Of every field of a request one run or more; those that ask two models or tuned ones cannot be made again.
ASKED: tuple[dict[str, Any], ...] = (
    {"user": "c01", "candidates": 20},
    {"user": "c01", "demos": "none"},
    {"user": "c03", "scoring": "yes_no"},
    {"user": "c03", "scoring": "listwise"},
    {"user": "c04", "history": 3},
    {"user": "c04", "history_by": "semantic"},
    {"user": "c04", "history_by": "clusters"},
    {"user": "c05", "hint": "itemknn"},
    {"user": "c06", "embedding": "encoders/titles"},
    {"user": "c06", "prompts": 2},
    {"user": "c06", "forward": 3},
    {"user": "c07", "prescore": "embedded"},
    {"user": "c07", "weights": [0.5, 2.0]},
    {"user": "c08", "seed": 2},
    {"user": "c09", "demos": "random:3"},
    {"user": "c09", "demos": "aggregated:3"},
    {"user": "c10", "demos": "votek:2"},
    {"user": "c11", "demos": "neighbours:90t"},
    {"user": "c11", "demos": "twostage:2"},
)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """An engine over the old store, its embedded model found again at its new place."""
    settings: Settings = reading.unpack(tmp_path_factory.mktemp("old") / "home")
    with Store.open(settings) as store:
        made = Engine(store, settings)
        register_embedded(made)
        yield made


def test_a_stored_run_is_served_where_its_model_is_gone(tmp_path: Path) -> None:
    settings = reading.unpack(tmp_path / "home")
    expected = reading.run_of(user="c01", candidates=20)
    with Store.open(settings) as store:
        assert not Path(models.get(store, "embedded").source).exists()
        found = rank(Engine(store, settings), RunRequest.from_json(expected["request"]))
    assert (found.key, found.cached) == (expected["key"], True)


@pytest.mark.parametrize("fields", ASKED, ids=str)
def test_a_run_computed_again_has_its_old_key(engine: Engine, fields: dict[str, Any]) -> None:
    expected = reading.run_of(**fields)
    answered = f"FROM run_requests WHERE request_digest = '{expected['request_digest']}'"
    with engine.store.write() as connection:  # so that it is computed, not served
        connection.exec_driver_sql(f"DELETE {answered}")
    again = rank(engine, RunRequest.from_json(expected["request"]))
    assert (again.key, again.cached) == (expected["key"], True)
    assert reading.rows(engine.settings, f"SELECT run_key {answered}") == [{"run_key": expected["key"]}]
    assert len(reading.rows(engine.settings, "SELECT key FROM runs")) == len(EXPECTED["runs"])


def test_effects_asked_again_are_the_stored_ones(engine: Engine) -> None:
    """Their keys are made anew from run and options."""
    for each in EXPECTED["effects"]:
        run = runs.by_key(engine.store, each["run_key"])
        assert run is not None
        _, found = effects(engine, run.request, **each["options"])
        assert found.run_key == each["run_key"]
        assert found.effects_key == each["effects_key"], each["options"]
    assert len(reading.rows(engine.settings, "SELECT effects_key FROM effects")) == len(EXPECTED["effects"])
