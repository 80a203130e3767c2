"""Whatever the file: bounded memory and time, and Ctrl-C leaves nothing behind."""

import os
import signal
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path

import pytest

from db import datasets
from db.errors import DataError
from db.settings import Settings
from db.store import Store
from engine.data.importing import read_path
from engine.data.report import ImportOptions
from engine.data.text import MAX_LINE
from tests.engine.data.test_import_broken import contents

HEAD = "user_id,item_id,timestamp,title\n"
ROWS = "".join(f"u{n % 50},i{n},{1_400_000_000 + n},Title {n}\n" for n in range(200))


@pytest.mark.parametrize(
    ("odd", "lost"),
    [
        ('u1,i1,5,"' + "a" * (3 * MAX_LINE) + "\n", {"line too long": 1}),
        ('u1,i1,5,"' + "a," * MAX_LINE + "\n", {"line too long": 1}),
        ('u1,i1,5,"open\n' * 3000, {}),
        ('"' * 200_000 + "\n", {"row not readable": 1}),
        ("," * 300_000 + "\n", {"user id missing": 1}),
    ],
)
def test_a_monstrous_line_costs_itself_alone(odd: str, lost: dict[str, int], tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text(HEAD + ROWS + odd + ROWS.replace("u", "v"))
    tracemalloc.start()
    try:
        _, report = read_path(path, options=ImportOptions(min_history=1, repeats="all"))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert {reason: entry["count"] for reason, entry in report.dropped.items()} == lost
    assert report.rows_kept == 400 + odd.count("open")
    assert peak < 160 << 20


@pytest.mark.parametrize("body", ["[" + '{"a": [' * 5000, '{"user": "' + "a" * (6 << 20)])
def test_monstrous_json_is_refused(body: str, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(body)
    with pytest.raises(DataError, match=r"x\.json"):
        read_path(path)


def test_ctrl_c_leaves_nothing_behind(tmp_path: Path) -> None:
    """SIGINT while rows are being written: no rows, no files, one sentence."""
    path = tmp_path / "big.csv"
    lines = (f"u{n % 9000},i{n % 400},{1_400_000_000 + n}\n" for n in range(80_000))
    path.write_text("user_id,item_id,timestamp\n" + "".join(lines))
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    home = tmp_path / "home"
    environment = {**os.environ, "DUALENS_HOME": str(home), "TMPDIR": str(scratch)}
    environment.pop("DUALENS_DATABASE_URL", None)
    command = [sys.executable, "-m", "engine", "import", str(path), "--name", "big", "--repeats", "all"]
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None and not _begun(home):
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=120)
    assert process.returncode not in (0, None)
    assert "Traceback" not in said
    assert list(scratch.iterdir()) == []
    assert not list((home / "uploads").glob("*")) if (home / "uploads").exists() else True
    with Store.open(Settings(home=home)) as store:
        assert datasets.listing(store) == []
        for _ in range(40):  # what a slow machine had no time to remove, once its owner counts as gone
            datasets.sweep(store)
            held = contents(store)
            if not held["datasets"]:
                break
            time.sleep(0.5)
    assert {name: held[name] for name in ("datasets", "items", "users", "interactions")} == dict.fromkeys(
        ("datasets", "items", "users", "interactions"), 0
    )


def _begun(home: Path) -> bool:
    """Whether the rows are being written: the database has grown beyond its empty tables."""
    return sum(f.stat().st_size for f in home.glob("*") if f.is_file()) > 2 << 20
