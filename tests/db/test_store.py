"""Opening and transactions: private files, several processes, damage, kills."""

import os
import signal
import sqlite3
import stat
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from db import datasets, jobs, migrations, schema
from db.errors import BadInput, DualensError
from db.settings import Settings
from db.store import Store
from tests.db.newer import NEWER
from tests.toys import toy_columns

ROOT = Path(__file__).parents[2]


@pytest.fixture
def settings(database: str, settings: Settings, request: pytest.FixtureRequest) -> Settings:
    """Settings of a store that does not exist yet, on each database."""
    if database == "postgresql":
        url = request.getfixturevalue("postgres_server").fresh()
        return settings.model_copy(update={"database_url": url})
    return settings


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    """A store that `Store.open` made and migrated, on each database."""
    with Store.open(settings) as opened:
        yield opened


def on_sqlite(store: Store) -> Path:
    """The database file; skips the test on PostgreSQL, which has none."""
    if store.dialect != "sqlite":
        pytest.skip("about SQLite files")
    return store.settings.home / "dualens.db"


def run_python(code: str, settings: Settings) -> subprocess.Popen:
    """Start a Python process of its own on the same store."""
    environment = {
        **os.environ,
        "DUALENS_HOME": str(settings.home),
        "DUALENS_DATABASE_URL": settings.database_url,
    }
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_the_migrations_make_exactly_the_schema(store: Store) -> None:
    assert migrations.known()[0] == schema.REVISION
    with store.read() as connection:
        context = MigrationContext.configure(connection, opts={"target_metadata": schema.metadata})
        assert compare_metadata(context, schema.metadata) == []


def test_the_migrated_tables_are_written_as_in_the_schema(store: Store) -> None:
    on_sqlite(store)
    # The comparison above knows nothing of WITHOUT ROWID, AUTOINCREMENT and the conditions of indexes.
    plain = sa.create_engine("sqlite://")
    schema.metadata.create_all(plain)
    query = sa.text("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'alembic%'")
    with plain.connect() as wanted, store.read() as migrated:
        left, right = (
            {name: "".join(sql.split()) for name, sql in connection.execute(query)}
            for connection in (wanted, migrated)
        )
    assert left == right


def test_an_older_store_is_brought_up_to_date_with_its_jobs(store: Store) -> None:
    job = jobs.submit(store, "rank", {"a": 1})
    with store.write() as connection:
        for table in ("optimizations", "templates", *NEWER):
            connection.execute(sa.text(f"DROP TABLE {table}"))
        connection.execute(sa.text("ALTER TABLE demonstrations DROP COLUMN merged"))
        for column in ("partial", "wanted_until", "left_low_s", "left_high_s"):
            connection.execute(sa.text(f"ALTER TABLE jobs DROP COLUMN {column}"))
        connection.execute(sa.text("ALTER TABLE workers DROP COLUMN supervisor"))
        for column in ("writing_until", "layer", "layer_of"):
            connection.execute(sa.text(f"ALTER TABLE datasets DROP COLUMN {column}"))
        connection.execute(sa.text("ALTER TABLE models DROP COLUMN deleted_at"))
        connection.execute(sa.text("ALTER TABLE jobs DROP COLUMN furthest"))
        for table in ("datasets", "runs", "effects"):
            connection.execute(sa.text(f"ALTER TABLE {table} DROP COLUMN content"))
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '0001'"))
    with Store.open(store.settings) as newer:
        assert jobs.get(newer, job.id) == job


def test_opening_again_changes_nothing(store: Store) -> None:
    job = jobs.submit(store, "rank", {})
    with Store.open(store.settings) as again:
        assert jobs.get(again, job.id) == job


def test_an_open_store_is_private(store: Store) -> None:
    jobs.submit(store, "rank", {})
    home = store.settings.home
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert sorted(path.name for path in home.iterdir() if path.is_dir()) == ["models", "uploads"]
    files = [path for path in home.iterdir() if path.is_file()]
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in files)
    assert len(files) == (3 if store.dialect == "sqlite" else 0)


def test_sqlite_is_set_up_for_several_processes(store: Store) -> None:
    on_sqlite(store)
    with store.read() as connection:
        pragmas = {
            name: connection.execute(sa.text(f"PRAGMA {name}")).scalar_one()
            for name in ("journal_mode", "foreign_keys", "busy_timeout")
        }
    assert pragmas == {"journal_mode": "wal", "foreign_keys": 1, "busy_timeout": 1000}


