"""A throw-away PostgreSQL server on a unix socket, for the conformance suite.

Boundary: the server's own programs and a temporary folder; nothing listens on the network.
"""

import importlib.util
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
import sqlalchemy.exc

from db import schema
from db.settings import Settings
from db.store import Store

_OPTIONS = {
    "listen_addresses": "",
    "fsync": "off",
    "synchronous_commit": "on",  # a server that is killed has what it said that it has
    "full_page_writes": "off",
    "shared_buffers": "32MB",
    "max_connections": "40",
}


class Server:
    """A server: `fresh` makes an empty schema, `emptied` empties one that is migrated already.

    Both give the URL that leads into the schema. `stop` and `start` are what an administrator does.
    """

    def __init__(self, home: Path, programs: Path, account: pwd.struct_passwd | None) -> None:
        self._home, self._programs, self._account = home, programs, account
        self._url = f"postgresql+psycopg://dualens@/postgres?host={home}"
        self._numbers = itertools.count()
        self._kept: str | None = None
        self._process: subprocess.Popen | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        options = [part for name, value in _OPTIONS.items() for part in ("-c", f"{name}={value}")]
        serve = [self._programs / "postgres", "-D", self._home / "data", "-k", self._home, *options]
        with open(self._home / "log", "ab") as log:
            self._process = subprocess.Popen(
                serve, stdout=log, stderr=log, cwd=self._home, **_as(self._account)
            )
        _wait_for(self, self._process, self._home / "log")

    def stop(self, number: int = signal.SIGQUIT) -> None:
        """End it: at once (SIGQUIT), or after every connection was cut in order (SIGINT)."""
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(30)
            self._process = None

    def fresh(self) -> str:
        # A schema, not a database: creating one of those copies a thousand files.
        name = f"test_{next(self._numbers)}"
        self.execute(f"CREATE SCHEMA {name}")
        return f"{self._url}&options=-csearch_path%3D{name}"

    def emptied(self) -> str:
        """Always the same schema: making the files of all tables takes longer than most tests."""
        if self._kept is None:
            self._kept = self.fresh()
            with tempfile.TemporaryDirectory() as home:
                Store.open(Settings(home=Path(home), database_url=self._kept)).close()
        tables = ", ".join(table.name for table in schema.metadata.sorted_tables)
        self.execute(f"TRUNCATE {tables} RESTART IDENTITY CASCADE", self._kept)
        return self._kept

    def execute(self, statement: str, url: str | None = None) -> None:
        engine = sa.create_engine(url or self._url, poolclass=sa.NullPool)
        with engine.begin() as connection:
            connection.execute(sa.text(statement))


def missing() -> str | None:
    """Why there can be no server here, or None."""
    if _programs() is None:
        return "PostgreSQL is not installed"
    if importlib.util.find_spec("psycopg") is None:
        return "psycopg is not installed (extra `postgres`)"
    if os.geteuid() == 0 and _account() is None:
        return "PostgreSQL does not run as root and there is no other account"
    return None


@contextmanager
def running() -> Iterator[Server]:
    """Start a server, stop it and remove its files at the end."""
    programs = _programs()
    assert programs is not None
    # Not pytest's folder: the socket's path must be short, and another account must reach it.
    home = Path(tempfile.mkdtemp(prefix="dualens-pg-"))
    account = _account() if os.geteuid() == 0 else None
    server = None
    try:
        if account is not None:
            os.chown(home, account.pw_uid, account.pw_gid)
        make = [
            programs / "initdb",
            "-D",
            home / "data",
            "-U",
            "dualens",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--no-sync",
        ]
        subprocess.run(make, check=True, capture_output=True, cwd=home, **_as(account))
        server = Server(home, programs, account)
        server.start()
        yield server
    finally:
        if server is not None:
            server.stop()
        shutil.rmtree(home, ignore_errors=True)


def _wait_for(server: Server, process: subprocess.Popen, log: Path) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            return server.execute("SELECT 1")
        except sa.exc.OperationalError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL did not start: {log.read_text()}") from None
            time.sleep(0.1)


def _programs() -> Path | None:
    found = shutil.which("initdb")
    if found:
        return Path(found).parent
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return folders[-1].parent if folders else None


def _account() -> pwd.struct_passwd | None:
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    return None


def _as(account: pwd.struct_passwd | None) -> dict[str, Any]:
    if account is None:
        return {}
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
