"""`dualens --read-only`: pages of what is stored, where no control starts work or changes anything."""

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from streamlit.testing.v1 import AppTest
from typer.testing import CliRunner

from dashboard import __main__ as command
from dashboard import pages
from dashboard.screens.runs import picks
from dashboard.ui import rights
from db import jobs
from db.requests import ExperimentRequest, RunRequest
from db.runs import Run
from db.settings import Settings
from db.store import Store
from tests.support import fake_experiment, fake_study, shop
from tests.support.fake_engine import effects, rank
from tests.support.reading import texts
from tests.support.server import free_port, wait_for

Open = Callable[..., AppTest]
BASE = RunRequest("simulated", "shopper 0012")
STUDY = {"study": "strategies", "dataset": "simulated", "model": "embedded", "users": 20}
SECTIONS = ("effects", "tokens", "pairs", "stability")
PAGES = [page.name for page in pages.shown(read_only=True)]


@pytest.fixture
def stocked(store: Store) -> tuple[Run, Run, int]:
    """Two runs, one with effects, and two studies and two experiments, one of each has failed."""
    shop.stock(store)
    one, two = rank(store, BASE), rank(store, replace(BASE, demos="bm25:2", template="films", history=3))
    effects(store, one)
    done, failed = (jobs.submit(store, "study", {**STUDY, "seed": seed}) for seed in (0, 1))
    for _ in range(2):
        jobs.claim(store, "me")
    jobs.finish(store, done.id, "me", fake_study.strategies(STUDY))
    jobs.fail(store, failed.id, "me", "It broke.")
    jobs.submit(store, "study", {**STUDY, "seed": 2})
    for seed in (0, 1):
        asked = ExperimentRequest("simulated", users=8, effects=True, seed=seed)
        job = jobs.submit(store, "experiment", asked.to_json())
        jobs.claim(store, "me", job_id=job.id)
        if seed:
            jobs.fail(store, job.id, "me", "It broke.")
        else:
            jobs.finish(store, job.id, "me", fake_experiment.result(store, asked))
    return one, two, failed.id


@pytest.fixture
def open_read(open_page: Open, stocked: tuple[Run, Run, int], monkeypatch: pytest.MonkeyPatch) -> Open:
    """`open_page`, of a dashboard that only shows what is stored."""
    monkeypatch.setenv("DUALENS_READ_ONLY", "true")

    def open_(page: str, **params: str) -> AppTest:
        app = AppTest.from_file(str(command.ROOT / "dashboard" / "app.py"), default_timeout=180).run()
        app.switch_page(f"screens/{page}/page.py")
        app.query_params.clear()
        for name, value in params.items():
            app.query_params[name] = value
        return app.run()

    return open_


def content(settings: Settings) -> bytes:
    """The bytes of the store's file."""
    return Path(settings.database_url.removeprefix("sqlite:///")).read_bytes()


def views(stocked: tuple[Run, Run, int]) -> Iterator[tuple[str, dict[str, str]]]:
    """Pages with what they show."""
    one, two, failed = stocked
    for name in PAGES:
        yield name, {}
    for part in SECTIONS:
        yield "explain", {"run": two.key, "part": part}
    yield "compare", {"a": one.key, "b": two.key}
    yield "studies", {"study": str(failed)}
    yield "experiments", {"experiment": str(failed + 2)}


def test_no_control_of_any_page_starts_work_or_changes_anything(
    open_read: Open, stocked: tuple[Run, Run, int], settings: Settings
) -> None:
    """Every button that can be pressed is pressed; a page added later is covered too."""
    before = content(settings)
    for name, params in views(stocked):
        app = open_read(name, **params)
        assert not app.exception, name
        if name == "runs":
            app.session_state["form-answers"] = {picks.PICKED: [stocked[0].key]}
            app.run()
        keys = [each.key for each in app.button if not each.disabled]
        for key in keys:
            pressed = next((each for each in app.button if each.key == key), None)
            if pressed is None:
                continue  # another button took it away
            app = pressed.click().run()
            assert not app.exception, (name, key)
            assert not [each.value for each in app.error if "only" in each.value], (name, key, app.error)
            app = open_read(name, **params)
    assert content(settings) == before


def test_what_cannot_be_done_says_why(open_read: Open, stocked: tuple[Run, Run, int]) -> None:
    greyed = []
    for part in SECTIONS:
        app = open_read("explain", run=stocked[1].key, part=part)
        greyed += [each for each in app.button if each.disabled]
    asked = {"Measure effects", "Measure tokens", "Run perturbations", "Run forward tuning"}
    assert asked <= {each.label for each in greyed}
    assert all(each.help == rights.READS_ONLY for each in greyed)
    assert "Shows what is stored. Nothing is computed, nothing changes." in texts(app)


def test_pages_that_change_things_are_not_there(open_read: Open) -> None:
    assert {"recommend", "tune", "library"}.isdisjoint(PAGES)
    app = open_read("studies")
    assert "New study" not in texts(app)


def test_a_run_is_not_marked(open_read: Open) -> None:
    app = open_read("runs")
    assert rights.READS_ONLY in texts(app)
    assert "Open on the desk" not in texts(app)


def test_the_command_starts_one_process_without_pytorch(
    store: Store, settings: Settings, stocked: tuple[Run, Run, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DUALENS_HOME", str(settings.home))
    monkeypatch.delenv("DUALENS_DATABASE_URL", raising=False)
    store.close()
    before, port = content(settings), free_port()
    process = command.start("dashboard", "--read-only", "--no-browser", f"--port={port}")
    try:
        wait_for(f"http://127.0.0.1:{port}", process.poll)
        [page] = psutil.Process(process.pid).children(recursive=True)
        assert "dashboard.serve" in page.cmdline()
        loaded = [each.path for each in page.memory_maps()] if hasattr(page, "memory_maps") else []
        assert not [path for path in loaded if f"{os.sep}torch{os.sep}" in path]
    finally:
        process.terminate()
        process.wait()
    assert content(settings) == before


def test_an_empty_place_stays_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUALENS_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("DUALENS_DATABASE_URL", raising=False)
    monkeypatch.setenv("DUALENS_READ_ONLY", "")  # put back at the end: the command sets it
    result = CliRunner().invoke(command.app, ["--read-only", "--no-browser"])
    assert result.exit_code == 2
    assert "with --read-only none is made" in result.stderr
    assert not (tmp_path / "home").exists()
    assert json.dumps(result.stderr).count("\\n") == 1