def test_foreign_keys_hold(store: Store) -> None:
    row = {"dataset_id": 404, "item": 0, "ordinal": 0, "user": 0, "position": 0}
    with pytest.raises(sa.exc.IntegrityError), store.write() as connection:
        connection.execute(sa.insert(schema.occurrences).values(**row))


def test_a_write_is_all_or_nothing(store: Store) -> None:
    def write_and_fail() -> None:
        with store.write() as connection:
            connection.execute(sa.insert(schema.texts).values(hash="a", text="a"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_and_fail()
    with store.read() as connection:
        assert connection.execute(sa.select(schema.texts)).all() == []


def test_nothing_is_written_by_reading(store: Store) -> None:
    with store.read() as connection:
        connection.execute(sa.insert(schema.texts).values(hash="a", text="a"))
    with store.read() as connection:
        assert connection.execute(sa.select(schema.texts)).all() == []


def test_readers_do_not_wait_for_a_writer(store: Store) -> None:
    with store.write() as connection:
        connection.execute(sa.insert(schema.texts).values(hash="a", text="a"))
        # A reader that waited for this transaction would wait for this very thread, and end in an error.
        assert jobs.listing(store) == []


def test_threads_share_a_store(store: Store) -> None:
    errors: list[BaseException] = []

    def file_jobs(thread: int) -> None:
        try:
            for number in range(10):
                jobs.submit(store, "rank", {"thread": thread, "number": number})
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=file_jobs, args=(thread,)) for thread in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(jobs.listing(store)) == 40


OPEN_AND_FILE = """
    import sys
    from db import jobs
    from db.store import Store
    with Store.open() as store:
        jobs.submit(store, "rank", {"process": sys.argv[1:]})
        print(len(jobs.listing(store)))
"""


def test_several_processes_open_a_new_store_at_once(settings: Settings) -> None:
    processes = [run_python(OPEN_AND_FILE.replace("sys.argv[1:]", str(n)), settings) for n in range(4)]
    outcomes = [(process.communicate(timeout=300), process.returncode) for process in processes]
    assert [code for _, code in outcomes] == [0] * 4, [err for (_, err), _ in outcomes]
    with Store.open(settings) as store:
        assert len(jobs.listing(store)) == 4


IMPORT_AND_HANG = """
    import sys, time
    from db import bulk, datasets
    from db.store import Store
    from tests.toys import toy_columns

    def slow(connection, table, *rest, insert=bulk.insert_rows):
        insert(connection, table, *rest)
        if table.name == "occurrences":
            print("written", flush=True)
            time.sleep(60)

    bulk.insert_rows = slow
    columns = toy_columns(users=20_000, items=500, length=10)
    datasets.insert(Store.open(), "big", columns, kind="", source="", fingerprint="", report={})
"""


def test_a_killed_import_leaves_the_store_as_it_was(store: Store, settings: Settings) -> None:
    kept = datasets.insert(store, "toy", toy_columns(), kind="", source="", fingerprint="toy", report={})
    process = run_python(IMPORT_AND_HANG, settings)
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "written\n"
        assert datasets.listing(store) == [kept]
        process.send_signal(signal.SIGKILL)
    finally:
        process.kill()
        process.communicate()
    assert datasets.listing(store) == [kept]
    assert datasets.deleted(store) == [], "half a data set cannot be restored"
    # Its lease is not over, but whoever imports the same files again knows that it is dead.
    again = datasets.insert(store, "big", toy_columns(), kind="", source="", fingerprint="", report={})
    with store.read() as connection:
        for table in (schema.users, schema.items, schema.interactions, schema.occurrences):
            ids = connection.execute(sa.select(table.c.dataset_id).distinct()).scalars().all()
            assert sorted(ids) == [kept.id, again.id]
        if store.dialect == "sqlite":
            assert connection.execute(sa.text("PRAGMA integrity_check")).scalar_one() == "ok"


def test_a_newer_database_is_left_alone(store: Store) -> None:
    with store.write() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(DualensError, match=r"newer Dualens \(migration 9999.*Nothing was changed"):
        Store.open(store.settings)


@pytest.mark.parametrize("content", [b"PK\x03\x04 a zip file " * 100, b"hello"])
def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "notes.db"
    path.write_bytes(content)
    with pytest.raises(DualensError, match=r"notes\.db is not a Dualens database.*Nothing was changed"):
        Store.open(Settings(home=tmp_path, database_url=f"sqlite:///{path}"))
    assert path.read_bytes() == content


def test_a_damaged_database_gives_one_clear_error(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, database_url="sqlite:///{home}/dualens.db")
    with Store.open(settings) as store:
        info = datasets.insert(store, "toy", toy_columns(200), kind="", source="", fingerprint="", report={})
    path = tmp_path / "dualens.db"
    content = bytearray(path.read_bytes())
    content[8192:] = b"\xff" * (len(content) - 8192)
    path.write_bytes(content)
    with pytest.raises(DualensError, match="is damaged"), Store.open(settings) as store:
        datasets.history(store, info.id, 3)


def test_another_programs_database_is_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE jobs (id INTEGER)")
    connection.close()
    with pytest.raises(DualensError, match=r"other\.db holds tables of another program"):
        Store.open(Settings(home=tmp_path, database_url=f"sqlite:///{path}"))
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("jobs",)]
    connection.close()


