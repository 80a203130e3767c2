"""Files that an earlier version read: alike is unchanged, otherwise is said, and runs never mix both."""

from dataclasses import replace
from pathlib import Path

import pytest

from db import datasets
from db.datasets import DatasetColumns, DatasetInfo
from db.datasets.columns import content
from db.errors import Conflict
from db.store import Store
from engine.data import imported
from engine.data.importing import import_path, read_path
from tests.engine.data import originals


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return originals.generic_csv(tmp_path / "shop")


def by_earlier_version(store: Store, folder: Path, name: str = "shop", **columns: object) -> DatasetInfo:
    """The folder as an earlier version stored it, which kept no number of its reader."""
    first, report = import_path(store, folder, "first")
    read, _ = read_path(folder)
    datasets.delete(store, "first")
    datasets.purge(store, first.id)
    old = {key: value for key, value in report.to_json().items() if key not in ("reader", "files_digest")}
    return datasets.insert(
        store,
        name,
        replace(read, **columns),
        kind=first.kind,
        source=first.source,
        fingerprint=first.fingerprint,
        report=old,
    )


def stored(store: Store, info: DatasetInfo) -> DatasetColumns:
    return datasets.columns(store, info.id)


def test_what_reads_alike_is_unchanged_and_not_read_a_third_time(
    store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = by_earlier_version(store, folder)
    again, report = import_path(store, folder, "shop")
    assert (again.id, report.unchanged) == (before.id, True)
    assert datasets.get(store, "shop").report == {**before.report, "reader": imported.READER}
    monkeypatch.setattr(imported, "compare", lambda *_: pytest.fail("it was read again"))
    assert import_path(store, folder, "shop")[1].unchanged


def test_what_reads_otherwise_is_said_and_kept(store: Store, folder: Path) -> None:
    before = by_earlier_version(store, folder, titles=["Great!"] * 5)
    with pytest.raises(Conflict, match=r"this version reads other titles\. Nothing was imported") as told:
        import_path(store, folder, "shop")
    assert "choose another name, or delete that one first" in str(told.value)
    assert stored(store, before).titles == ["Great!"] * 5
    assert datasets.get(store, "shop") == before


def test_other_counts_are_named(store: Store, folder: Path) -> None:
    read, _ = read_path(folder)
    last = len(read.user) - 1
    short = {name: getattr(read, name)[:last] for name in ("user", "item", "timestamp", "rating")}
    by_earlier_version(store, folder, **short)
    with pytest.raises(Conflict, match=r"this version reads 11 interactions instead of 10\."):
        import_path(store, folder, "shop")


def test_another_scale_of_the_ratings_is_named(store: Store, folder: Path) -> None:
    before = by_earlier_version(store, folder)
    scale = {"low": 0, "high": 10, "liked": 8, "disliked": 5, "counts": False}
    datasets.replace_report(store, before.id, before.report | {"scale": scale})
    with pytest.raises(Conflict, match=r"reads ratings as 1:5:4:3, not 0:10:8:5"):
        import_path(store, folder, "shop")


def test_a_deleted_one_does_not_come_back_as_it_was(store: Store, folder: Path) -> None:
    before = by_earlier_version(store, folder, titles=["Great!"] * 5)
    datasets.delete(store, "shop")
    info, report = import_path(store, folder, "shop")
    assert info.id != before.id
    assert not report.unchanged
    assert content(stored(store, info)) == content(read_path(folder)[0])
    assert info.fingerprint != before.fingerprint, "stored runs of the old titles would be shown for these"
    assert import_path(store, folder, "shop")[1].unchanged
    assert [other.info.id for other in datasets.deleted(store)] == [before.id]
    datasets.delete(store, "shop")
    assert import_path(store, folder, "shop")[0].id == info.id, "an equal one comes back"


def test_under_another_name_it_has_a_fingerprint_of_its_own(store: Store, folder: Path) -> None:
    before = by_earlier_version(store, folder, titles=["Great!"] * 5)
    info, _ = import_path(store, folder, "new")
    assert info.fingerprint != before.fingerprint
    assert import_path(store, folder, "new")[1].unchanged
    assert import_path(store, folder, "third")[0].fingerprint == info.fingerprint


def test_a_deleted_one_that_reads_alike_comes_back(store: Store, folder: Path) -> None:
    before = by_earlier_version(store, folder)
    datasets.delete(store, "shop")
    info, _ = import_path(store, folder, "shop")
    assert (info.id, info.fingerprint) == (before.id, before.fingerprint)
    assert imported.is_current(datasets.get(store, "shop"))
