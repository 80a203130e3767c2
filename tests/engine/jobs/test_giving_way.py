"""A job that is interrupted comes to the very numbers it would have come to alone, and so does the other."""

import copy
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from db import datasets, jobs, runs
from db.requests import Chosen, RunRequest
from db.settings import Settings
from db.store import Store
from engine import progress
from engine.context import Engine
from engine.jobs import reporter, worker
from engine.jobs.reporter import Reporter
from engine.tasks.pool import pool
from tests.toys import toy_columns

ASKED = RunRequest(dataset="toy", user="u8", model="tiny", demos="neighbours:3", candidates=8)
WITH = {"request": ASKED.to_json()}
TUNING = {"dataset": "toy", "base": "tiny", "steps": 3, "batch_tokens": 400, "name": "tuned"}
POOL: list[str] = []  # ids of demonstrations, in every store that is made here
WORK: dict[str, tuple[str, dict[str, Any]]] = {
    "direct effects": ("effects", {**WITH, "mode": "direct", "leave_one_out": True}),
    "total effects": ("effects", {**WITH, "mode": "total", "estimator": "kriging"}),
    "reprompted effects": ("effects", {**WITH, "mode": "reprompt"}),
    "gradients": ("effects", {**WITH, "estimator": "aumann"}),
    "effects of a pool": ("predicted", {**WITH, "demonstrations": POOL}),
    "spread": ("spread", {**WITH, "kinds": ["weights", "dropout"], "draws": 2}),
    "forward tuning": ("forward", {**WITH, "iterations": 2}),
    "catalogue": ("catalogue", {"request": replace(ASKED, scoring="calibrated").to_json(), "top": 5}),
    "optimize": (
        "optimize",
        {"dataset": "toy", "user": "u8", "model": "tiny", "pool": 3, "probes": 2, "calibrate": 3},
    ),
    "tuning": ("tune", TUNING),
    "SASRec": ("tune", {"dataset": "toy", "kind": "sasrec", "minutes": 1}),
}
VARIES = (
    *("timings_ms", "seconds", "spent", "created_at", "folder", "flop_floor_ratio"),
    *("tokens_per_second", "loaded"),
)


def engine_at(home: Path, lay_store: Callable[[Settings], None], model: Path) -> worker.Beat:
    settings = Settings(home=home, database_url=f"sqlite:///{home}/dualens.db", device="cpu", dtype="float32")
    lay_store(settings)
    store = Store.open(settings)
    columns = toy_columns(users=14, items=40, length=9)
    datasets.insert(store, "toy", columns, kind="generic", source="test", fingerprint="toy", report={})
    engine = Engine(store, settings)
    engine.register("tiny", str(model))
    POOL[:] = [row["id"] for row in pool(engine, ASKED, ["random"], 6)]
    return worker.Beat(store, "here:1:cpu", engine)


@pytest.fixture
def pair(
    tmp_path: Path, lay_store: Callable[[Settings], None], saved_model: Callable[[str, str], Path]
) -> tuple[worker.Beat, worker.Beat]:
    """Two workers with stores of equal content."""
    model = saved_model("llama", "bpe")
    return (
        engine_at(tmp_path / "alone", lay_store, model),
        engine_at(tmp_path / "interrupted", lay_store, model),
    )


def done(beat: worker.Beat, kind: str, payload: dict[str, Any]) -> jobs.Job:
    job = jobs.submit(beat.store, kind, payload)
    claimed = jobs.claim(beat.store, beat.owner, job_id=job.id)
    assert claimed is not None
    worker.run_job(beat.engine, beat, claimed)
    return jobs.get(beat.store, job.id)


def numbers(beat: worker.Beat, job: jobs.Job) -> Any:
    """All that a job came to, stored runs and effects with it, but what depends on time and place."""
    assert job.state == jobs.COMPLETED, job.error
    run = (job.result or {}).get("run")
    stored = [] if run is None else [each.result for each in runs.effects(beat.store, run)]
    result = [] if run is None else [runs.get(beat.store, run).result]
    return without(copy.deepcopy([job.result, *result, *stored]))


