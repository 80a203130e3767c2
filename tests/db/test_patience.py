"""A store that is away is waited for, said once, and given up in time; nothing here really sleeps."""

import errno
import signal
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from db import bulk, datasets, jobs, schema
from db.database_errors import explained
from db.errors import BadInput, DualensError, StoreAway
from db.patience import Patience, as_away
from db.settings import Settings
from db.store import Store
from tests.db import postgres
from tests.toys import toy_columns


class Clock:
    """Time that passes only where somebody pauses; `at` says what happens when it has come to a second."""

    def __init__(self) -> None:
        self.now, self.events = 100.0, list[tuple[float, Callable[[], None]]]()

    def time(self) -> float:
        return self.now

    def pause(self, seconds: float) -> None:
        self.now += seconds
        for due, event in [each for each in self.events if each[0] <= self.now]:
            self.events.remove((due, event))
            event()

    def at(self, seconds: float, event: Callable[[], None]) -> None:
        self.events.append((100.0 + seconds, event))


def patience(clock: Clock, seconds: float, said: list[str]) -> Patience:
    return Patience(seconds, say=said.append, pause=clock.pause, clock=clock.time, advice="Resume it.")


def fails_until(clock: Clock, seconds: float) -> Callable[[], str]:
    def action() -> str:
        if clock.now < 100.0 + seconds:
            raise StoreAway("The database is away.")
        return "done"

    return action


def test_it_waits_says_so_once_and_goes_on() -> None:
    clock, said = Clock(), list[str]()
    assert patience(clock, 60, said).keep_trying(fails_until(clock, 50)) == "done"
    assert said == [
        "The database is away. Waiting for up to 60 s; what was computed is kept.",
        "The store can be used again: going on.",
    ]


def test_a_short_absence_is_not_worth_a_word() -> None:
    clock, said = Clock(), list[str]()
    assert patience(clock, 60, said).keep_trying(fails_until(clock, 1)) == "done"
    assert said == []


def test_it_gives_up_in_time_and_what_comes_after_does_not_wait_again() -> None:
    clock, said = Clock(), list[str]()
    waits = patience(clock, 60, said)
    with pytest.raises(StoreAway, match=r"^The database is away\. Resume it\.$") as caught:
        waits.keep_trying(fails_until(clock, 1000))
    assert caught.value.waited
    assert clock.now == pytest.approx(160)
    with pytest.raises(StoreAway):
        waits.keep_trying(fails_until(clock, 1000))
    assert clock.now == pytest.approx(160)


def test_whoever_waited_inside_is_not_waited_for_again_outside() -> None:
    clock = Clock()
    waits = patience(clock, 60, [])
    with pytest.raises(StoreAway):
        waits.keep_trying(lambda: waits.keep_trying(fails_until(clock, 1000)))
    assert clock.now == pytest.approx(160)


def test_a_worker_waits_as_long_as_it_takes_and_no_longer_than_it_lives() -> None:
    clock = Clock()
    assert patience(clock, float("inf"), []).keep_trying(fails_until(clock, 86_400)) == "done"
    closed = threading.Event()
    closed.set()
    with pytest.raises(StoreAway):
        Patience(float("inf"), pause=closed.wait).keep_trying(fails_until(Clock(), 10))


def test_work_between_two_absences_is_not_waiting() -> None:
    clock, attempts = Clock(), list[float]()

    def action() -> str:
        attempts.append(clock.now)
        clock.now += 3600  # work that takes an hour, and loses the store at its end
        if len(attempts) < 5:
            raise StoreAway("The database is away.")
        return "done"

    assert patience(clock, 60, []).keep_trying(action) == "done"


def test_other_errors_pass_at_once() -> None:
    clock = Clock()

    def action() -> None:
        raise BadInput("no")

    with pytest.raises(BadInput):
        patience(clock, 60, []).keep_trying(action)
    assert clock.now == 100


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device", "/home/x/model.safetensors"),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)"),
    ],
)
def test_a_full_disk_is_waited_for_whoever_meets_it(error: Exception) -> None:
    assert "no room left" in str(as_away(error))
    assert as_away(OSError(errno.EACCES, "Permission denied")) is None


