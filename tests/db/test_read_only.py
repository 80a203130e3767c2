"""A store that is only read: nothing is created, migrated or written, whatever its file and folder allow."""

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path

import pytest

from db import datasets, jobs, sqlite_file
from db.errors import DualensError, ReadOnly
from db.settings import Settings
from db.store import Store
from tests.toys import toy_columns

ROOT = Path(__file__).parents[2]
NOBODY = 65534
LIST = f"""
import os
import sqlalchemy
from db import datasets
from db.store import Store
sqlalchemy.create_engine("sqlite://").connect().close()
os.setuid({NOBODY})  # with everything imported: the libraries may be root's alone
print(datasets.listing(Store.open())[0].name)
"""


def only_read(settings: Settings) -> Settings:
    """The same workspace, for a process that writes nothing."""
    return settings.model_copy(update={"read_only": True})


def insert(store: Store, name: str) -> None:
    """A data set of this name."""
    datasets.insert(
        store, name, toy_columns(users=6, items=9), kind="csv", source="t", fingerprint=name, report={}
    )


def names(store: Store) -> list[str]:
    """The data sets it lists."""
    return [info.name for info in datasets.listing(store)]


def laid(settings: Settings, lay_store: object, database: str) -> Path:
    """The file of a closed SQLite store with one data set."""
    if database != "sqlite":
        pytest.skip("of files")
    lay_store(settings)  # type: ignore[operator]
    with Store.open(settings) as store:
        insert(store, "toy")
    return Path(settings.database_url.removeprefix("sqlite:///"))


def test_it_reads_and_refuses_to_write(store: Store, settings: Settings) -> None:
    insert(store, "toy")
    with Store.open(only_read(settings)) as reader:
        assert names(reader) == ["toy"]
        with pytest.raises(ReadOnly, match="only reads what is stored"):
            jobs.submit(reader, "setup", {})
        assert jobs.listing(store) == []


def test_it_sees_what_others_write(store: Store, settings: Settings) -> None:
    with Store.open(only_read(settings)) as reader:
        insert(store, "one")
        assert names(reader) == ["one"]
        insert(store, "two")
        assert sorted(names(reader)) == ["one", "two"]


def test_the_database_itself_refuses_too(store: Store, settings: Settings) -> None:
    """Not only the store's own `write`: a connection can change nothing."""
    with Store.open(only_read(settings)) as reader, pytest.raises(DualensError):  # noqa: SIM117
        with reader.read() as connection:
            connection.exec_driver_sql("DELETE FROM jobs")


def test_a_job_is_not_wanted_by_who_only_reads(store: Store, settings: Settings) -> None:
    job = jobs.submit(store, "rank", {}, wanted_s=1000.0)
    with Store.open(only_read(settings)) as reader:
        jobs.want(reader, job.id, 10_000.0)
        jobs.let_go(reader, job.id)


def test_nothing_is_made_where_there_is_no_store(tmp_path: Path) -> None:
    home = tmp_path / "none"
    settings = Settings(home=home, database_url=f"sqlite:///{home}/dualens.db", read_only=True)
    with pytest.raises(DualensError, match="is not there, and with --read-only none is made"):
        Store.open(settings)
    assert not home.exists()


def test_an_older_store_is_not_migrated(settings: Settings, lay_store: object, database: str) -> None:
    path = laid(settings, lay_store, database)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '0001'")
    before = path.read_bytes()
    with pytest.raises(DualensError, match="written by an earlier Dualens"):
        Store.open(only_read(settings))
    assert path.read_bytes() == before


def test_the_file_stays_as_it_is(settings: Settings, lay_store: object, database: str) -> None:
    path = laid(settings, lay_store, database)
    before = path.read_bytes()
    with Store.open(only_read(settings)) as reader:
        assert names(reader) == ["toy"]
    assert path.read_bytes() == before


def test_a_folder_nobody_may_write_to(
    settings: Settings, lay_store: object, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No log can be made beside the file; none is."""
    path = laid(settings, lay_store, database)
    monkeypatch.setattr(sqlite_file.os, "access", lambda *_: False)
    with Store.open(only_read(settings)) as reader:
        assert names(reader) == ["toy"]
        assert not list(path.parent.glob("*-wal"))


def test_changes_in_a_log_that_cannot_be_read_are_not_passed_over(
    settings: Settings, lay_store: object, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = laid(settings, lay_store, database)
    path.with_name(f"{path.name}-wal").write_bytes(b"changes")
    monkeypatch.setattr(sqlite_file.os, "access", lambda *_: False)
    with pytest.raises(DualensError, match="has changes in its log"):
        Store.open(only_read(settings))


@pytest.mark.parametrize("changes", [False, True])
def test_files_without_the_right_to_write(
    changes: bool, settings: Settings, lay_store: object, database: str
) -> None:
    """As somebody else would read a workspace that was handed over: file 0444, folder 0555."""
    path = laid(settings, lay_store, database)
    if os.geteuid() != 0:
        pytest.skip("only root reads as somebody else")
    home = Path(tempfile.mkdtemp(prefix="dualens-read-only-", dir="/tmp"))
    try:
        copy = home / path.name
        shutil.copy(path, copy)
        if changes:  # a writer is at work: its log is beside the file
            writer = sqlite3.connect(copy, isolation_level=None)
            writer.execute("PRAGMA journal_mode = WAL")
            writer.execute("UPDATE datasets SET name = 'renamed'")
        for each in home.iterdir():
            each.chmod(0o444)
        home.chmod(0o555)
        environment = {"DUALENS_HOME": str(home), "DUALENS_READ_ONLY": "true", "PYTHONPATH": str(ROOT)}
        before = {each.name: each.read_bytes() for each in home.iterdir() if not each.name.endswith("-shm")}
        done = subprocess.run(
            [sys.executable, "-B", "-c", LIST],
            env=environment,
            cwd="/",
            capture_output=True,
            text=True,
        )
        assert (done.stdout, done.stderr) == ("renamed\n" if changes else "toy\n", "")
        after = {each.name: each.read_bytes() for each in home.iterdir() if not each.name.endswith("-shm")}
        assert after == before
    finally:
        home.chmod(0o700)
        shutil.rmtree(home)
