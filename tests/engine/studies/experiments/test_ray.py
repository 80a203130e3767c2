"""Experiments on a Ray cluster of two nodes: the same runs and cells as without one, whatever is lost."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from db import datasets, jobs, runs
from db.canonical import canonical_json
from db.errors import BadInput, ModelError, OutOfMemory
from db.requests import ExperimentRequest
from db.settings import Settings
from db.store import Store
from engine.context import Engine
from engine.progress import quiet
from engine.studies.experiments import ray_engine
from engine.studies.experiments import run as experiments
from engine.studies.experiments.grid import laid_out
from engine.studies.experiments.ray_actor import Ranker
from tests.toys import toy_columns

ray = pytest.importorskip("ray", reason="Ray is not installed (extra `ray`)")
ROOT = Path(__file__).parents[4]
GRID = ExperimentRequest(
    "toy",
    users=8,
    model=("tiny",),
    demos=("none", "neighbours:2", "random:2"),
    draws=2,
    candidates=6,
    baselines=("popularity",),
    copies=("copy",),
)


@pytest.fixture(scope="module")
def nodes() -> Iterator[Any]:
    """A cluster of two nodes on this machine, one core each."""
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("PYTHONPATH", str(ROOT))
        patch.delenv("RAY_ADDRESS", raising=False)
        small = {"num_cpus": 1, "object_store_memory": 80 << 20, "include_dashboard": False}
        cluster = Cluster(initialize_head=True, head_node_args=small)
        cluster.add_node(num_cpus=1, object_store_memory=80 << 20)
        try:
            yield cluster
        finally:
            cluster.shutdown()


@pytest.fixture
def plain(store: Store, settings: Settings, saved_model: Callable[[str, str], Path]) -> Engine:
    """An engine without a cluster."""
    return stocked(store, settings, saved_model("llama", "bpe"))


@pytest.fixture
def far(nodes: Any, plain: Engine, tmp_path: Path, settings: Settings) -> Iterator[ray_engine.RayEngine]:
    """An engine on the cluster, with a store of its own."""
    home = tmp_path / "far"
    apart = settings.model_copy(update={"home": home, "database_url": f"sqlite:///{home}/dualens.db"})
    with Store.open(apart) as store:
        stocked(store, apart, Path(plain.registered("tiny").source))
        with ray_engine.ray_engine(store, apart, nodes.address, None, None) as engine:
            yield engine


def stocked(store: Store, settings: Settings, folder: Path) -> Engine:
    columns = toy_columns(users=12, items=30, length=8)
    datasets.insert(store, "toy", columns, kind="generic", source="test", fingerprint="toy", report={})
    engine = Engine(store, settings)
    engine.register("tiny", str(folder))
    return engine


def stored_runs(store: Store) -> dict[str, dict[str, Any]]:
    return {summary.key: runs.get(store, summary.key).result for summary in runs.listing(store, limit=1000)}


def close(one: Any, other: Any) -> bool:
    """Equal, numbers to 1e-6."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(close(one[name], other[name]) for name in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(close, one, other))
    return one == pytest.approx(other, abs=1e-6) if isinstance(one, float) else one == other


def same(plain: Engine, far: Engine, request: ExperimentRequest) -> None:
    """Asserts that both stores hold the same runs and cells."""
    ours, theirs = stored_runs(plain.store), stored_runs(far.store)
    assert ours.keys() == theirs.keys()
    for key, result in ours.items():
        assert close(result, theirs[key]), key
    tables = []
    for engine in (plain, far):
        cells = experiments.stored(engine, laid_out(engine, request))
        rows = [[[replace(cell, seconds=None) for cell in draws] for draws in of] for of in cells.at.values()]
        tables.append((cells.users, [experiments.written(c) for of in rows for draws in of for c in draws]))
    assert close(tables[0], tables[1])


