"""How long a ranking waits while the engine does something else, and how soon that stops when asked to.

A worker of its own serves a workspace of its own. Beside each kind of longer work, rankings of the embedded
model are asked for one after the other, with a weight that nobody asked for before, as a slider would.
"""

import csv
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from db import jobs, runs
from db.errors import DualensError
from db.requests import Chosen, RunRequest
from db.settings import Settings
from db.store import Store
from engine.context import EMBEDDED, Engine
from engine.data.draws import generator
from engine.tasks.setup import DATASET, MODEL, setup_workspace

ROWS = 450_000  # of the file that is imported
LARGER = "random-135m"
PAUSE_S = 0.3  # between an answer and the next question
START_S = 120.0  # a worker loads its libraries first
_SHAPE = {
    "vocab_size": 49152,
    "hidden_size": 576,
    "intermediate_size": 1536,
    "num_hidden_layers": 30,
    "num_attention_heads": 9,
    "num_key_value_heads": 3,
    "max_position_embeddings": 2048,
    "tie_word_embeddings": True,
}


def giving_way(seconds: float, only: list[str] | None, report: Callable[[str], None]) -> dict[str, Any]:
    """A row for each kind of work: rankings asked for within `seconds` of it, their median and longest wait,
    and the seconds from "stop" to the end of the work.

    `only`: kinds of work, out of `WORK`. Raises DualensError where the work fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        settings = Settings(home=home, database_url=f"sqlite:///{home}/dualens.db")
        with Store.open(settings) as store:
            report("Setting up a workspace...")
            engine = Engine(store, settings)
            asked = _request(engine, setup_workspace(engine)["run"])
            work = {name: make(home, asked) for name, make in WORK.items() if not only or name in only}
            if LARGER in {str(payload.get("request", {}).get("model")) for _, payload in work.values()}:
                engine.register(LARGER, str(_larger(home)))
            with _worker(settings):
                _wait(store, _ranking(store, asked, -1), START_S)
                rows = [_beside(store, asked, None, seconds, "nothing")]
                for name, (kind, payload) in work.items():
                    report(f"Ranking beside: {name}...")
                    job = jobs.submit(store, kind, payload)
                    rows.append(_beside(store, asked, job, seconds, name))
        return {"bench": "waiting", "device": engine.device(), "seconds": seconds, "rows": rows}


def _request(engine: Engine, run: str) -> RunRequest:
    """The first run's request with its demonstrations named, so that each can be weighted."""
    stored = runs.get(engine.store, run)
    chosen = tuple(Chosen(row["id"], 1.0) for row in stored.result["demonstrations"])
    return replace(stored.request, demos="none", demonstrations=chosen)


def _beside(
    store: Store, asked: RunRequest, job: jobs.Job | None, seconds: float, name: str
) -> dict[str, Any]:
    """Rankings while the job runs, and how soon it ends when it is stopped."""
    if job is not None:
        _until(lambda: jobs.get(store, job.id).state != jobs.QUEUED, START_S)
    waits: list[float] = []
    end = time.monotonic() + seconds
    while time.monotonic() < end and (job is None or jobs.get(store, job.id).state == jobs.RUNNING):
        waits.append(_wait(store, _ranking(store, asked, len(waits)), START_S))
        time.sleep(PAUSE_S)
    stopped = None
    if job is not None:
        asked_at = time.monotonic()
        state = jobs.stop(store, job.id).state
        _until(lambda: jobs.get(store, job.id).state != jobs.RUNNING, START_S)
        ended = jobs.get(store, job.id)
        if ended.state == jobs.ERROR:
            raise DualensError(f"{name}: {ended.error}")
        stopped = time.monotonic() - asked_at if state == jobs.RUNNING else None
    return {
        "beside": name,
        "rankings": len(waits),
        "median_s": round(statistics.median(waits), 3) if waits else None,
        "longest_s": round(max(waits), 3) if waits else None,
        "stopped_s": None if stopped is None else round(stopped, 3),
    }


