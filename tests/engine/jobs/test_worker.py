"""The worker: jobs end in the right state, a kill -9 loses nothing, one worker per device."""

import errno
import math
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from db import datasets, jobs, runs, workers
from db.errors import Conflict, DualensError, StoreAway
from db.patience import Patience
from db.requests import RunRequest
from db.settings import Settings
from db.store import Store
from engine import stopping
from engine.context import Engine
from engine.jobs import reporter, worker
from engine.jobs.reporter import Reporter, Stopped
from engine.progress import give_way
from tests.toys import toy_columns

ROOT = Path(__file__).resolve().parents[3]
LONG_S = 120.0  # a lease that nobody waits for


@pytest.fixture
def beat(store: Store, settings: Settings) -> worker.Beat:
    return worker.Beat(store, "here:1:cpu", Engine(store, settings))


def run_one(beat: worker.Beat, kind: str, payload: dict) -> jobs.Job:
    job = jobs.submit(beat.store, kind, payload)
    claimed = jobs.claim(beat.store, beat.owner)
    assert claimed is not None
    worker.run_job(beat.engine, beat, claimed)
    return jobs.get(beat.store, job.id)


def test_an_error_a_person_can_mend_ends_the_job_with_its_words(beat: worker.Beat) -> None:
    job = run_one(beat, "rank", {"request": {"dataset": "none", "user": "u"}})
    assert job.state == jobs.ERROR
    assert "none" in str(job.error)