def test_a_cluster_stores_the_same_runs_and_cells(plain: Engine, far: ray_engine.RayEngine) -> None:
    alone = experiments.run(plain, GRID, quiet)
    spread = experiments.run(far, GRID, quiet)
    assert canonical_json([row["key"] for row in alone["rows"]]) == canonical_json(
        [row["key"] for row in spread["rows"]]
    )
    assert alone["settings"] == spread["settings"]
    same(plain, far, GRID)
    assert far.loaded_models() == []  # nor was a model loaded here
    assert far.cluster.size == 2
    # What is stored needs no actor: the same again, and with more users only those.
    sent: list[int] = []
    rank = far.cluster.rank

    def watched(*given: Any) -> Any:
        for batch, *rest in rank(*given):
            sent.append(len(batch.users))
            yield batch, *rest

    far.cluster.rank = watched  # type: ignore[method-assign]
    experiments.run(far, GRID, quiet)
    assert not sent
    experiments.run(far, replace(GRID, users=10), quiet)
    assert sum(sent) == 2


def test_what_a_killed_actor_had_is_done_again_and_nothing_twice(
    plain: Engine, far: ray_engine.RayEngine
) -> None:
    kept: list[str] = []
    killed: list[int] = []
    compute = far.compute

    def watched(*given: Any) -> Iterator[Any]:
        for cells in compute(*given):
            kept.extend({place.user for place in cells})
            if not killed:
                killed.extend(far.cluster.pids()[:1])
                os.kill(killed[0], signal.SIGKILL)
            yield cells

    far.compute = watched  # type: ignore[method-assign]
    experiments.run(far, GRID, quiet)
    experiments.run(plain, GRID, quiet)
    same(plain, far, GRID)
    assert sorted(kept) == sorted(laid_out(far, GRID).users)
    assert killed
    assert killed[0] not in far.cluster.pids()


def test_a_lost_node_only_delays(nodes: Any, plain: Engine, far: ray_engine.RayEngine) -> None:
    other = nodes.add_node(num_cpus=1, object_store_memory=80 << 20)
    compute = far.compute
    removed: list[Any] = []

    def watched(*given: Any) -> Iterator[Any]:
        for cells in compute(*given):
            if not removed:
                removed.append(nodes.worker_nodes.copy().pop())
                nodes.remove_node(removed[0], allow_graceful=False)
            yield cells

    far.compute = watched  # type: ignore[method-assign]
    experiments.run(far, GRID, quiet)
    experiments.run(plain, GRID, quiet)
    same(plain, far, GRID)
    if other is removed[0]:
        return
    nodes.remove_node(other, allow_graceful=False)
    nodes.add_node(num_cpus=1, object_store_memory=80 << 20)


class Stop(Exception):
    """Ends an experiment in its midst."""


def test_what_is_finished_before_a_stop_is_kept_and_no_actor_stays(
    plain: Engine, far: ray_engine.RayEngine
) -> None:
    reports = 0

    def stopping(*_: Any) -> None:
        nonlocal reports
        reports += 1
        if stored_runs(far.store):
            raise Stop

    with pytest.raises(Stop):
        experiments.run(far, GRID, stopping)
    assert stored_runs(far.store)
    processes = far.cluster.pids()
    far.cluster.close()
    until = time.monotonic() + 60
    while any(Path(f"/proc/{pid}").exists() for pid in processes) and time.monotonic() < until:
        time.sleep(0.1)
    assert not any(Path(f"/proc/{pid}").exists() for pid in processes)