def _ranking(store: Store, asked: RunRequest, number: int) -> jobs.Job:
    """File a ranking with a weight of its own, so that it is computed."""
    assert asked.demonstrations
    weight = round(1 + time.time() % 1 + number / 1000, 6)
    first = replace(asked.demonstrations[0], weight=weight)
    request = replace(asked, demonstrations=(first, *asked.demonstrations[1:]))
    return jobs.submit(store, "rank", {"request": request.to_json()}, wanted_s=START_S)


def _wait(store: Store, job: jobs.Job, most_s: float) -> float:
    """Seconds until the job is done. Raises DualensError where it fails."""
    started = time.monotonic()
    _until(lambda: jobs.get(store, job.id).state not in (jobs.QUEUED, jobs.RUNNING), most_s)
    ended = jobs.get(store, job.id)
    if ended.state != jobs.COMPLETED:
        raise DualensError(ended.error or f"A ranking ended as {ended.state}.")
    return time.monotonic() - started


def _until(true: Callable[[], bool], most_s: float) -> None:
    end = time.monotonic() + most_s
    while not true():
        if time.monotonic() > end:
            raise DualensError(f"The worker did not get there within {most_s:g} s.")
        time.sleep(0.01)


@contextmanager
def _worker(settings: Settings) -> Iterator[None]:
    """An engine process for this workspace."""
    environment = {"DUALENS_HOME": str(settings.home), "DUALENS_DATABASE_URL": settings.database_url}
    root = Path(__file__).parents[2]
    with open(settings.home / "worker.log", "w") as log:
        command = [sys.executable, "-m", "engine", "worker"]
        child = subprocess.Popen(command, cwd=root, env={**os.environ, **environment}, stderr=log)
        try:
            yield
        finally:
            child.terminate()
            child.wait()


def _larger(home: Path) -> Path:
    """A folder with a model of 135 million random weights and the embedded model's tokenizer."""
    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    folder = home / LARGER
    torch.manual_seed(0)
    LlamaForCausalLM(LlamaConfig(**_SHAPE)).save_pretrained(folder)  # type: ignore[arg-type]
    AutoTokenizer.from_pretrained(EMBEDDED).save_pretrained(folder)
    return folder


def _file(home: Path) -> Path:
    """A file of `ROWS` purchases by a tenth as many people, drawn at random."""
    path = home / "purchases.csv"
    draw = generator(0)
    users, items = draw.integers(0, ROWS // 10, ROWS), draw.zipf(1.3, ROWS) % 20_000
    times = 1_500_000_000 + np.sort(draw.integers(0, 10**8, ROWS))
    with open(path, "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["user_id", "item_id", "title", "timestamp"])
        for user, item, moment in zip(users.tolist(), items.tolist(), times.tolist(), strict=True):
            rows.writerow([f"u{user}", f"i{item}", f"Thing number {item}", moment])
    return path


def _effects(asked: RunRequest, model: str) -> tuple[str, dict[str, Any]]:
    request = replace(asked, model=model, demonstrations=None, demos="neighbours:6")
    return "effects", {"request": request.to_json(), "leave_one_out": True}


_SHOP = {"dataset": DATASET}
WORK: dict[str, Callable[[Path, RunRequest], tuple[str, dict[str, Any]]]] = {
    "import": lambda home, _: ("import", {"path": str(_file(home)), "name": "purchases"}),
    "optimize": lambda _, asked: ("optimize", {**_SHOP, "user": asked.user, "model": MODEL}),
    "tune": lambda *_: ("tune", {**_SHOP, "base": MODEL, "minutes": 10, "name": "tuned"}),
    "study": lambda *_: ("study", {**_SHOP, "study": "strategies", "model": MODEL, "users": 200}),
    "effects": lambda _, asked: _effects(asked, MODEL),
    f"effects of {LARGER}": lambda _, asked: _effects(asked, LARGER),
}
"""Kind and payload of each longer work, by the name it is listed under."""
