"""The store: one database, opened, migrated and handed out as short transactions.

Boundary: SQLAlchemy Core over SQLite (the default) or PostgreSQL (by URL), the same code for both; what is in
the tables is the business of the modules beside this one.

The contract every backend keeps (`tests/db` runs it over both):

- A `Store` may be shared by the threads of one process; every `read` and `write` block has a connection of
  its own. It is not carried over a fork: each process opens its own.
- `write` is one transaction: all of the block is stored, or, whatever happens to the process, nothing.
  Writers come one after the other and wait for each other; readers do not wait for writers.
- `read` sees the store as it was when the block began (SQLite) or when each statement began (PostgreSQL).
- Rows returned are frozen dataclasses that belong to the caller.
- Where the store is away (its server restarts, another program locks it, its disk is full), both wait before
  they begin, as the store's `Patience` says; `again` also repeats what failed in the midst.
- Errors are raised as `DualensError`, with what was kept and what to do.
"""

import shutil
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, NoSuchModuleError

from db import backup, migrations, sqlite_file
from db.database_errors import explained, too_large
from db.errors import BadInput, Damaged, DualensError, ReadOnly
from db.paths import typed
from db.patience import Patience
from db.schema import REVISION
from db.settings import Settings

READ_ONLY = "This Dualens only reads what is stored (--read-only). Nothing was changed."
NO_ROOM_BYTES = 1 << 20
_REWRITTEN_BYTES = 1 << 30
_PAGES_PER_STEP = 4096
_WRITE = "dualens_write"
_SQLITE_PREFIX = "sqlite:///"
_writing: ContextVar[bool] = ContextVar("writing", default=False)

T = TypeVar("T")


class Store:
    """An open store; see the module docstring for what it promises. Made by `Store.open`."""

    def __init__(self, engine: Engine, settings: Settings, patience: Patience) -> None:
        self._engine = engine
        self.settings = settings
        self.patience = patience

    @classmethod
    def open(
        cls, settings: Settings | None = None, patience: Patience | None = None, *, migrate: bool = True
    ) -> "Store":
        """Open the store of these settings (None: of the environment), creating and migrating it as needed.

        Idempotent and safe when several processes open the same store at once. `patience`: what to do while
        the store is away; by default it is waited for as long as the settings say, in silence. `migrate`:
        False opens a damaged one, to look at what is left of it. Raises DualensError where the database is
        missing and cannot be made, is no database, is damaged, or comes from a newer version, and StoreAway
        where it stays away. Where the settings say `read_only`, nothing is created, migrated or written, not
        even a lock; an older store is refused then.
        """
        settings = settings or Settings()
        if not settings.read_only:
            settings.prepare()
        patience = patience or Patience(settings.store_wait)
        url = _parse(settings.database_url)
        if url.get_backend_name() == "sqlite" and not settings.read_only:
            patience.keep_trying(lambda: sqlite_file.make(Path(url.database or "")))
        store = cls(_engine(url, read_only=settings.read_only), settings, patience)
        try:
            if migrate:
                store.again(store._check_revision if settings.read_only else store._migrate)
        except BaseException:
            store.close()
            raise
        return store

    @property
    def read_only(self) -> bool:
        """Whether nothing may be written."""
        return self.settings.read_only

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        return self._engine.dialect.name

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection for reading; whatever it wrote would be undone at the end."""
        with self._clear_errors(), self._begun() as connection, _given_up(connection):
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A connection in a write transaction: committed at the end, rolled back on any error.

        Raises ReadOnly where nothing may be written."""
        if self.read_only:
            raise ReadOnly(READ_ONLY)
        with self._clear_errors(), self._begun(writes=True) as connection, _given_up(connection):
            token = _writing.set(True)
            try:
                yield connection
            except Exception:
                connection.rollback()
                raise
            else:
                connection.commit()
            finally:
                _writing.reset(token)

    def again(self, action: Callable[[], T]) -> T:
        """The value of `action`, done anew where the store went away in its midst.

        `action` may be repeated: what it had stored is still there, a block that was cut short is undone.
        """
        return self.patience.keep_trying(action)

    def locked(self) -> bool:
        """Whether another program keeps everybody from writing at this moment (SQLite)."""
        if self.dialect != "sqlite" or self.read_only:
            return False
        return sqlite_file.locked(Path(self._engine.url.database or ""))

    def raw(self) -> Any:
        """A connection of the driver, outside any transaction; the caller closes it."""
        return self._engine.raw_connection()

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

    def _begun(self, *, writes: bool = False) -> Connection:
        """A connection with its transaction begun, as soon as the store lets it begin."""

        def begin() -> Connection:
            with self._clear_errors():
                connection = self._engine.connect().execution_options(**{_WRITE: writes})
                try:
                    connection.begin()
                    if self.dialect == "sqlite" and not writes:
                        # Takes the snapshot, and meets what keeps readers out while it can be tried again.
                        connection.exec_driver_sql("SELECT 1 FROM sqlite_master LIMIT 1").close()
                except BaseException:
                    connection.close()
                    raise
                return connection

        return self.patience.keep_trying(begin)

    def _migrate(self) -> None:
        if self._revision() == REVISION:
            return
        with self.write() as connection:
            if self.dialect == "postgresql":
                # CREATE TABLE does not wait for another process's CREATE TABLE there; this lock does.
                connection.execute(sa.text("SELECT pg_advisory_xact_lock(4715532)"))
            before = self._revision()  # another process may have migrated it since
            if before is not None and before != REVISION and self.dialect == "sqlite":
                # What others wrote before this transaction; nobody writes now.
                backup.before_migration(Path(self._where()), before)
            migrations.upgrade(connection)

    def _check_revision(self) -> None:
        """Raises DualensError where the store would have to be created or migrated first."""
        revision = self._revision()
        if revision is None:
            raise DualensError(
                f"The database {self._where()} holds no store yet, and with --read-only none is made. "
                "Nothing was changed. Start Dualens once without --read-only."
            )
        if revision != REVISION:
            raise DualensError(
                f"The database {self._where()} was written by an earlier Dualens (migration {revision}; this "
                f"one reads {REVISION}). Nothing was changed. Start Dualens once without --read-only: it "
                "updates the store and keeps a copy."
            )

    def _revision(self) -> str | None:
        """The migration the database is at, None for an empty one. Raises DualensError if it is unknown."""
        with self.read() as connection:
            tables = sa.inspect(connection).get_table_names()
            if "alembic_version" not in tables:
                return None
            revision = connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()
        if revision is None and len(tables) > 1:
            raise Damaged(
                f"The database {self._where()} does not say which version of Dualens wrote it: its table "
                "alembic_version is empty. Nothing was changed. `dualens restore FILE` reads a backup."
            )
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
        except OverflowError as error:
            raise too_large() from error
        except (DBAPIError, sqlite3.Error) as error:
            cause = error.orig if isinstance(error, DBAPIError) else error
            raise explained(cause, self._where(), disk_full=self._disk_full()) from error

    def _disk_full(self) -> bool:
        try:
            return shutil.disk_usage(self.settings.home).free < NO_ROOM_BYTES
        except OSError:
            return False