def without(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: without(inner) for name, inner in value.items() if name not in VARIES}
    return [without(inner) for inner in value] if isinstance(value, list) else value


def reweighted(number: int) -> dict[str, Any]:
    """A ranking with weights that nobody asked for before."""
    chosen = tuple(Chosen(name, 1 + number / 64) for name in reweighted.ids)  # type: ignore[attr-defined]
    return {"request": replace(ASKED, demos="none", demonstrations=chosen).to_json()}


@pytest.mark.parametrize("name", WORK)
def test_an_interrupted_job_and_the_one_that_interrupts_come_to_the_numbers_they_have_alone(
    name: str, pair: tuple[worker.Beat, worker.Beat], monkeypatch: pytest.MonkeyPatch
) -> None:
    alone, interrupted = pair
    kind, payload = WORK[name]
    # Else the speed of the machine decides after which steps of the tuning it is validated.
    monkeypatch.setattr("engine.tuning.trainer.VALIDATE_COST", 1.0)
    first = [done(beat, "rank", WITH) for beat in pair]
    demonstrations = runs.get(alone.store, str((first[0].result or {})["run"])).result["demonstrations"]
    reweighted.ids = [row["id"] for row in demonstrations]  # type: ignore[attr-defined]
    torch.manual_seed(3)
    expected = done(alone, kind, payload)
    noise = torch.rand(3)

    looks = 0
    look = jobs.look

    def busy(store: Store, job: jobs.Job, owner: str, kinds: list[str]) -> tuple[bool, bool]:
        nonlocal looks
        if job.kind != "rank":
            looks += 1
            if looks % 7 == 0 and looks <= 28:
                jobs.submit(store, "rank", reweighted(looks // 7))
        return look(store, job, owner, kinds)

    monkeypatch.setattr(reporter, "LEFT_S", 0.0)
    monkeypatch.setattr(reporter.jobs, "look", busy)
    torch.manual_seed(3)
    found = done(interrupted, kind, payload)
    monkeypatch.undo()
    assert torch.equal(torch.rand(3), noise), "the random numbers of the interrupted job"
    ranked = jobs.listing(interrupted.store, kinds=["rank"], states=[jobs.COMPLETED], limit=10_000)[:-1]
    assert len(ranked) >= 2
    assert numbers(interrupted, found) == numbers(alone, expected)
    for job in ranked[:3]:
        assert numbers(interrupted, job) == numbers(alone, done(alone, "rank", job.payload))


def test_effects_stop_at_the_next_look(
    pair: tuple[worker.Beat, worker.Beat], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The moment that a person asks is the first layer of the measuring; the job looks after each layer."""
    beat, _ = pair
    done(beat, "rank", WITH)
    looks: list[str] = []
    look = jobs.look

    def stopping(store: Store, job: jobs.Job, owner: str, kinds: list[str]) -> tuple[bool, bool]:
        if job.kind == "effects":
            looks.append(job.kind)
            jobs.stop(store, job.id)
        return look(store, job, owner, kinds)

    monkeypatch.setattr(reporter, "LEFT_S", 0.0)
    monkeypatch.setattr(reporter.jobs, "look", stopping)
    job = done(beat, "effects", {**WITH, "leave_one_out": True})
    assert job.state == jobs.STOPPED
    assert len(looks) == 1
    assert beat.engine.prefills.nbytes >= 0


def test_a_task_of_slow_units_stops_after_one_of_them(
    pair: tuple[worker.Beat, worker.Beat], monkeypatch: pytest.MonkeyPatch
) -> None:
    beat, _ = pair
    units: list[float] = []

    def slow(engine: Engine, payload: dict[str, Any], report: Reporter) -> dict[str, Any]:
        for number in range(600):
            units.append(time.monotonic())
            if number == 2:
                jobs.stop(engine.store, beat.hands[-1].job.id)
            time.sleep(0.1)
            progress.give_way()
        return {}

    monkeypatch.setitem(worker.HANDLERS, "import", slow)
    assert done(beat, "import", {}).state == jobs.STOPPED
    assert len(units) == 3


def test_what_nobody_wants_any_more_ends_while_it_runs(
    pair: tuple[worker.Beat, worker.Beat], monkeypatch: pytest.MonkeyPatch
) -> None:
    beat, _ = pair

    def slow(engine: Engine, payload: dict[str, Any], report: Reporter) -> dict[str, Any]:
        end = time.monotonic() + 60
        jobs.let_go(engine.store, beat.hands[-1].job.id)
        while time.monotonic() < end:
            time.sleep(0.05)
            progress.give_way()
        return {}

    monkeypatch.setitem(worker.HANDLERS, "effects", slow)
    job = jobs.submit(beat.store, "effects", {}, wanted_s=10)
    claimed = jobs.claim(beat.store, beat.owner)
    assert claimed is not None
    worker.run_job(beat.engine, beat, claimed)
    assert jobs.get(beat.store, job.id).dropped, "it ran to its end"


def test_nothing_is_let_in_while_a_transaction_is_open(
    pair: tuple[worker.Beat, worker.Beat], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its writes would wait for this process's own lock."""
    beat, _ = pair
    order: list[str] = []

    def writing(engine: Engine, payload: dict[str, Any], report: Reporter) -> dict[str, Any]:
        jobs.submit(engine.store, "rank", {"n": 1})
        with engine.store.write():
            progress.give_way()
            order.append("written")
        progress.give_way()
        return {}

    monkeypatch.setattr(reporter, "LEFT_S", 0.0)
    monkeypatch.setitem(worker.HANDLERS, "import", writing)
    monkeypatch.setitem(worker.HANDLERS, "rank", lambda *_: order.append("ranked") or {})
    assert done(beat, "import", {}).state == jobs.COMPLETED
    assert order == ["written", "ranked"]


def test_models_of_the_interrupted_job_stay_loaded(pair: tuple[worker.Beat, worker.Beat]) -> None:
    engine = pair[0].engine
    info = engine.registered("tiny")
    engine.models.limit_bytes = 1
    mine = engine.load(info)
    with reporter.clean_state(engine):
        engine.load(replace(info, source=f"{info.source}/../{Path(info.source).name}"))
        assert len(engine.models.names()) == 2
    assert engine.load(engine.registered("tiny")) is mine


def test_what_runs_in_between_starts_in_a_clean_state(pair: tuple[worker.Beat, worker.Beat]) -> None:
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        before = torch.get_rng_state()
        with reporter.clean_state(pair[0].engine):
            assert torch.is_grad_enabled()
            assert not torch.is_autocast_enabled("cpu")
            torch.rand(5)
        assert not torch.is_grad_enabled()
        assert torch.is_autocast_enabled("cpu")
        assert torch.equal(torch.get_rng_state(), before)
    with torch.inference_mode(), reporter.clean_state(pair[0].engine):
        assert not torch.is_inference_mode_enabled()


def test_the_clock_of_a_job_stands_still_while_another_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(progress.time, "perf_counter", lambda: now[0])
    clock = progress.Clock()
    now[0] += 1
    with progress.aside():
        inner = progress.Clock()
        now[0] += 5
        with progress.aside():
            now[0] += 10
        assert inner.seconds == 5
    assert clock.seconds == 1


REPORTING = ("effects", "predicted", "spread", "forward", "catalogue")
COUNTED = [name for name, (kind, _) in WORK.items() if kind in REPORTING]


@pytest.mark.parametrize("name", COUNTED)
def test_work_reports_how_much_of_it_is_done(
    name: str, pair: tuple[worker.Beat, worker.Beat], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between any two layers, never backwards, and to about its end: what a bar and a time left need."""
    beat, _ = pair
    kind, payload = WORK[name]
    shares: list[float] = []
    report = Reporter.__call__

    def noted(self: Reporter, progress: float | None, message: str = "", partial: dict | None = None) -> None:
        if progress is not None:
            shares.append(progress)
        report(self, progress, message, partial)

    monkeypatch.setattr(progress.Tally, "REPORT_EVERY_S", -1.0)
    monkeypatch.setattr(Reporter, "__call__", noted)
    assert done(beat, kind, payload).state == jobs.COMPLETED
    assert shares == sorted(shares)
    assert 0.5 < max(shares) <= 1.0
    assert len(set(shares)) >= 4
