"""Copies of a SQLite store, made while others work on it, and put back.

Boundary: database files. PostgreSQL has its own program for this, `pg_dump`. A copy holds the store: data
sets, runs, jobs, registered names; models and fitted recommenders are folders of the workspace beside it.
"""

import contextlib
import os
import shutil
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from db import migrations
from db.errors import BadInput, Conflict, DualensError
from db.paths import typed
from db.patience import as_away

_PAGES = 2000  # copied in one step; progress and signals come in between
Progress = Callable[[float], None]


def copy(source: Path, target: Path, progress: Progress = lambda _: None) -> int:
    """Write a consistent copy of the database `source` to the new file `target`; its bytes.

    It is the store as it was at the beginning, whatever others write meanwhile. `target` appears whole or not
    at all, readable by its owner only. Raises BadInput where it exists or cannot be written, StoreAway where
    its disk is full.
    """
    target = typed(target).absolute()
    if target.exists():
        raise BadInput(f"{target} is there already and was left as it is. Name a new file.")
    if not target.parent.is_dir():
        raise BadInput(f"There is no folder {target.parent}. Make it, or name a file in another one.")
    fresh = target.with_name(f".{target.name}.{os.getpid()}.new")
    try:
        os.close(os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))
        _copy_pages(source, fresh, progress)
        fresh.rename(target)
        return target.stat().st_size
    except OSError as error:
        raise as_away(error) or BadInput(f"{target} cannot be written: {error.strerror}.") from error
    finally:
        for suffix in ("", "-journal", "-wal", "-shm"):
            fresh.with_name(fresh.name + suffix).unlink(missing_ok=True)


def before_migration(database: Path, revision: str) -> None:
    """Keep a copy of a store beside it before it is brought to a new shape; one for each shape."""
    target = database.with_name(f"{database.name}.before-migration-from-{revision}")
    if not target.exists():
        copy(database, target)


def restore(file: Path, database: Path, progress: Progress = lambda _: None) -> Path | None:
    """Put a backup in the place of the database; the file that keeps what was there before, if anything was.

    Raises BadInput where the file is no sound backup of a Dualens store, Conflict where a process uses the
    database. It is then as it was.
    """
    file = typed(file).absolute()
    _check(file)
    if file.resolve() == database.resolve():
        raise BadInput(f"{file} is the store itself. Name a backup.")
    if users := _users(database):
        raise Conflict(
            f"The database {database} is in use by process {', '.join(map(str, users))}. Nothing was "
            "changed. Stop the dashboard and its workers, then restore again."
        )
    database.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = database.with_name(f"{database.name}.restoring")
    fresh.unlink(missing_ok=True)
    copy(file, fresh, progress)
    with contextlib.closing(sqlite3.connect(fresh)) as connection, connection:
        connection.execute("DELETE FROM workers")  # they are of the past
    kept = _set_aside(database)
    fresh.replace(database)
    return kept


def _copy_pages(source: Path, target: Path, progress: Progress) -> None:
    size = source.stat().st_size
    if (free := shutil.disk_usage(target.parent).free) < size:
        raise BadInput(
            f"A copy of {source} takes {_mebibytes(size)}, and the disk of {target.parent} has "
            f"{_mebibytes(free)} left. Nothing was written. Name a file on another disk, or free some space."
        )
    with (
        contextlib.closing(sqlite3.connect(source, isolation_level=None)) as reader,
        contextlib.closing(sqlite3.connect(target)) as writer,
    ):
        reader.execute("BEGIN")  # one snapshot: writers do not make the copy begin again
        reader.execute("SELECT 1 FROM sqlite_master").fetchone()
        reader.backup(
            writer, pages=_PAGES, sleep=0, progress=lambda _, left, total: progress(1 - left / max(total, 1))
        )


def _mebibytes(size: int) -> str:
    return f"{size / (1 << 20):,.0f} MiB"


def _check(file: Path) -> None:
    """Raises BadInput unless the file is a sound Dualens store that this version can read."""
    if not file.is_file():
        raise BadInput(f"There is no file {file}.")
    try:
        with contextlib.closing(sqlite3.connect(file.as_uri() + "?mode=ro", uri=True)) as connection:
            found = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
            revision = connection.execute("SELECT version_num FROM alembic_version").fetchone()
            connection.execute("SELECT 1 FROM datasets, runs, jobs LIMIT 1")
    except sqlite3.Error as error:
        raise BadInput(f"{file} is no backup of a Dualens store ({error}). Nothing was changed.") from error
    if found != "ok":
        raise BadInput(f"{file} is damaged ({found}). Nothing was changed. Take another backup.")
    if revision is None or revision[0] not in migrations.known():
        raise BadInput(f"{file} was written by a newer Dualens. Nothing was changed. Update Dualens first.")


def _users(database: Path) -> list[int]:
    """Processes of this machine, other than this one, that have the database open."""
    users = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.pid != os.getpid() and any(
                Path(opened.path) == database.resolve() for opened in process.open_files()
            ):
                users.append(process.pid)
    return users


def _set_aside(database: Path) -> Path | None:
    """Give the present database, sound or not, another name as well, with its log; None where there is none.

    Its own name goes on until the backup takes it: whenever this process is killed, there is a store.
    """
    if not database.exists():
        return None
    kept = database.with_name(f"{database.name}.replaced-{time.strftime('%Y%m%d-%H%M%S')}")
    if kept.exists():
        raise Conflict(f"{kept} is there already. Try again in a second.")
    with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")  # brings the log into the file
    for suffix in ("-wal", "-shm"):  # what is left of a damaged one must not be read into the backup
        log = database.with_name(database.name + suffix)
        if log.exists():
            log.rename(kept.with_name(kept.name + suffix))
    try:
        os.link(database, kept)
    except OSError as error:
        raise DualensError(f"{kept} cannot be written: {error.strerror}. Nothing was changed.") from error
    return kept
