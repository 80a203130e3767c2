"""The SQLite file of a store: made privately, and how each connection to it is set up.

Boundary: files and driver connections; `db.store` knows of tables and transactions.
"""

import contextlib
import errno
import os
import sqlite3
import time
from pathlib import Path
from typing import Any

from db.errors import DualensError
from db.patience import as_away

_LOGS = ("-wal", "-shm", "-journal")
_READING = ("cache_size = -32768", "temp_store = MEMORY")
_made: set[Path] = set()  # databases that this process has connections to

BUSY_S = 1.0  # how long SQLite itself waits for a lock; `Patience` waits longer, and lets signals in between


def make(path: Path) -> None:
    """Make the file before SQLite does: only its owner can ever read it, and its WAL files inherit this.

    It comes into its place with a header, in one step: a file of zero bytes is one that lost its content.
    Raises DualensError where it cannot be made or written to, or is such a file.
    """
    path = path.resolve()
    _made.add(path)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            _place(path)
        # Looked at, never opened: closing it would drop the locks of every connection of this process to it,
        # and another process could then remove the log that they write to.
        if not path.is_file():
            raise IsADirectoryError(errno.EISDIR, "it is no file")
        if not os.access(path, os.R_OK | os.W_OK):
            raise PermissionError(errno.EACCES, "permission denied")
        empty = not path.stat().st_size
    except OSError as error:
        raise as_away(error) or _unusable(path, error) from error
    except sqlite3.OperationalError as error:
        raise _unusable(path, error) from error
    if empty:
        raise DualensError(
            f"The database file {path} is empty (0 bytes), which no Dualens database ever is: it lost its "
            "content. Nothing was changed. `dualens restore FILE` reads a backup; to begin anew, delete the "
            "file."
        )


def reader(path: Path) -> sqlite3.Connection:
    """A connection that can only read, to a file that nobody here may have to write to.

    Where the folder cannot be written to either, the log that a writer shares with its readers cannot be
    made: the file is then read as one that nobody changes. Raises DualensError where it is not there, or
    where its log holds what cannot be read that way.
    """
    path = path.resolve()
    if not path.is_file():
        raise DualensError(
            f"The database file {path} is not there, and with --read-only none is made. Nothing was changed. "
            "Point DUALENS_HOME at a workspace, or start Dualens once without --read-only."
        )
    log, shared = (path.with_name(path.name + suffix) for suffix in _LOGS[:2])
    fixed = not os.access(path.parent, os.W_OK) and not (log.exists() and shared.exists())
    if fixed and log.exists() and log.stat().st_size:
        raise DualensError(
            f"The database file {path} has changes in its log {log.name}, which cannot be read in a folder "
            "that may not be written to. Nothing was changed. Copy the folder to where you may write, or "
            "start Dualens once where it may."
        )
    uri = f"{path.as_uri()}?mode=ro{'&immutable=1' if fixed else ''}"
    connection = sqlite3.connect(uri, uri=True, timeout=BUSY_S, check_same_thread=False)
    connection.isolation_level = None
    for pragma in ("query_only = ON", *_READING):
        connection.execute(f"PRAGMA {pragma}")
    return connection


def is_ours(path: str | os.PathLike[str]) -> bool:
    """Whether a path leads, by links of any kind, to a database that this process uses, or to its logs.

    Such a file must not be opened: closing it again would drop the locks that SQLite holds on it.
    """
    with contextlib.suppress(OSError, ValueError):
        found = os.stat(path)
        for made in filter(Path.exists, _made):
            for file in (made, *(f"{made}{suffix}" for suffix in _LOGS)):
                with contextlib.suppress(OSError):
                    if os.path.samestat(found, os.stat(file)):
                        return True
    return False


def locked(path: Path) -> bool:
    """Whether another connection holds the lock of writers at this moment."""
    with contextlib.closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as connection:
        try:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
        except sqlite3.OperationalError:
            return True
        return False


def _place(path: Path) -> None:
    fresh = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        os.close(os.open(fresh, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
        with contextlib.closing(sqlite3.connect(fresh)) as connection:
            prepare(connection)
        with contextlib.suppress(FileExistsError):  # another process was quicker
            os.link(fresh, path)
    finally:
        for suffix in ("", "-wal", "-shm", "-journal"):
            fresh.with_name(fresh.name + suffix).unlink(missing_ok=True)


def _unusable(path: Path, error: BaseException) -> DualensError:
    reason = getattr(error, "strerror", None) or error
    return DualensError(
        f"The database file {path} cannot be opened for writing: {reason}. Nothing was changed. Check the "
        "folder's permissions, or set DUALENS_HOME to a folder you may write to."
    )


def prepare(connection: Any, _record: Any = None) -> None:
    """Set up a connection of the driver: transactions by hand, write-ahead log, keys checked."""
    # Transactions are begun by the store; the driver's own guessing would not cover CREATE TABLE.
    connection.isolation_level = None
    if not connection.execute("PRAGMA page_count").fetchone()[0]:
        # Can only be set on a new file: see `Store.compact`.
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    for pragma in ("foreign_keys = ON", "synchronous = NORMAL", *_READING, "journal_size_limit = 67108864"):
        connection.execute(f"PRAGMA {pragma}")
    _use_wal(connection)


def _use_wal(connection: sqlite3.Connection) -> None:
    """Switch to the write-ahead log; SQLite does not wait for a process that switches at the same time."""
    deadline = time.monotonic() + BUSY_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
