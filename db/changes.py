"""Notices that somebody wrote to the store, cheaply enough to be asked hundreds of times a second.

Boundary: says that something changed, not what. SQLite counts the commits of other connections; PostgreSQL
has nothing as cheap, and there a caller looks every so often.
"""

import sqlite3
import threading
import time
from typing import Any

from sqlalchemy.exc import DBAPIError

from db.store import Store

ASK_S = 0.005  # between two questions: adds half of this to an answer, and costs less than 1 % of a core


class Changes:
    """What one process asks; the first answer is about what came after this was made."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._connection: Any = None
        self._seen = self._commits()

    def changed(self) -> bool | None:
        """Whether somebody wrote since the last question; None where nobody can say."""
        commits, before = self._commits(), self._seen
        self._seen = commits
        return None if commits is None else commits != before

    def wait(self, look_s: float, longest_s: float, stop: threading.Event) -> None:
        """Until somebody wrote or `stop` is set, at most `longest_s` seconds.

        Where that cannot be known, until `look_s` seconds have passed.
        """
        deadline = time.monotonic() + longest_s
        while not (changed := self.changed()) and time.monotonic() < deadline:
            if stop.wait(look_s if changed is None else ASK_S) or changed is None:
                return

    def close(self) -> None:
        """Give the connection back."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _commits(self) -> int | None:
        """A number that changes with every commit of another connection."""
        if self._store.dialect != "sqlite":
            return None
        try:
            if self._connection is None:
                self._connection = self._store.raw()
            return self._connection.driver_connection.execute("PRAGMA data_version").fetchone()[0]
        except (sqlite3.Error, DBAPIError):  # away: whoever looks next says so
            self.close()
            return None