def test_a_folder_that_a_node_does_not_see_is_sent_and_checked(
    saved_model: Callable[[str, str], Path], plain: Engine
) -> None:
    import numpy as np

    info = plain.registered("tiny")
    folder = Path(info.source)
    ranker = Ranker("cpu", "float32", 1, lambda file: np.fromfile(file, np.uint8))
    template = plain.template("plain")
    assert ranker.load("/nowhere/llama-bpe", info.revision, [template]) is None
    assert ranker.load(info.source, "another", [template]) is None
    files = {file.name: file for file in folder.iterdir()}
    found = ranker.load("/nowhere/llama-bpe", info.revision, [template], files)
    assert found is not None
    place, model = found
    assert (model.source, model.revision, model.name) == ("/nowhere/llama-bpe", info.revision, "llama-bpe")
    assert model.identity == plain.identity(info)
    with pytest.raises(ModelError, match=f"On {place.host}.*they changed meanwhile"):
        ranker.load(
            "/nowhere/llama-bpe", info.revision, [template], {**files, "vocab.txt": folder / "config.json"}
        )


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("ray://there:10001", "is no address"),
        ("nothing", "is no address"),
        ("127.0.0.1:1", "nothing answers at 127.0.0.1:1"),
    ],
)
def test_an_address_without_a_cluster_is_said_at_once(plain: Engine, address: str, said: str) -> None:
    with (
        pytest.raises(BadInput, match=said),
        ray_engine.ray_engine(plain.store, plain.settings, address, None, None),
    ):
        pass


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        ("Worker exited: it was killed by the OS due to memory pressure", OutOfMemory, "--ray-actors"),
        ("ModuleNotFoundError: No module named 'engine'", ModelError, "Install it there"),
        ("connection error code 2", ModelError, "run the same command again"),
    ],
)
def test_why_actors_end_is_one_sentence(error: str, kind: type[Exception], said: str) -> None:
    from engine.studies.experiments.ray_cluster import reason

    found = reason(RuntimeError(error), "3 actors ended one after the other in the same place")
    assert type(found) is kind
    assert said in str(found)


def test_a_model_that_is_nowhere_is_named(plain: Engine) -> None:
    from engine.studies.experiments.ray_cluster import shipped

    with pytest.raises(ModelError, match=r"/nowhere of the model tiny is neither on this machine nor"):
        shipped(replace(plain.registered("tiny"), source="/nowhere"))


def test_what_is_not_spread_needs_the_same_numbers_here(far: ray_engine.RayEngine) -> None:
    info = far.registered("tiny")
    assert far.load(info).revision == info.revision
    far._identities[info.revision] = replace(far.identity(info), device="cuda")
    with pytest.raises(BadInput, match="computed by this command itself"):
        far.load(info)


def actors_of(nodes: Any) -> list[psutil.Process]:
    """Processes that rank on a cluster."""
    raylets = [entry.process.pid for node in nodes.list_all_nodes() for entry in node.all_processes["raylet"]]
    below = [child for pid in raylets for child in psutil.Process(pid).children(recursive=True)]
    return [child for child in below if any("Ranker" in word for word in child.cmdline())]


def test_ctrl_c_ends_the_command_and_its_actors(
    nodes: Any, store: Store, settings: Settings, saved_model: Callable[[str, str], Path]
) -> None:
    stocked(store, settings, saved_model("llama", "bpe"))
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("RAY_")},
        "DUALENS_HOME": str(settings.home),
        "DUALENS_DATABASE_URL": settings.database_url,
        "DUALENS_DEVICE": "cpu",
    }
    words = ("experiment", "run", "-d", "toy", "-m", "tiny", "--users", "10", "--ray", nodes.address)
    command = subprocess.Popen(
        [sys.executable, "-m", "engine", *words, "--ray-actors", "1"],
        cwd=ROOT,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert command.stderr is not None
    for line in command.stderr:
        if "of 1 actors" in line:
            break
    working = actors_of(nodes)
    assert working
    os.killpg(command.pid, signal.SIGINT)
    said = command.stderr.read()
    assert command.wait(60) == 128 + signal.SIGINT
    assert "Stopped by Ctrl-C" in said
    _, left = psutil.wait_procs(working, timeout=60)
    assert not left
    [job] = jobs.listing(store, kinds=["experiment"], limit=1)
    assert job.state == jobs.STOPPED


def test_files_travel_through_the_object_store(
    far: ray_engine.RayEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    from engine.studies.experiments import ray_cluster

    info = far.registered("tiny")
    folder = Path(info.source)
    monkeypatch.chdir(folder.parent)  # a folder beside this process, which actors do not see
    here = replace(info, source=f"./{folder.name}")
    sent: list[str] = []
    shipped = ray_cluster.shipped
    monkeypatch.setattr(ray_cluster, "shipped", lambda info: sent.append(info.name) or shipped(info))
    batches = iter(["only"])
    found = far.cluster.rank(here, [far.template("plain")], batches, lambda *_: [[]], lambda: None)
    [(batch, model, ranked)] = list(found)
    assert sent == ["tiny"]
    assert (batch, ranked) == ("only", [[]])
    assert (model.source, model.revision) == (here.source, info.revision)