def _parse(database_url: str) -> URL:
    """The URL of a SQLite file (literally: a path may hold any character) or of a PostgreSQL database."""
    if database_url.startswith(_SQLITE_PREFIX):
        path = database_url.removeprefix(_SQLITE_PREFIX)
        if not path or path == ":memory:":
            raise BadInput(
                "DUALENS_DATABASE_URL names no file: an in-memory store cannot be shared by processes."
            )
        return URL.create("sqlite", database=str(typed(path).absolute()))
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


def _engine(url: URL, *, read_only: bool = False) -> Engine:
    try:
        if url.get_backend_name() == "postgresql":
            how = {"postgresql_readonly": True} if read_only else {}
            return sa.create_engine(url, pool_pre_ping=True, execution_options=how)
        if read_only:
            path = Path(url.database or "")
            engine = sa.create_engine(url, creator=lambda: sqlite_file.reader(path))
            event.listen(engine, "begin", _begin_sqlite)
            return engine
        engine = sa.create_engine(
            url, connect_args={"timeout": sqlite_file.BUSY_S, "check_same_thread": False}
        )
    except (ImportError, NoSuchModuleError) as error:
        raise DualensError(
            "PostgreSQL needs its driver: pip install 'dualens[postgres]' (in a checkout: "
            "'.[postgres]'). Nothing was changed."
        ) from error
    event.listen(engine, "connect", sqlite_file.prepare)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


@contextmanager
def _given_up(connection: Connection) -> Iterator[None]:
    """Undo what was begun where the process is asked to end inside the block.

    On PostgreSQL a command that was begun can then neither be closed nor rolled back: the connection is given
    up. SQLite's is rolled back, as it holds the store's lock until it is. The error by which a driver says so
    must not hide that the process ends.
    """
    handled = sys.exc_info()[1]  # by whoever called: no part of what happens inside
    try:
        yield
    except BaseException as error:
        behind: BaseException | None = error
        while behind is not None and behind is not handled:
            if not isinstance(behind, (Exception, GeneratorExit)):
                if connection.dialect.name == "sqlite":
                    connection.rollback()
                else:
                    connection.invalidate()
                raise behind from None
            behind = behind.__context__
        raise


def _begin_sqlite(connection: Connection) -> None:
    # IMMEDIATE: a transaction that starts by reading could otherwise find the store changed when it writes.
    writes = connection.get_execution_options().get(_WRITE, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
