"""How a cluster is divided, without one; and what the command says where Ray is not there."""

import sys
from typing import Any

import pytest

from db.errors import BadInput
from db.settings import Settings
from db.store import Store
from engine.studies.experiments.ray_engine import ray_engine
from engine.studies.experiments.ray_plan import Division, batch_size, divided


def node(cpus: float, gpus: float = 0, alive: bool = True) -> dict[str, Any]:
    return {"Alive": alive, "Resources": {"CPU": cpus, **({"GPU": gpus} if gpus else {})}}


@pytest.mark.parametrize(
    ("nodes", "actors", "cpus", "device", "expected"),
    [
        ([node(16, 8)], None, None, "auto", Division(8, 1, True)),
        ([node(16, 8), node(64)], None, None, "auto", Division(8, 1, True)),
        ([node(16, 8)], None, 4, "auto", Division(4, 4, True)),
        ([node(16, 8)], None, None, "cpu", Division(4, 4, False)),
        ([node(2), node(1)], None, None, "auto", Division(1, 2, False)),
        ([node(8), node(16), node(99, alive=False)], None, None, "auto", Division(6, 4, False)),
        ([node(8), node(16)], 2, 8, "auto", Division(2, 8, False)),
    ],
)
def test_an_actor_for_each_gpu_or_group_of_cores(
    nodes: list[dict[str, Any]], actors: int | None, cpus: int | None, device: str, expected: Division
) -> None:
    assert divided(nodes, actors, cpus, device) == expected
    assert expected.fits(nodes)
    assert not expected.fits([{**each, "Alive": False} for each in nodes])


def test_more_cores_than_a_machine_has_are_refused() -> None:
    with pytest.raises(BadInput, match="no machine of the cluster has 16 cores"):
        divided([node(8), node(8)], None, 16)


def test_batches_leave_every_actor_several() -> None:
    assert [batch_size(*sizes) for sizes in ((3, 2), (64, 2), (10**6, 64))] == [1, 8, 16]


def test_without_ray_the_command_says_how_to_install_it(
    store: Store, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delitem(sys.modules, "engine.studies.experiments.ray_cluster", raising=False)
    with (
        pytest.raises(BadInput, match=r"Ray is not installed here.*dualens\[ray\]"),
        ray_engine(store, settings, "auto", None, None),
    ):
        pass
