"""A real browser against a real Streamlit server; skipped where Chromium or playwright is missing."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from db.settings import Settings
from db.store import Store

ROOT = Path(__file__).parents[2]
CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
START_S = 180.0  # a busy machine


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    """Until the server answers; fails if it ends before."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        assert process.poll() is None, f"the server ended with status {process.returncode}"
        try:
            with urllib.request.urlopen(f"{url}/_stcore/health", timeout=2):
                return
        except OSError:
            time.sleep(0.1)
    raise AssertionError("the server did not answer in time")


@pytest.fixture
def serve(settings: Settings) -> Iterator[Callable[[list[str]], str]]:
    """`serve(command)` starts a server on a free port (`{port}` in the command) and returns its address."""
    started: list[subprocess.Popen[bytes]] = []

    def start(command: list[str]) -> str:
        port = free_port()
        environment = {**os.environ, "DUALENS_HOME": str(settings.home), "OMP_NUM_THREADS": "1"}
        environment.pop("DUALENS_DATABASE_URL", None)
        words = [sys.executable, *(word.format(port=port) for word in command)]
        started.append(subprocess.Popen(words, cwd=ROOT, env=environment))
        url = f"http://127.0.0.1:{port}"
        wait_for(url, started[-1])
        return url

    yield start
    for process in started:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.fixture
def dashboard(serve: Callable[[list[str]], str], store: Store) -> str:
    """The address of the page alone, on the workspace of the `store` fixture; the engine is the test's."""
    options = ["--server.port={port}", "--server.headless=true", "--server.address=127.0.0.1"]
    return serve(["-m", "streamlit", "run", "dashboard/app.py", *options])


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Headless Chromium. Not for the whole session: no other test could run an event loop beside it."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A page at 1440 x 900 that fails the test when a script of a title runs."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    opened = context.new_page()
    opened.set_default_timeout(180_000)  # a busy machine
    alerts: list[str] = []
    opened.on("dialog", lambda dialog: (alerts.append(dialog.message), dialog.dismiss()))
    yield opened
    context.close()
    assert not alerts