def test_a_folder_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DualensError, match=r"file/home cannot be created.*DUALENS_HOME"):
        Store.open(Settings(home=tmp_path / "file" / "home"))
    (tmp_path / "uploads").write_text("")
    with pytest.raises(DualensError, match=r"cannot be written to: .*with DUALENS_READ_ONLY=true\."):
        Store.open(Settings(home=tmp_path))
    (tmp_path / "uploads").unlink()
    (tmp_path / "dualens.db").mkdir()
    with pytest.raises(DualensError, match=r"dualens\.db cannot be opened for writing"):
        Store.open(Settings(home=tmp_path))


def test_a_database_that_cannot_be_written_says_so(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store.open(settings)
    path = on_sqlite(store)
    store.close()
    # Permissions do not bind root, who may run this; SQLite's own read-only mode binds everyone.
    monkeypatch.setattr(
        "db.sqlite_file.prepare", lambda connection, _: connection.execute("PRAGMA query_only = ON")
    )
    with Store.open(settings) as store, pytest.raises(DualensError, match=f"{path.name} is read-only"):
        jobs.submit(store, "rank", {})


@pytest.mark.parametrize("name", ["with space?and=query&#.db", "100%.db", "Übung 日本.db", "a'b\"c;d.db"])
def test_a_path_may_hold_any_character(tmp_path: Path, name: str) -> None:
    home = tmp_path / "a b?c%20#d"
    with Store.open(Settings(home=home, database_url=f"sqlite:///{home}/{name}")) as store:
        jobs.submit(store, "rank", {})
    assert (home / name).exists()


def test_a_second_store_of_the_same_process_leaves_the_locks_of_the_first(store: Store) -> None:
    """A file that is opened and closed beside SQLite loses all locks that its process holds on it (POSIX)."""
    path = on_sqlite(store)
    jobs.submit(store, "rank", {"n": 1})  # a connection that stays open, as in every engine
    Store.open(store.settings).close()
    code = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('SELECT 1 FROM jobs'); c.close()"
    subprocess.run([sys.executable, "-c", code, str(path)], check=True)
    assert path.with_name("dualens.db-wal").exists(), "the other process took itself for the last one"
    jobs.submit(store, "rank", {"n": 2})
    with sqlite3.connect(path) as other:
        assert other.execute("SELECT count(*) FROM jobs").fetchone() == (2,)
    other.close()


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "mysql://host/db", "nonsense", ""])
def test_an_unusable_url_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(BadInput, match="DUALENS_DATABASE_URL"):
        Store.open(Settings(home=tmp_path, database_url=url))


def test_a_server_that_is_not_there_is_named_without_its_password(tmp_path: Path) -> None:
    pytest.importorskip("psycopg")
    url = "postgresql://someone:geheim@127.0.0.1:1/nothing"
    with pytest.raises(DualensError, match="cannot be reached") as caught:
        Store.open(Settings(home=tmp_path, database_url=url, store_wait=0))
    assert "geheim" not in str(caught.value)


def test_settings_come_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOME", "DATABASE_URL", "DEVICE", "DTYPE"):
        monkeypatch.delenv(f"DUALENS_{name}", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Settings().home == tmp_path / ".dualens"
    assert Settings().database_url == f"sqlite:///{tmp_path}/.dualens/dualens.db"
    assert not Settings().home.exists()
    monkeypatch.setenv("DUALENS_HOME", str(tmp_path / "here"))
    monkeypatch.setenv("DUALENS_DEVICE", "cpu")
    assert Settings().database_url == f"sqlite:///{tmp_path}/here/dualens.db"
    assert Settings().device == "cpu"
    monkeypatch.setenv("DUALENS_DATABASE_URL", "")
    assert Settings().database_url == f"sqlite:///{tmp_path}/here/dualens.db"
