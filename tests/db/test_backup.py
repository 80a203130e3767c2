"""Backups are whole, made while others write, and come back; what was there before is kept."""

import os
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from db import backup, datasets, jobs
from db.errors import BadInput, Conflict, StoreAway
from db.settings import Settings
from db.store import Store
from tests.db.stores import reading
from tests.toys import toy_columns


@pytest.fixture
def database() -> str:
    """Files are SQLite's; PostgreSQL has pg_dump."""
    return "sqlite"


@pytest.fixture
def path(settings: Settings) -> Path:
    return settings.home / "dualens.db"


def insert(store: Store, name: str = "toy") -> datasets.DatasetInfo:
    return datasets.insert(store, name, toy_columns(40), kind="", source="", fingerprint=name, report={})


def test_a_backup_is_the_store_of_one_moment_while_others_write(
    store: Store, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    insert(store)
    monkeypatch.setattr(backup, "_PAGES", 1)
    filed = list[int]()

    def busy(_: float) -> None:  # between any two pages
        filed.append(jobs.submit(store, "rank", {"n": len(filed)}).id)

    target = tmp_path / "copy.db"
    assert backup.copy(path, target, busy) == target.stat().st_size > 0
    assert len(filed) > 10
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    copied = Settings(home=tmp_path / "other", database_url=f"sqlite:///{target}")
    with Store.open(copied) as other:
        assert jobs.listing(other) == []
        assert datasets.columns(other, 1).item_ids == toy_columns(40).item_ids
    assert len(jobs.listing(store, limit=10_000)) == len(filed)
    assert list(tmp_path.glob(".*")) == []


def test_a_backup_overwrites_nothing_and_leaves_nothing_behind(
    store: Store, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = tmp_path / "taken.db"
    taken.write_text("mine")
    with pytest.raises(BadInput, match="is there already"):
        backup.copy(path, taken)
    assert taken.read_text() == "mine"
    with pytest.raises(BadInput, match="There is no folder"):
        backup.copy(path, tmp_path / "none" / "copy.db")

    def stopped(_: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        backup.copy(path, tmp_path / "copy.db", stopped)
    monkeypatch.setattr(backup.shutil, "disk_usage", lambda _: _Usage())
    with pytest.raises(BadInput, match=r"has 0 MiB left\. Nothing was written"):
        backup.copy(path, tmp_path / "copy.db")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["home", "taken.db"]


class _Usage:
    free = 0


def test_what_is_restored_is_the_backup_and_what_was_there_is_kept(
    store: Store, settings: Settings, path: Path, tmp_path: Path
) -> None:
    info = insert(store)
    backup.copy(path, tmp_path / "copy.db")
    insert(store, "later")
    store.close()
    kept = backup.restore(tmp_path / "copy.db", path)
    assert kept is not None
    with Store.open(settings) as restored:
        assert datasets.listing(restored) == [info]
    with Store.open(Settings(home=tmp_path / "b", database_url=f"sqlite:///{kept}")) as before:
        assert [found.name for found in datasets.listing(before)] == ["later", "toy"]


def test_a_damaged_or_empty_store_is_replaced_with_its_log(
    store: Store, settings: Settings, path: Path, tmp_path: Path
) -> None:
    info = insert(store)
    backup.copy(path, tmp_path / "copy.db")
    store.close()
    for content in (b"\xff" * 40_000, b""):
        path.write_bytes(content)
        path.with_name("dualens.db-wal").write_bytes(b"\x37\x7f\x06\x82" + b"\xff" * 8000)
        kept = backup.restore(tmp_path / "copy.db", path)
        assert kept is not None
        assert kept.read_bytes() == content
        kept.unlink()
        with Store.open(settings) as restored:
            assert datasets.listing(restored) == [info]
            assert datasets.columns(restored, info.id).titles == toy_columns(40).titles


@pytest.mark.parametrize("how", ["no file", "no database", "another program's", "damaged", "newer"])
def test_what_is_no_sound_backup_changes_nothing(store: Store, path: Path, tmp_path: Path, how: str) -> None:
    insert(store)
    file = tmp_path / "copy.db"
    if how != "no file":
        backup.copy(path, file)
    if how == "no database":
        file.write_text("notes " * 1000)
    elif how == "another program's":
        file.unlink()
        with closing(sqlite3.connect(file)) as connection, connection:
            connection.execute("CREATE TABLE jobs (id INTEGER)")
    elif how == "damaged":
        content = bytearray(file.read_bytes())
        content[8192:20480] = os.urandom(12288)
        file.write_bytes(content)
    elif how == "newer":
        with closing(sqlite3.connect(file)) as connection, connection:
            connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(BadInput):
        backup.restore(file, path)
    assert [info.name for info in datasets.listing(store)] == ["toy"]
    assert len(list(path.parent.glob("dualens.db*"))) == 3


def test_a_store_in_use_is_not_replaced(store: Store, path: Path, tmp_path: Path) -> None:
    backup.copy(path, tmp_path / "copy.db")
    code = (
        "import sqlite3, sys; base = sqlite3.connect(sys.argv[1]); print(base.execute('SELECT 1 FROM jobs'),"
    )
    code += " flush=True); input()"
    user = subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert user.stdout is not None
        assert user.stdout.readline()
        with pytest.raises(Conflict, match=f"in use by process {user.pid}"):
            backup.restore(tmp_path / "copy.db", path)
    finally:
        user.communicate(b"\n")


def test_a_backup_is_made_before_a_migration_and_only_then(tmp_path: Path) -> None:
    settings = reading.unpack(tmp_path / "home")
    old = reading.rows(settings, "SELECT version_num FROM alembic_version")
    Store.open(settings).close()
    [kept] = settings.home.glob("dualens.db.before-migration-*")
    with closing(sqlite3.connect(kept)) as connection:
        [(revision,)] = connection.execute("SELECT version_num FROM alembic_version")
        assert revision == next(iter(old[0].values()))
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    changed = kept.stat().st_mtime_ns
    Store.open(settings).close()
    assert [kept] == list(settings.home.glob("dualens.db.before-*"))
    assert kept.stat().st_mtime_ns == changed


def test_without_room_for_a_backup_there_is_no_migration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = reading.unpack(tmp_path / "home")
    old = reading.rows(settings, "SELECT version_num FROM alembic_version")
    monkeypatch.setattr(backup.shutil, "disk_usage", lambda _: _Usage())
    with pytest.raises((BadInput, StoreAway), match="0 MiB left"):
        Store.open(settings)
    assert reading.rows(settings, "SELECT version_num FROM alembic_version") == old
