"""The page's server as a process of its own, on a free port."""

import multiprocessing
import os
import runpy
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from db.settings import Settings

ROOT = Path(__file__).parents[2]
START_S = 180.0  # a busy machine
STOP_S = 15.0
SERVE = ["-P", "-m", "dashboard.serve", "--port={port}"]

# Its children begin with the libraries that a page imports: a second of work that each server would do again.
_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload(
    [
        "streamlit.web.bootstrap",
        "streamlit.web.server.starlette",
        "pandas.io.formats.style",
        "plotly.graph_objs._figure",
        "typer",
        "db.store",
        "db.requests",
    ]
)


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(url: str, status: Callable[[], int | None]) -> None:
    """Until the server answers; fails if it ends before. `status`: how it ended, or None."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        assert status() is None, f"the server ended with status {status()}"
        try:
            with urllib.request.urlopen(f"{url}/_stcore/health", timeout=2):
                return
        except OSError:
            time.sleep(0.05)
    raise AssertionError("the server did not answer in time")


@contextmanager
def forked(settings: Settings, *options: str, log: Path | None = None) -> Iterator[str]:
    """The address of the page alone, on the workspace of these settings. `options`: of `dashboard.serve`.

    `log`: a file for what it says on standard error. It is a fork of a process that has imported what pages
    need; `served` starts one as a user does.
    """
    port = free_port()
    words = ["dashboard.serve", f"--port={port}", *options]
    process = _forks.Process(
        target=_become, args=(words, _environment(settings), settings.home.parent, log), daemon=True
    )
    with _no_main():
        process.start()
    try:
        url = f"http://127.0.0.1:{port}"
        wait_for(url, lambda: process.exitcode)
        yield url
    finally:
        process.terminate()
        process.join(STOP_S)
        process.kill()
        process.join()


@contextmanager
def served(settings: Settings, command: list[str]) -> Iterator[str]:
    """The address of a server that is started by a command: `{port}` in it is a free one."""
    port = free_port()
    words = [sys.executable, *(word.format(port=port) for word in command)]
    process = subprocess.Popen(words, cwd=settings.home.parent, env=_environment(settings))
    try:
        url = f"http://127.0.0.1:{port}"
        wait_for(url, process.poll)
        yield url
    finally:
        process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _environment(settings: Settings) -> dict[str, str]:
    environment = {**os.environ, "DUALENS_HOME": str(settings.home), "OMP_NUM_THREADS": "1"}
    environment.pop("DUALENS_DATABASE_URL", None)
    return environment | {"PYTHONPATH": str(ROOT)}


@contextmanager
def _no_main() -> Iterator[None]:
    """No main module: a child would run it again, and a test of a page leaves that page's script there."""
    before = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = before


def _become(words: list[str], environment: dict[str, str], folder: Path, log: Path | None) -> None:
    """In the fork: `python -m WORDS` in a folder."""
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    if log is not None:
        with open(log, "wb") as said:
            os.dup2(said.fileno(), sys.stderr.fileno())
    sys.argv = words
    runpy.run_module(words[0], run_name="__main__", alter_sys=True)
