"""A data set is written in small parts, unseen until it is complete; what is left of one is cleaned up."""

import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from db import bulk, datasets, jobs, schema
from db.datasets import DatasetInfo, drafts
from db.errors import Conflict
from db.store import Store
from tests.toys import toy_columns

FILLED = (schema.users, schema.items, schema.interactions, schema.occurrences)


def insert(store: Store, name: str = "toy", fingerprint: str = "a", **how: Any) -> DatasetInfo:
    columns = how.pop("columns", None) or toy_columns(users=40, items=30, length=10)
    return datasets.insert(
        store, name, columns, kind="csv", source="t", fingerprint=fingerprint, report={}, **how
    )


def rows(store: Store) -> int:
    """Rows of all data sets together."""
    with store.read() as connection:
        return sum(
            connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one() for table in FILLED
        )


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "CHUNK", 64)
    monkeypatch.setattr(drafts, "ROWS", 64)


def test_nobody_sees_a_data_set_before_it_is_complete_and_others_write_meanwhile(store: Store) -> None:
    reported: list[float | None] = []

    def look(fraction: float | None, message: str) -> None:
        reported.append(fraction)
        assert datasets.listing(store) == []
        assert datasets.deleted(store) == []
        jobs.submit(store, "rank", {"at": len(reported)})  # a part holds no lock while it reports

    info = insert(store, progress=look)
    assert datasets.listing(store) == [info]
    assert len(jobs.listing(store)) == len(reported) > 10
    fractions = [fraction for fraction in reported if fraction is not None]
    assert fractions == sorted(fractions)
    assert fractions[-1] > 0.9


def test_an_import_that_is_stopped_leaves_nothing(store: Store) -> None:
    class Stopped(BaseException):
        pass

    def stop(fraction: float | None, _: str) -> None:
        if fraction and fraction > 0.5:
            raise Stopped

    with pytest.raises(Stopped):
        insert(store, progress=stop)
    assert rows(store) == 0
    assert datasets.listing(store) == datasets.deleted(store) == []
    assert insert(store).name == "toy"


def test_the_name_stays_free_while_another_import_of_it_runs(store: Store) -> None:
    other: list[DatasetInfo] = []

    def meanwhile(fraction: float | None, _: str) -> None:
        if fraction and not other:
            other.append(insert(store, fingerprint="b"))

    with pytest.raises(Conflict, match="other content"):
        insert(store, fingerprint="a", progress=meanwhile)
    assert datasets.listing(store) == other
    drafts.sweep(store)
    assert rows(store) == 40 + 30 + 400 + 400, "the other one, whole"


def test_a_draft_nobody_owns_is_removed_and_its_late_writer_is_told(store: Store) -> None:
    def lose(fraction: float | None, _: str) -> None:
        if fraction and fraction > 0.5:
            with store.write() as connection:
                connection.execute(sa.update(schema.datasets).values(writing_until=time.time() - 1))
            drafts.sweep(store)

    with pytest.raises(Conflict, match="import it again"):
        insert(store, progress=lose)
    assert rows(store) == 0


def test_a_sweep_takes_no_living_draft_and_no_complete_data_set(store: Store) -> None:
    kept = insert(store, "kept", "k")
    draft = drafts.begin(store, _head("draft"))
    before = rows(store)
    drafts.sweep(store)
    with drafts.writing(store, draft):
        pass
    assert rows(store) == before
    drafts.abandon(store, draft)
    drafts.sweep(store)
    assert datasets.listing(store) == [kept]
    with pytest.raises(Conflict), drafts.writing(store, draft):
        pass


def _head(name: str) -> dict[str, Any]:
    text = dict.fromkeys(("kind", "source", "fingerprint"), "x")
    counts = dict.fromkeys(("users", "items", "interactions"), 0)
    flags = dict.fromkeys(("has_timestamps", "has_ratings", "simulated"), False)
    return {"name": name, "report": "{}", **text, **counts, **flags}


def test_purging_goes_in_small_parts_and_gives_the_space_back(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "CHUNK", 16_384)
    monkeypatch.setattr(drafts, "ROWS", 5_000)
    before = size(store)
    info = insert(store, columns=toy_columns(users=3000, items=500, length=20))
    full = size(store)
    datasets.delete(store, "toy")
    assert size(store) >= full
    told: list[float | None] = []
    datasets.purge(store, info.id, lambda fraction, _: told.append(fraction))
    assert rows(store) == 0
    assert len(told) > 20
    if store.dialect == "sqlite":
        assert size(store) < before + (full - before) / 4
        entry = 46 * info.interactions + 170 * info.items + 45 * info.users
        assert entry == pytest.approx(full - before, rel=0.6), "about what is said before it is deleted"


def test_a_purge_that_was_cut_off_cannot_be_restored_and_is_finished_later(store: Store) -> None:
    info = insert(store)
    datasets.delete(store, "toy")

    def kill(fraction: float | None, _: str) -> None:
        if fraction:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        datasets.purge(store, info.id, kill)
    assert 0 < rows(store) < 870
    assert datasets.deleted(store) == []
    assert insert(store).id != info.id, "half a data set does not come back"
    datasets.sweep(store)
    assert rows(store) == 870


def size(store: Store) -> int:
    """Bytes of the database file, everything written to it; 0 for PostgreSQL."""
    if store.dialect != "sqlite":
        return 0
    path = Path(store.settings.home) / "dualens.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return os.path.getsize(path)
