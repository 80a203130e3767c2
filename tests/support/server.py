"""The page's server as a process of its own, on a free port."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from db.settings import Settings

ROOT = Path(__file__).parents[2]
START_S = 180.0  # a busy machine
SERVE = ["-P", "-m", "dashboard.serve", "--port={port}"]


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


@contextmanager
def served(settings: Settings, command: list[str], log: Path | None = None, **more: str) -> Iterator[str]:
    """The address of a server: `{port}` in the command is a free one. `more`: of its environment.

    `log`: a file for what it says on standard error.
    """
    port = free_port()
    environment = {**os.environ, "DUALENS_HOME": str(settings.home), "OMP_NUM_THREADS": "1"}
    environment.pop("DUALENS_DATABASE_URL", None)
    environment |= {"PYTHONPATH": str(ROOT), **more}
    words = [sys.executable, *(word.format(port=port) for word in command)]
    with open(log or os.devnull, "wb") as said:
        errors = said if log else None
        process = subprocess.Popen(words, cwd=settings.home.parent, env=environment, stderr=errors)
        try:
            url = f"http://127.0.0.1:{port}"
            wait_for(url, process)
            yield url
        finally:
            process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
