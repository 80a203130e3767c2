"""The store: one database, opened, migrated and handed out as short transactions.

Boundary: SQLAlchemy Core over SQLite (the default) or PostgreSQL (by URL), the same code for both; what is in
the tables is the business of the modules beside this one.

The contract every backend keeps (`tests/db` runs it over both):

- A `Store` may be shared by the threads of one process; every `read` and `write` block has a connection of
  its own. It is not carried over a fork: each process opens its own.
- `write` is one transaction: all of the block is stored, or, whatever happens to the process, nothing.
  Writers come one after the other and wait for each other (SQLite, up to a minute); readers never wait.
- `read` sees the store as it was when the block began (SQLite) or when each statement began (PostgreSQL).
- Rows returned are frozen dataclasses that belong to the caller.
- Errors are raised as `DualensError`, with what was kept and what to do.
"""

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, NoSuchModuleError

from db import migrations
from db.errors import BadInput, DualensError
from db.schema import REVISION
from db.settings import Settings

BUSY_SECONDS = 60
_REWRITTEN_BYTES = 1 << 30
_PAGES_PER_STEP = 4096
_WRITE = "dualens_write"
_SQLITE_PREFIX = "sqlite:///"
_writing: ContextVar[bool] = ContextVar("writing", default=False)


class Store:
    """An open store; see the module docstring for what it promises. Made by `Store.open`."""

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self._engine = engine
        self.settings = settings

    @classmethod
    def open(cls, settings: Settings | None = None) -> "Store":
        """Open the store of these settings (None: of the environment), creating and migrating it as needed.

        Idempotent and safe when several processes open the same store at once. Raises DualensError where the
        database is missing and cannot be made, is no database, is damaged, or comes from a newer version.
        """
        settings = (settings or Settings()).prepare()
        url = _parse(settings.database_url)
        if url.get_backend_name() == "sqlite":
            _touch_private(Path(url.database or ""))
        store = cls(_engine(url), settings)
        try:
            store._migrate()
        except BaseException:
            store.close()
            raise
        return store

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        return self._engine.dialect.name

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection for reading; whatever it wrote would be undone at the end."""
        with self._clear_errors(), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A connection in a write transaction: committed at the end, rolled back on any error."""
        with self._clear_errors(), self._engine.connect() as plain:
            connection = plain.execution_options(**{_WRITE: True})
            with connection.begin():
                token = _writing.set(True)
                try:
                    yield connection
                finally:
                    _writing.reset(token)

    @property
    def writing(self) -> bool:
        """Whether the caller is inside a write transaction: another one of this thread would wait for it."""
        return _writing.get()

    def compact(self, progress: Callable[[], None]) -> None:
        """Give the space of deleted rows back to the disk, in steps, with `progress` called between them.

        PostgreSQL does so by itself. A SQLite file made by an earlier version is rewritten once, in one step,
        if it is small enough; in a larger one the space is used for what comes next.
        """
        if self.dialect != "sqlite":
            return
        with self._clear_errors(), self._engine.connect() as connection:
            driver: Any = connection.connection.driver_connection

            def number(pragma: str) -> int:
                return driver.execute(f"PRAGMA {pragma}").fetchone()[0]

            size = number("page_count") * number("page_size")
            if not number("auto_vacuum") and size <= _REWRITTEN_BYTES:
                driver.execute("PRAGMA auto_vacuum = INCREMENTAL")
                driver.execute("VACUUM")
            while number("auto_vacuum") and number("freelist_count"):
                progress()
                driver.execute(f"PRAGMA incremental_vacuum({_PAGES_PER_STEP})").fetchall()
            driver.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def insert(self, table: sa.Table) -> Any:
        """The dialect's INSERT, which knows `on_conflict_do_nothing` and `on_conflict_do_update`."""
        return (postgresql if self.dialect == "postgresql" else sqlite).insert(table)

    def close(self) -> None:
        """Close every connection; the store must not be used afterwards."""
        self._engine.dispose()

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Store({self._engine.url.render_as_string(hide_password=True)})"

    def _migrate(self) -> None:
        if self._revision() == REVISION:
            return
        with self.write() as connection:
            if self.dialect == "postgresql":
                # CREATE TABLE does not wait for another process's CREATE TABLE there; this lock does.
                connection.execute(sa.text("SELECT pg_advisory_xact_lock(4715532)"))
            migrations.upgrade(connection)

    def _revision(self) -> str | None:
        """The migration the database is at, None for an empty one. Raises DualensError if it is unknown."""
        with self.read() as connection:
            if not sa.inspect(connection).has_table("alembic_version"):
                return None
            revision = connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()
        if revision not in (None, REVISION) and revision not in migrations.known():
            raise DualensError(
                f"The database {self._where()} was written by a newer Dualens (migration {revision}; this "
                f"one knows up to {REVISION}). Nothing was changed. Update Dualens, or set DUALENS_HOME to "
                "another folder."
            )
        return revision

    def _where(self) -> str:
        url = self._engine.url
        return str(url.database) if self.dialect == "sqlite" else url.render_as_string(hide_password=True)

    @contextmanager
    def _clear_errors(self) -> Iterator[None]:
        try:
            yield
        except IntegrityError:
            raise
        except UnicodeEncodeError as error:
            raise BadInput(
                f"{error.object[:80]!r} holds a character that is half of a pair (a lone surrogate) and can "
                "be neither stored nor found. Nothing was changed."
            ) from error
        except (DBAPIError, sqlite3.Error) as error:
            cause = error.orig if isinstance(error, DBAPIError) else error
            raise _explain(cause, self._where()) from error