def test_an_unknown_error_ends_the_job_and_not_the_worker(
    beat: worker.Beat, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(engine: Engine, payload: dict, report: Callable[..., None]) -> dict:
        raise ZeroDivisionError("by zero")

    monkeypatch.setitem(worker.HANDLERS, "rank", broken)
    job = run_one(beat, "rank", {})
    assert job.state == jobs.ERROR
    assert "ZeroDivisionError: by zero" in str(job.error)


def test_a_stop_reaches_the_running_job(beat: worker.Beat, monkeypatch: pytest.MonkeyPatch) -> None:
    def patient(engine: Engine, payload: dict, report: Callable[..., None]) -> dict:
        report(0.5, "half")
        jobs.stop(engine.store, payload["id"])
        beat.once()
        report(0.6, "more")
        raise AssertionError("the stop was not passed on")

    monkeypatch.setitem(worker.HANDLERS, "rank", patient)
    job = jobs.submit(beat.store, "rank", {"id": 1})
    assert job.id == 1
    claimed = jobs.claim(beat.store, beat.owner)
    assert claimed is not None
    worker.run_job(beat.engine, beat, claimed)
    assert jobs.get(beat.store, job.id).state == jobs.STOPPED


def test_closing_gives_the_job_back(beat: worker.Beat, monkeypatch: pytest.MonkeyPatch) -> None:
    def patient(engine: Engine, payload: dict, report: Callable[..., None]) -> dict:
        beat.closed.set()
        report(0.5)
        raise AssertionError("closing was not passed on")

    monkeypatch.setitem(worker.HANDLERS, "rank", patient)
    assert run_one(beat, "rank", {}).state == jobs.QUEUED


def test_report_raises_only_when_asked_to_stop(beat: worker.Beat) -> None:
    jobs.submit(beat.store, "rank", {})
    job = jobs.claim(beat.store, beat.owner)
    assert job is not None
    hand = worker.Hand(job)
    report = Reporter(beat.engine, beat.owner, hand, ["rank"], beat.closed, None)
    report(0.1, "fine")
    hand.stop_asked.set()
    with pytest.raises(Stopped):
        report(0.2)


def test_a_job_killed_within_a_second_of_each_first_unit_is_not_given_up(beat: worker.Beat) -> None:
    """No heartbeat comes in between: what got further says so itself, with what it found."""
    job = jobs.submit(beat.store, "rank", {})
    for attempt in range(6):
        claimed = jobs.claim(beat.store, beat.owner)
        assert claimed is not None, f"given up after {attempt} attempts"
        report = Reporter(beat.engine, beat.owner, worker.Hand(claimed), ["rank"], beat.closed, None)
        done = (report.before or {"n": 0})["n"]
        report(done / 10, "resumed")
        report((done + 1) / 10, "a unit", {"n": done + 1})
        jobs.expire(beat.store, beat.owner)  # killed
    assert jobs.get(beat.store, job.id).partial == {"n": 6}


def test_a_stopped_job_goes_on_from_what_it_had_found(
    beat: worker.Beat, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed, stopped or closed: the next attempt of the same work starts where the last one was."""

    def counting(engine: Engine, payload: dict, report: Reporter) -> dict:
        done = (report.before or {"n": 0})["n"]
        while done < 5:
            done += 1
            if done == 3 and not report.before:
                jobs.stop(engine.store, beat.hands[-1].job.id)
                beat.once()
            report(done / 5, "counting", {"n": done})
        return {"n": done, "began": report.before}

    monkeypatch.setitem(worker.HANDLERS, "rank", counting)
    first = run_one(beat, "rank", {"request": 1})
    assert (first.state, first.partial) == (jobs.STOPPED, {"n": 3})
    again = run_one(beat, "rank", {"request": 1})
    assert (again.state, again.result) == (jobs.COMPLETED, {"n": 5, "began": {"n": 3}})
    # A finished job leaves nothing to go on from: the next one starts (and here stops itself) anew.
    assert run_one(beat, "rank", {"request": 1}).state == jobs.STOPPED


def test_any_job_gives_way_to_those_of_a_better_priority_and_to_no_other(
    beat: worker.Beat, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four deep here: a tuning, an import, effects and a ranking, each inside the one before."""
    monkeypatch.setattr(reporter, "LEFT_S", 0.0)
    chain = ["tune", "import", "effects", "rank"]
    order: list[str] = []

    def handler(engine: Engine, payload: dict, report: Reporter) -> dict:
        kind = beat.hands[-1].job.kind
        order.append(f"{kind} begins")
        if not payload:
            for other in chain[: chain.index(kind) + 1]:
                jobs.submit(engine.store, other, {"not inside": kind})
            for better in chain[chain.index(kind) + 1 :][:1]:
                jobs.submit(engine.store, better, {})
        give_way()
        report(0.5, "half")
        order.append(f"{kind} ends")
        return {}

    for kind in chain:
        monkeypatch.setitem(worker.HANDLERS, kind, handler)
    jobs.submit(beat.store, "tune", {})
    job = jobs.claim(beat.store, beat.owner)
    assert job is not None
    worker.run_job(beat.engine, beat, job)
    assert not beat.hands
    open_kinds: list[str] = []
    for kind, event in (line.split() for line in order):
        if event == "begins":
            assert all(jobs.PRIORITY[kind] < jobs.PRIORITY[outer] for outer in open_kinds)
            open_kinds.append(kind)
        else:
            assert open_kinds.pop() == kind
    assert order[:4] == [f"{kind} begins" for kind in chain]
    assert order[-1] == "tune ends"
    assert {job.kind for job in jobs.listing(beat.store, states=[jobs.QUEUED])} == {"tune"}


def test_a_command_runs_its_job_in_its_own_process(
    beat: worker.Beat, monkeypatch: pytest.MonkeyPatch
) -> None:
    def noted(engine: Engine, payload: dict, report: Reporter) -> dict:
        report(0.5, "half way")
        end = time.monotonic() + 60
        while not said and time.monotonic() < end:
            time.sleep(0.02)
        if payload.get("fail"):
            raise DualensError("cannot be done")
        return {"answer": 42}

    monkeypatch.setitem(worker.HANDLERS, "setup", noted)
    said: list[str] = []
    jobs.submit(beat.store, "pool", {"somebody": "else's"})
    assert worker.run_here(beat.engine, "setup", {}, said.append) == {"answer": 42}
    assert said == ["half way"]
    assert [job.state for job in jobs.listing(beat.store, kinds=["pool"])] == [jobs.QUEUED]
    with pytest.raises(DualensError, match="cannot be done"):
        worker.run_here(beat.engine, "setup", {"fail": True}, said.append)
    assert workers.alive(beat.store) == []  # a command is no engine that others could wait for


def test_a_command_takes_over_from_a_dead_process_at_once(
    beat: worker.Beat, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(worker.HANDLERS, "setup", lambda engine, payload, report: {"had": report.before})
    child = subprocess.Popen(["true"])
    child.wait()
    killed = f"{socket.gethostname()}:{child.pid}:command"
    job = jobs.submit(beat.store, "setup", {})
    jobs.claim(beat.store, killed, lease_s=LONG_S)
    jobs.heartbeat(beat.store, job.id, killed, lease_s=LONG_S, partial={"n": 2})
    ends = time.time() + LONG_S
    assert worker.run_here(beat.engine, "setup", {}, lambda text: None) == {"had": {"n": 2}}
    assert time.time() < ends, "the lease is not waited for"


def test_a_worker_takes_over_what_a_killed_process_of_this_host_left(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    child = subprocess.Popen(["sleep", "60"])
    owner = f"{socket.gethostname()}:{child.pid}:cuda:1"
    job = jobs.submit(store, "study", {})
    jobs.claim(store, owner, lease_s=LONG_S)
    ends = time.time() + LONG_S
    child.kill()
    child.wait()
    closed = threading.Event()
    taken = next(worker.claimed(store, "here:1:cpu", closed, lambda: True))
    assert (taken.id, taken.attempts) == (job.id, 2)
    assert time.time() < ends, "at once, and not when the lease runs out"


def test_one_worker_per_device(tmp_path: Path) -> None:
    with (
        worker.device_lock(tmp_path, "cpu"),
        pytest.raises(Conflict, match=str(os.getpid())),
        worker.device_lock(tmp_path, "cpu"),
    ):
        pass
    with worker.device_lock(tmp_path, "cpu"):
        pass


def test_a_second_dashboards_engine_says_once_that_there_is_one_and_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "TURN_S", 0.0)
    said: list[str] = []
    monkeypatch.setattr(worker.log, "info", lambda event, reason: said.append(f"{event}: {reason}"))
    first = ExitStack()
    first.enter_context(worker.device_lock(tmp_path, "cpu"))
    turn = worker._in_turn(threading.Event(), os.getppid())
    turns: list[bool] = []

    def wait(reason: str) -> bool:
        turns.append(turn(reason))
        if len(turns) == 5:
            first.close()
        return turns[-1]

    with worker.device_lock(tmp_path, "cpu", wait):
        assert len(turns) == 5
    assert len(said) == 1
    assert said[0].startswith("waiting: Another engine")
    ended = worker._in_turn(threading.Event(), parent=1)  # whose dashboard has gone
    with (
        worker.device_lock(tmp_path, "cpu"),
        pytest.raises(Conflict),
        worker.device_lock(tmp_path, "cpu", ended),
    ):
        pass


def test_what_a_dead_worker_held_is_taken_over_at_once(store: Store) -> None:
    dead = workers.Worker("here:1:cpu", 1, "here", "cpu", "float32", "busy", beat_at=time.time())
    workers.beat(store, dead)
    job = jobs.submit(store, "rank", {})
    assert jobs.claim(store, dead.owner, lease_s=1000) is not None
    worker.bury_predecessors(store, "cpu", "here:2:cpu")
    taken = jobs.claim(store, "here:2:cpu")
    assert taken is not None
    assert taken.id == job.id
    assert taken.attempts == 2
    assert workers.alive(store) == []


def start(settings: Settings) -> subprocess.Popen[bytes]:
    environment = {
        **os.environ,
        "DUALENS_HOME": str(settings.home),
        "DUALENS_DATABASE_URL": settings.database_url,
        "DUALENS_DEVICE": "cpu",
        "OMP_NUM_THREADS": "1",
    }
    return subprocess.Popen([sys.executable, "-m", "engine", "worker"], cwd=ROOT, env=environment)


def wait_for(condition: Callable[[], bool], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "the worker did not get there in time"
        time.sleep(0.05)


def test_kill_9_loses_no_finished_work_and_the_rest_is_done_later(
    store: Store, settings: Settings, model_folder: Callable[..., Path]
) -> None:
    datasets.insert(
        store,
        "toy",
        toy_columns(users=40, items=60, length=8),
        kind="generic",
        source="test",
        fingerprint="toy",
        report={},
    )
    Engine(store, settings).register("tiny", str(model_folder("llama")))
    filed = [
        jobs.submit(
            store,
            "rank",
            {"request": RunRequest(dataset="toy", user=f"u{u}", model="tiny", candidates=20).to_json()},
        )
        for u in range(10, 40)
    ]

    def completed() -> int:
        return len(jobs.listing(store, states=[jobs.COMPLETED]))

    first = start(settings)
    try:
        wait_for(lambda: completed() >= 3)
    finally:
        first.send_signal(signal.SIGKILL)
        first.wait()
    before = {job.id: job.result for job in jobs.listing(store, states=[jobs.COMPLETED])}
    assert len(before) < len(filed)
    second = start(settings)
    try:
        wait_for(lambda: completed() == len(filed))
    finally:
        second.terminate()
        assert second.wait(120) == 128 + signal.SIGTERM
    after = {job.id: job.result for job in jobs.listing(store, states=[jobs.COMPLETED])}
    assert all(after[number] == result for number, result in before.items())
    assert len(runs.listing(store)) == len(filed)
    assert workers.alive(store) == []


def test_effects_job_names_the_run_and_its_effects(
    beat: worker.Beat, model_folder: Callable[..., Path]
) -> None:
    columns = toy_columns(users=12, items=30, length=8)
    datasets.insert(beat.store, "toy", columns, kind="generic", source="test", fingerprint="toy", report={})
    beat.engine.register("tiny", str(model_folder("llama")))
    request = RunRequest(dataset="toy", user="u8", model="tiny", demos="neighbours:2", candidates=5)
    job = run_one(beat, "effects", {"request": request.to_json(), "leave_one_out": True})
    assert job.state == jobs.COMPLETED, job.error
    assert job.result is not None
    measured = {each.result["mode"]: each for each in runs.effects(beat.store, job.result["run"])}
    assert measured.keys() == {"direct", "reprompt"}
    assert measured["reprompt"].effects_key == job.result["effects"]
    pool = run_one(beat, "pool", {"request": request.to_json(), "sources": ["neighbours"], "size": 3})
    assert pool.result is not None
    assert 0 < len(pool.result["demonstrations"]) <= 3


@pytest.mark.parametrize(
    "fault",
    [
        StoreAway("The database is away."),
        OSError(errno.ENOSPC, "No space left on device", "checkpoint.safetensors"),
        RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)"),
    ],
)
def test_a_job_pauses_while_the_store_or_the_disk_is_away_and_resumes(
    beat: worker.Beat, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    pauses: list[float] = []
    beat.store.patience = Patience(math.inf, pause=pauses.append)
    befores: list[dict | None] = []

    def handler(engine: Engine, payload: dict, report: Reporter) -> dict:
        befores.append(report.before)
        report(0.5, "half", {"done": len(befores)})
        if len(befores) < 4:
            raise fault
        return {"attempts": len(befores)}

    monkeypatch.setitem(worker.HANDLERS, "rank", handler)
    job = run_one(beat, "rank", {})
    assert (job.state, job.result, job.error) == (jobs.COMPLETED, {"attempts": 4}, None)
    assert befores == [None, {"done": 1}, {"done": 2}, {"done": 3}]
    assert len(pauses) == 3


def test_a_command_gives_up_in_time_and_says_how_to_resume(
    beat: worker.Beat, monkeypatch: pytest.MonkeyPatch
) -> None:
    def handler(engine: Engine, payload: dict, report: Reporter) -> dict:
        report(0.5, "half", {"done": 1})
        beat.store.patience.seconds = 0  # what a minute comes to
        raise StoreAway("The database is away.")

    monkeypatch.setitem(worker.HANDLERS, "setup", handler)
    beat.store.patience.advice = "Resume it."
    with pytest.raises(StoreAway, match=r"^The database is away\. Resume it\.$"):
        worker.run_here(beat.engine, "setup", {}, lambda text: None)
    [job] = jobs.listing(beat.store)
    assert (job.state, job.error) == (jobs.RUNNING, None), "whoever comes next takes it over"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_the_job_of_a_command_and_keeps_its_work(
    beat: worker.Beat, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    def handler(engine: Engine, payload: dict, report: Reporter) -> dict:
        if report.before:
            return {"from": report.before}
        report(0.5, "half", {"done": 1})
        os.kill(os.getpid(), number)
        report(0.6, "more")
        raise AssertionError("the signal was not passed on")

    def run() -> dict:
        with stopping.handled():
            return worker.run_here(beat.engine, "setup", {}, lambda text: None)

    monkeypatch.setitem(worker.HANDLERS, "setup", handler)
    with pytest.raises(stopping.Ended, match="What was finished is kept") as ended:
        run()
    assert ended.value.status == 128 + number
    [job] = jobs.listing(beat.store)
    assert (job.state, job.attempts, job.partial) == (jobs.STOPPED, 0, {"done": 1})
    assert run() == {"from": {"done": 1}}


def test_a_log_that_cannot_be_written_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with open("/dev/full", "w", buffering=1) as full:
        monkeypatch.setattr(sys, "stderr", full)
        worker.log.info("ready")
        monkeypatch.setattr(sys, "stderr", None)
        worker.log.warning("ready")
        monkeypatch.undo()
        with suppress(OSError):
            full.close()


def test_a_full_disk_keeps_no_worker_from_its_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(worker.os, "getpid", full)  # where the holder's number is written
    with worker.device_lock(tmp_path, "cpu"), pytest.raises(Conflict), worker.device_lock(tmp_path, "cpu"):
        pass
