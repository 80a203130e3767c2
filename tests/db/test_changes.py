"""Whether somebody wrote: SQLite says so, PostgreSQL has to be looked at."""

import threading
import time
from contextlib import closing
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from db import changes, jobs
from db.changes import Changes
from db.store import Store


def test_every_write_of_another_connection_is_noticed_once(store: Store) -> None:
    with closing(Changes(store)) as asked:
        jobs.submit(store, "rank", {"n": 1})
        said = [asked.changed() for _ in range(3)]
        jobs.listing(store)
        said.append(asked.changed())
    known = store.dialect == "sqlite"
    assert said == ([True, False, False, False] if known else [None] * 4)


def test_a_wait_ends_with_the_next_write_and_at_once_after_one(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever was written since the last question: nothing falls between a look and the wait after it."""
    if store.dialect != "sqlite":
        pytest.skip("it cannot be known there")
    pauses: list[float | None] = []

    class Stop(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            pauses.append(timeout)
            if len(pauses) == 3:
                jobs.submit(store, "rank", {"n": 2})
            return False

    with closing(Changes(store)) as asked:
        jobs.submit(store, "rank", {"n": 1})
        asked.wait(60, 60, Stop())
        assert pauses == []
        asked.wait(60, 60, Stop())
    assert pauses == [changes.ASK_S] * 3


def test_a_wait_ends_when_it_is_told_to_and_where_nothing_can_be_known(store: Store) -> None:
    stop = threading.Event()
    stop.set()
    with closing(Changes(store)) as asked:
        asked.wait(60, 60, stop)
        before = time.monotonic()
        asked.wait(0.0, 0.0, threading.Event())
        assert time.monotonic() - before < 60


def test_a_store_that_cannot_be_asked_is_looked_at(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    if store.dialect != "sqlite":
        pytest.skip("it cannot be known there")

    def away(*_: Any) -> Any:
        raise OperationalError("", {}, Exception("unable to open database file"))

    with closing(Changes(store)) as asked:
        asked.close()
        with monkeypatch.context() as patch:
            patch.setattr(store, "raw", away)
            assert asked.changed() is None
        assert asked.changed() is not None