@pytest.mark.parametrize(
    ("said", "words", "passes"),
    [
        ("database is locked", "is busy", True),
        ("database or disk is full", "no room left", True),
        ("disk I/O error", "cannot be read or written", True),
        ("could not extend file: No space left on device", "no room left", True),
        ("terminating connection due to administrator command", "restarts", True),
        ("connection failed: FATAL: the database system is starting up", "restarts", True),
        ("FATAL: sorry, too many clients already", "restarts or is full", True),
        ('connection to server on socket "/x" failed: Connection refused', "cannot be reached", True),
        ("the connection is closed", "cannot be reached", True),
        ("deadlock detected", "is busy", True),
        ('connection failed: FATAL: password authentication failed for user "x"', "refuses", False),
        ('connection failed: FATAL: database "x" does not exist', "refuses", False),
        ("database disk image is malformed", "is damaged", False),
        ("no such table: runs", "lacks a part", False),
        ('relation "runs" does not exist', "lacks a part", False),
        ("attempt to write a readonly database", "is read-only", False),
        ("unable to open database file", "cannot be opened", False),
    ],
)
def test_what_passes_by_itself_is_told_from_what_does_not(said: str, words: str, passes: bool) -> None:
    error = explained(sqlite3.OperationalError(said), "X")
    assert words in str(error)
    assert isinstance(error, StoreAway) == passes


def test_sqlite_has_no_word_for_a_full_disk_everywhere() -> None:
    for said in ("disk I/O error", "unable to open database file"):
        error = explained(sqlite3.OperationalError(said), "X", disk_full=True)
        assert isinstance(error, StoreAway)
        assert "no room left" in str(error)


Waiting = tuple[Clock, list[str], Store]


@pytest.fixture
def waiting(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, lay_store: Callable
) -> tuple[Clock, list[str], Store]:
    """A SQLite store whose patience has a clock of its own."""
    monkeypatch.setattr("db.sqlite_file.BUSY_S", 0.0)
    clock, said = Clock(), list[str]()
    lay_store(settings)
    return clock, said, Store.open(settings, patience(clock, 120, said))


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_lock_of_90_s_only_delays(waiting: Waiting) -> None:
    clock, said, store = waiting
    other = sqlite3.connect(store.settings.home / "dualens.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    clock.at(90, lambda: other.execute("COMMIT"))
    job = jobs.submit(store, "rank", {})
    assert clock.now >= 190
    assert jobs.get(store, job.id).state == jobs.QUEUED
    assert "is busy: another process holds its lock" in said[0]
    other.close()


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_readers_wait_for_a_program_that_keeps_everybody_out(waiting: Waiting) -> None:
    clock, _, store = waiting
    store.close()
    path = store.settings.home / "dualens.db"
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("PRAGMA locking_mode = EXCLUSIVE")
    other.execute("BEGIN EXCLUSIVE")
    clock.at(70, other.close)
    assert jobs.listing(store) == []
    assert clock.now >= 170


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_disk_that_fills_in_the_midst_undoes_the_block_and_does_it_again(
    waiting: Waiting,
) -> None:
    clock, said, store = waiting

    def pages(most: int) -> None:
        with closing(store._engine.raw_connection()) as raw:
            raw.execute(f"PRAGMA max_page_count = {most}")  # type: ignore[attr-defined]

    pages(1)  # as large as it is now: the next page is one too many
    clock.at(30, lambda: pages(1 << 30))
    columns = toy_columns(users=300, items=200, length=12)

    def action() -> datasets.DatasetInfo:
        return datasets.insert(store, "toy", columns, kind="", source="", fingerprint="toy", report={})

    info = store.again(action)
    assert clock.now >= 130
    assert "has no room left on its disk" in said[0]
    assert datasets.listing(store) == [info]
    with store.read() as connection:
        count = sa.select(sa.func.count()).select_from(schema.interactions)
        assert connection.execute(count).scalar_one() == info.interactions == 3600


def test_a_lease_does_not_run_out_while_the_store_is_away(store: Store) -> None:
    """Its owner could not renew it either."""
    clock = Clock()
    store.patience = patience(clock, 60, [])
    job = jobs.submit(store, "study", {})
    assert jobs.claim(store, "one", lease_s=-1) is not None
    store.patience.keep_trying(fails_until(clock, 30))
    assert jobs.claim(store, "two") is None
    jobs.expire(store, "one")  # but one that is known to be dead is replaced
    taken = jobs.claim(store, "two")
    assert taken is not None
    assert taken.id == job.id


def test_a_file_of_zero_bytes_is_one_that_lost_its_content(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, database_url="sqlite:///{home}/dualens.db")
    Store.open(settings).close()
    (tmp_path / "dualens.db").write_bytes(b"")
    with pytest.raises(DualensError, match=r"is empty \(0 bytes\).*dualens restore"):
        Store.open(settings)
    assert (tmp_path / "dualens.db").stat().st_size == 0


def test_a_store_without_its_version_or_a_table_says_what_to_do(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, database_url="sqlite:///{home}/dualens.db")
    Store.open(settings).close()
    with closing(sqlite3.connect(tmp_path / "dualens.db")) as connection, connection:
        connection.execute("DROP TABLE optimizations")
        connection.execute("DROP TABLE effects")
    with (
        Store.open(settings) as store,
        pytest.raises(DualensError, match=r"dualens check.*dualens restore"),
        store.read() as connection,
    ):
        connection.execute(sa.select(schema.effects))
    with closing(sqlite3.connect(tmp_path / "dualens.db")) as connection, connection:
        connection.execute("DELETE FROM alembic_version")
    with pytest.raises(DualensError, match=r"alembic_version is empty.*dualens restore"):
        Store.open(settings)


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT])
def test_a_server_that_restarts_only_delays(
    store: Store, postgres_server: postgres.Server, how: signal.Signals
) -> None:
    clock, said = Clock(), list[str]()
    store.patience = patience(clock, 60, said)
    job = jobs.submit(store, "study", {"how": how.name})
    postgres_server.stop(how)
    clock.at(20, postgres_server.start)
    assert jobs.claim(store, "one") is not None
    assert clock.now >= 120
    assert jobs.get(store, job.id).attempts == 1
    assert "cannot be reached" in said[0]
    assert said[1:] == ["The store can be used again: going on."]


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_a_server_that_ends_in_the_midst_of_a_block_undoes_it(
    store: Store, postgres_server: postgres.Server
) -> None:
    clock, said = Clock(), list[str]()
    store.patience = patience(clock, 60, said)
    attempts: list[int] = []

    def action() -> None:
        attempts.append(1)
        with store.write() as connection:
            connection.execute(sa.insert(schema.texts).values(hash=str(len(attempts)), text="a"))
            if len(attempts) == 1:
                postgres_server.stop()
                clock.at(20, postgres_server.start)
            connection.execute(sa.insert(schema.texts).values(hash="last", text="b"))

    store.again(action)
    with store.read() as connection:
        assert connection.execute(sa.select(schema.texts.c.hash)).scalars().all() == ["2", "last"]


