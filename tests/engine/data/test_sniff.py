"""Which files of a folder are meant, and that none is passed over in silence."""

import json
from pathlib import Path

import pytest

from db.errors import DataError
from engine.data import files
from engine.data.importing import Unsure, preview, read_path
from tests.engine.data import originals
from tests.engine.data.originals import TITLES, titles_of, write

UNCLEAR = "foo,bar,when\n" + "".join(
    f"k{(n * 7) % 9},x{(n * 5) % 8},2024-01-{1 + n % 28:02d}\n" for n in range(60)
)


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A clear data set in a subfolder."""
    originals.generic_csv(tmp_path / "shop" / "data")
    return tmp_path / "shop"


def test_an_unclear_file_at_the_top_does_not_hide_a_clear_folder(shop: Path) -> None:
    write(shop / "log.csv", UNCLEAR)
    columns, report = read_path(shop)
    assert len(columns.user) == 11
    assert any(note.startswith("log.csv was not read: which of its columns") for note in report.notes)
    with pytest.raises(Unsure, match=r"log\.csv: which is the user"):
        read_path(shop / "log.csv")


def test_where_nothing_is_clear_the_top_is_asked_about(shop: Path) -> None:
    for file in (shop / "data").iterdir():
        file.unlink()
    write(shop / "log.csv", UNCLEAR)
    write(shop / "data" / "other.csv", UNCLEAR)
    with pytest.raises(Unsure, match=r"^[^;]*; log\.csv: which is the user"):
        read_path(shop)


def test_a_clear_file_at_the_top_is_what_is_meant(shop: Path) -> None:
    rows = "".join(f"u{n % 6},i{n % 5},{1_600_000_000 + n}\n" for n in range(60))
    write(shop / "log.csv", "user_id,item_id,timestamp\n" + rows)
    assert preview(shop).files == ["log.csv"]


def test_titles_at_the_top_belong_to_the_folder_below(shop: Path) -> None:
    items = next((shop / "data").glob("items*"))
    items.rename(shop / items.name)
    assert set(titles_of(read_path(shop)[0]).values()) == set(TITLES.values())


def test_a_file_that_cannot_be_read_is_named(shop: Path) -> None:
    folder = shop / "data"
    next(folder.glob("items*")).unlink()
    (folder / "items.csv").write_bytes(b"\x00\x01\x02\x03" * 500)
    for path in (folder, next(folder.glob("interactions*"))):
        [note] = [note for note in preview(path).notes if "could not be read" in note]
        assert "items.csv, line 1: these are binary data, not text" in note


def test_damaged_metadata_of_amazon_are_named(tmp_path: Path) -> None:
    review = {"reviewerID": "A1", "asin": "B1", "overall": 5.0, "unixReviewTime": 1_400_000_000}
    write(tmp_path / "Games_5.json", "\n".join(json.dumps(review | {"asin": f"B{n}"}) for n in range(5)))
    (tmp_path / "meta_Games.json.gz").write_bytes(b"\x1f\x8b\x08 no gzip")
    [note] = [note for note in preview(tmp_path).notes if "No metadata" in note]
    assert "meta_Games.json.gz" in note


def test_a_folder_of_too_many_files_is_refused(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MAX_MEMBERS", 1)
    with pytest.raises(DataError, match=r"holds 2 files; the limit is 1\. Nothing was imported; join"):
        read_path(shop / "data")
