"""Commands on closed, full, ended and non-UTF-8 streams: a status and at most one sentence, no traceback."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from db import datasets
from db.settings import Settings
from db.store import Store
from tests.toys import toy_columns

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def shell(store: Store, settings: Settings):
    """Run a line of shell in a workspace with a data set; status of the command, output, errors."""
    columns = toy_columns()
    columns.user_ids[0] = "é日本"
    datasets.insert(store, "toy", columns, kind="generic", source="t", fingerprint="t", report={})

    def run(line: str, **environment: str) -> tuple[int, str, str]:
        line = line.replace("dualens", f"{sys.executable} -m engine")
        done = subprocess.run(
            ["bash", "-c", line],
            cwd=ROOT,
            env={**os.environ, "DUALENS_HOME": str(settings.home), "DUALENS_STORE_WAIT": "0", **environment},
            capture_output=True,
            text=True,
            timeout=120,
        )
        return done.returncode, done.stdout, done.stderr

    return run


USERS = "dualens users -d toy"


@pytest.mark.parametrize(
    ("line", "status", "says"),
    [
        (f"{USERS} >/dev/full", 2, "Standard output cannot be written: No space left on device."),
        (f"{USERS} <&- >&- 2>&-", 0, ""),
        (f"{USERS} | true; exit ${{PIPESTATUS[0]}}", 141, ""),
        ("dualens users -d none 2>/dev/full", 2, ""),
    ],
)
def test_streams_that_cannot_be_written(shell, line: str, status: int, says: str) -> None:
    code, _, errors = shell(line)
    assert code == status
    assert says in errors
    assert "Traceback" not in errors
    assert len(errors.splitlines()) == (1 if says else 0)


def test_a_locale_without_letters_still_has_them(shell) -> None:
    code, said, errors = shell(f"{USERS} --search é日", LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    assert (code, errors) == (0, "")
    assert "é日本" in said


def test_letters_that_a_terminal_lacks_are_no_reason_to_fail(shell) -> None:
    code, said, errors = shell(USERS, PYTHONIOENCODING="ascii")
    assert (code, errors) == (0, "")
    assert "\\xe9\\u65e5\\u672c" in said