class Asked(BaseException):
    """The process was asked to end."""


@pytest.fixture
def alarm() -> Iterator[Callable[[float], None]]:
    """`alarm(seconds)`: then the process is asked to end, wherever it is."""

    def end(*_: object) -> None:
        raise Asked

    before = signal.signal(signal.SIGALRM, end)
    yield lambda seconds: signal.setitimer(signal.ITIMER_REAL, seconds)
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
@pytest.mark.parametrize("block", ["read", "write"])
def test_an_end_in_the_midst_of_a_command_stays_an_end(
    store: Store, alarm: Callable[[float], None], block: str
) -> None:
    """The driver can neither close that command nor roll back, and its words about it hid why it was left."""
    slow = sa.select(sa.func.pg_sleep(60))
    with pytest.raises(Asked), getattr(store, block)() as connection:  # noqa: PT012
        if block == "write":
            connection.execute(sa.insert(schema.texts).values(hash="undone", text="a"))
        alarm(0.3)
        list(bulk.fetched(connection, slow))
    with store.read() as connection:
        assert connection.execute(sa.select(schema.texts.c.hash)).all() == []
        assert connection.execute(sa.select(sa.func.count()).select_from(schema.jobs)).scalar() == 0


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_who_ends_may_still_meet_an_error_of_the_store(store: Store) -> None:
    """What is written while the process ends is not taken for its end."""
    row = sa.insert(schema.texts).values(hash="undone", text="a")

    def end(times: int) -> None:
        with store.write() as connection:
            for _ in range(times):
                connection.execute(row)
            raise Asked

    with pytest.raises(Asked):
        end(1)
    try:
        raise Asked
    except Asked:
        with pytest.raises(IntegrityError):
            end(2)
    with store.read() as connection:
        assert connection.execute(sa.select(schema.texts.c.hash)).all() == []
