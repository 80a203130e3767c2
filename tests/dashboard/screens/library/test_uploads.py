"""Dropped files land in the workspace under safe names and nowhere else."""

import io
import os
import stat
from pathlib import Path

import pytest

from dashboard.screens.library import uploads
from db.errors import BadInput
from db.settings import Settings


class Dropped(io.BytesIO):
    """A file as the browser sends it."""

    def __init__(self, name: str, body: bytes = b"user,item\n") -> None:
        super().__init__(body)
        self.name = name


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("../../etc/passwd", "passwd"),
        ("..\\..\\boot.ini", "boot.ini"),
        ("ratings.csv", "ratings.csv"),
        (".hidden", "hidden"),
        ("a b;rm -rf $HOME.csv", "a b;rm -rf $HOME.csv"),
        ("日本.csv", "日本.csv"),
        ("Käufe März (2).csv", "Käufe März (2).csv"),
        ("bell\x07 \u202eturned\x00.csv", "bell turned.csv"),
        (".csv", "csv"),
        ("", "upload"),
        ("...", "upload"),
        ("L" * 300 + ".json.gz", "L" * 159 + ".json.gz"),
        ("ü" * 300 + ".csv", "ü" * 79 + ".csv"),
    ],
)
def test_a_file_keeps_its_name_as_far_as_that_is_safe(name: str, kept: str) -> None:
    assert uploads.safe_name(name) == kept
    assert len(kept.encode()) <= 255


def test_old_and_imported_uploads_are_left_over_and_used_ones_are_not(settings: Settings) -> None:
    new, old, used, imported = (
        uploads.keep(settings.prepare(), [Dropped(name)]) for name in ("new", "old", "used", "imported")
    )
    for path in (old, used):
        os.utime(path.parent, (1e9, 1e9))
    spare = uploads.left_over(settings, [str(used)], [str(imported)], uploads.KEPT_S)
    assert set(spare) == {old.parent, imported.parent}
    assert set(uploads.left_over(settings, [str(used)])) == {new.parent, old.parent, imported.parent}
    uploads.touch(old)  # a page shows it again
    assert uploads.left_over(settings, [str(used)], [], uploads.KEPT_S) == []


def test_one_file_is_kept_privately(settings: Settings) -> None:
    path = uploads.keep(settings.prepare(), [Dropped("ratings.csv", b"x" * 3_000_000)])
    assert path.parent.parent == settings.uploads
    assert path.stat().st_size == 3_000_000
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_several_files_share_a_folder(settings: Settings) -> None:
    folder = uploads.keep(settings.prepare(), [Dropped("ratings.csv"), Dropped("movies.csv")])
    assert folder.is_dir()
    assert {path.name for path in folder.iterdir()} == {"ratings.csv", "movies.csv"}


def test_two_files_of_one_name_are_refused_and_nothing_stays(settings: Settings) -> None:
    with pytest.raises(BadInput, match=r"ratings\.csv"):
        uploads.keep(settings.prepare(), [Dropped("a/ratings.csv"), Dropped("b/ratings.csv")])
    assert list(settings.uploads.iterdir()) == []


def test_discard_removes_the_upload_and_nothing_else(settings: Settings, tmp_path: Path) -> None:
    path = uploads.keep(settings.prepare(), [Dropped("ratings.csv")])
    other = uploads.keep(settings, [Dropped("other.csv")])
    outside = tmp_path / "mine.csv"
    outside.write_text("mine")
    uploads.discard(settings, path)
    uploads.discard(settings, outside)
    uploads.discard(settings, settings.uploads)
    assert not path.exists()
    assert other.exists()
    assert outside.exists()


def test_space_used(settings: Settings) -> None:
    uploads.keep(settings.prepare(), [Dropped("ratings.csv", b"12345")])
    assert uploads.used(settings.uploads) == (5, 1)
    assert uploads.used(settings.home / "nowhere") == (0, 0)


def test_only_uploads_that_nobody_reads_are_left_over(settings: Settings) -> None:
    read = uploads.keep(settings.prepare(), [Dropped("a.csv")])
    spare = uploads.keep(settings, [Dropped("b.csv")])
    assert uploads.left_over(settings, [str(read), "/elsewhere"]) == [spare.parent]
