"""The set-up stores what the guided start needs, and the first run is still the one that opens."""

import pytest

from db import guided, runs
from db.settings import Settings
from db.store import Store
from engine.context import EMBEDDED, Engine
from engine.tasks.setup import setup_workspace


@pytest.mark.skipif(
    not (EMBEDDED / "model.safetensors").exists(), reason="the embedded model is not in this checkout"
)
def test_its_runs_show_a_good_and_a_misleading_demonstration(store: Store, settings: Settings) -> None:
    told = setup_workspace(Engine(store, settings))
    assert runs.listing(store, limit=1)[0].key == told["run"]
    found = guided.find(store)
    assert found is not None
    assert found.misleading is not None
    assert found.off.result["metrics"]["rank"] > found.run.result["metrics"]["rank"]
    assert [guided.TAG in run.tags for run in runs.listing(store)] == [False, True, True]
    assert setup_workspace(Engine(store, settings)) == told, "nothing is stored twice"
    assert runs.count(store) == 3
