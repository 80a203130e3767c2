"""The dashboard's command: its processes work from any folder, with the options that ship beside the page."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from streamlit import config
from typer.testing import CliRunner

from dashboard import __main__ as command
from dashboard import serve
from dashboard.doors import rules
from tests.support.server import free_port, wait_for

END_S = 60.0  # a busy machine


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is not the project's and holds modules of the names Dualens uses, with a workspace."""
    for name in ("db", "engine", "dashboard"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit(7)")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DUALENS_HOME", "workspace")  # relative: every process must mean the same folder
    monkeypatch.delenv("DUALENS_DATABASE_URL", raising=False)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    return tmp_path


def test_the_engine_starts_from_a_folder_with_a_db_of_its_own(elsewhere: Path) -> None:
    child = command.start("engine", "datasets", "--json")
    assert child.wait(120) == 0
    assert (elsewhere / "workspace" / "dualens.db").exists()


def test_streamlit_reads_its_options_beside_the_page_wherever_it_starts(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server names its own file before it reads options; the one next to it comes last and wins."""
    (elsewhere / ".streamlit").mkdir()
    (elsewhere / ".streamlit" / "config.toml").write_text("[server]\nmaxUploadSize = 1\n")
    monkeypatch.setattr(config, "_main_script_path", serve.__file__)
    files = config.get_config_files("config.toml")
    assert files[-1] == str(Path(serve.__file__).parent / ".streamlit" / "config.toml")
    assert Path(files[-1]).is_file()


def test_the_page_is_started_with_its_doors(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[list[str]] = []
    monkeypatch.setattr(command.subprocess, "Popen", lambda words, **options: started.append(words))
    command.start_page(rules.decide("127.0.0.1", ["dualens.example"]), 9000, 12, open_browser=False)
    assert started[0][:4] == [sys.executable, "-P", "-m", "dashboard.serve"]
    assert serve.parse(started[0][4:]).with_parent
    arguments = serve.parse(started[0][4:])
    chosen = serve.options(arguments)
    assert (chosen["server.address"], chosen["server.port"], chosen["server.maxUploadSize"]) == (
        "127.0.0.1",
        9000,
        12,
    )
    assert chosen["server.allowedHosts"] == ["127.0.0.1", "::1", "dualens.example", "localhost"]
    assert not arguments.browser


def test_the_page_ends_with_the_command_that_started_it(elsewhere: Path) -> None:
    """Killed, the command can end nothing itself; a page that stays would keep the port."""
    port = free_port()
    process = command.start("dashboard", "--no-worker", "--no-browser", f"--port={port}")
    wait_for(f"http://127.0.0.1:{port}", process.poll)
    process.kill()
    process.wait()
    assert not within(END_S, lambda: listens(port)), "the page still listens"


def test_an_engine_whose_command_ended_before_it_began_ends_too(elsewhere: Path) -> None:
    """Who is its parent can only be asked once it runs; the answer is another process by then."""
    code = (
        "from dashboard import __main__ as command; open('pid', 'w').write(str(command.start_worker().pid))"
    )
    environment = {**os.environ, "PYTHONPATH": str(command.ROOT)}
    subprocess.run([sys.executable, "-P", "-c", code], check=True, env=environment)
    worker = int((elsewhere / "pid").read_text())

    def runs() -> bool:
        with suppress(psutil.NoSuchProcess):
            return psutil.Process(worker).status() != psutil.STATUS_ZOMBIE
        return False

    try:
        assert not within(END_S, runs), "the engine still runs"
    finally:
        if runs():
            os.kill(worker, signal.SIGKILL)


def test_told_to_end_the_command_says_so_with_its_status(elsewhere: Path) -> None:
    """Service managers send SIGTERM and read the status."""
    port = free_port()
    process = command.start("dashboard", "--no-worker", "--no-browser", f"--port={port}")
    wait_for(f"http://127.0.0.1:{port}", process.poll)
    process.terminate()
    assert process.wait(END_S) == 128 + signal.SIGTERM
    assert not listens(port)


def listens(port: int) -> bool:
    """Whether somebody listens on this port of this machine."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def within(seconds: float, still: Callable[[], bool]) -> bool:
    """Whether something is still so after this time; returns as soon as it is not."""
    deadline = time.monotonic() + seconds
    while still() and time.monotonic() < deadline:
        time.sleep(0.1)
    return still()


def test_an_open_address_is_refused_before_anything_starts(elsewhere: Path) -> None:
    result = CliRunner().invoke(command.app, ["--host", "0.0.0.0", "--no-browser"])
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: On 0.0.0.0, everyone on the network could use Dualens")
    assert not (elsewhere / "workspace").exists()


def test_a_store_that_cannot_be_opened_is_one_line(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (elsewhere / "file").write_text("")
    monkeypatch.setenv("DUALENS_HOME", str(elsewhere / "file"))
    result = CliRunner().invoke(command.app, ["--no-browser"])
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: The workspace folder")
    assert result.stderr.count("\n") == 1