def _parse(database_url: str) -> URL:
    """The URL of a SQLite file (literally: a path may hold any character) or of a PostgreSQL database."""
    if database_url.startswith(_SQLITE_PREFIX):
        path = database_url.removeprefix(_SQLITE_PREFIX)
        if not path or path == ":memory:":
            raise BadInput(
                "DUALENS_DATABASE_URL names no file: an in-memory store cannot be shared by processes."
            )
        return URL.create("sqlite", database=str(Path(path).expanduser().absolute()))
    try:
        url = make_url(database_url)
    except ArgumentError:
        url = None
    if url is None or url.get_backend_name() not in ("postgresql", "postgres"):
        raise BadInput(
            "DUALENS_DATABASE_URL is neither sqlite:///PATH nor postgresql://USER@HOST/DATABASE. Correct it, "
            "or leave it out to use a SQLite file in the workspace folder."
        )
    return url.set(drivername="postgresql+psycopg")


def _touch_private(path: Path) -> None:
    """Make the file before SQLite does: only its owner can ever read it, and its WAL files inherit this."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise DualensError(
            f"The database file {path} cannot be opened for writing: {error.strerror or error}. Nothing was "
            "changed. Check the folder's permissions, or set DUALENS_HOME to a folder you may write to."
        ) from error


def _engine(url: URL) -> Engine:
    try:
        if url.get_backend_name() == "postgresql":
            return sa.create_engine(url, pool_pre_ping=True)
        engine = sa.create_engine(url, connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False})
    except (ImportError, NoSuchModuleError) as error:
        raise DualensError(
            "PostgreSQL needs its driver: pip install 'dualens[postgres]' (in a checkout: "
            "'.[postgres]'). Nothing was changed."
        ) from error
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    # Transactions are begun by `_begin_sqlite`; the driver's own guessing would not cover CREATE TABLE.
    connection.isolation_level = None
    if not connection.execute("PRAGMA page_count").fetchone()[0]:
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # can only be set on a new file: see `compact`
    for pragma in (
        "foreign_keys = ON",
        "synchronous = NORMAL",
        "cache_size = -32768",
        "temp_store = MEMORY",
        "journal_size_limit = 67108864",
    ):
        connection.execute(f"PRAGMA {pragma}")
    _use_wal(connection)


def _use_wal(connection: sqlite3.Connection) -> None:
    """Switch to the write-ahead log; SQLite does not wait for a process that switches at the same time."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def _begin_sqlite(connection: Connection) -> None:
    # IMMEDIATE: a transaction that starts by reading could otherwise find the store changed when it writes.
    writes = connection.get_execution_options().get(_WRITE, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


_CAUSES = (
    # (part of the database's message, what happened, what to do)
    (
        "not a database",
        "is not a Dualens database",
        "Move that file away, or set DUALENS_HOME to another folder.",
    ),
    ("already exists", "holds tables of another program", "Give Dualens a database of its own."),
    ("malformed", "is damaged", "Restore it from a copy, or move it away and import the data again."),
    ("disk i/o error", "cannot be read or written", "Check the disk, then try again."),
    ("is full", "has no room left on its disk", "Free some space and try again."),
    ("readonly", "is read-only", "Check its permissions, or set DUALENS_HOME to a folder you may write to."),
    ("read-only", "is read-only", "Check its permissions, or set DUALENS_HOME to a folder you may write to."),
    ("unable to open", "cannot be opened", "Check that its folder exists and that you may write to it."),
    (
        "locked",
        "is busy: another process has been writing for over a minute",
        "Try again when it has finished.",
    ),
    ("connection", "cannot be reached", "Check that the server runs and that DUALENS_DATABASE_URL is right."),
)


def _explain(cause: BaseException | None, where: str) -> DualensError:
    said = " ".join(str(cause).split())
    if "nul (0x00)" in said.lower():
        return BadInput(
            "The text holds a NUL character and can be neither stored nor found. Nothing was changed."
        )
    for part, happened, remedy in _CAUSES:
        if part in said.lower():
            return DualensError(f"The database {where} {happened} ({said}). Nothing was changed. {remedy}")
    return DualensError(f"The database {where} refused: {said}. Nothing was changed.")
