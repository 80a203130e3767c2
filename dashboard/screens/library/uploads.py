"""Files that people drop into the dashboard: kept in the workspace under their names until they are imported.

Boundary: the file system only. Every upload gets a fresh folder; the name a browser sends is never trusted.
"""

import contextlib
import os
import shutil
import time
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Protocol
from uuid import uuid4

from db.errors import BadInput
from db.settings import Settings

CHUNK = 1 << 20
LETTERS = 200  # bytes of a file name; file systems take 255
KEPT_S = 24 * 3600.0  # an upload that no page has shown for so long is removed


class Upload(Protocol):
    """What `st.file_uploader` gives: a name from the browser and a readable body."""

    @property
    def name(self) -> str: ...

    def read(self, size: int = -1, /) -> bytes: ...


def safe_name(name: str) -> str:
    """The last part of `name` as a person gave it, without what a file system may take amiss.

    Control characters and leading dots go, and what is longer than `LETTERS` bytes, but not its endings: all
    messages about the file call it by this name.
    """
    base = unicodedata.normalize("NFC", name).replace("\\", "/").rsplit("/", 1)[-1]
    visible = "".join(letter for letter in base if unicodedata.category(letter)[0] != "C").strip()
    stem, dot, ending = visible.lstrip(".").strip().partition(".")
    ending = _shortened(ending, 40)
    return f"{_shortened(stem, LETTERS - 41) or 'upload'}{dot}{ending}".rstrip(". ")


def _shortened(text: str, most: int) -> str:
    """As many whole letters as fit into `most` bytes."""
    return text.encode()[:most].decode(errors="ignore")


def keep(settings: Settings, files: Iterable[Upload]) -> Path:
    """Write the files into a fresh folder; returns the file, or the folder when there are several.

    Raises BadInput where two files have one name, or the disk refuses.
    """
    folder = settings.uploads / uuid4().hex
    written: list[Path] = []
    try:
        folder.mkdir(mode=0o700, parents=True)
        for file in files:
            path = folder / safe_name(file.name)
            if path.exists():
                raise BadInput(
                    f"Two of the files are named {path.name}. Nothing was kept; rename one of them."
                )
            with open(path, "xb") as target:
                _copy(file, target)
            path.chmod(0o600)
            written.append(path)
    except BadInput:
        discard(settings, folder)
        raise
    except OSError as error:
        discard(settings, folder)
        raise BadInput(
            f"The upload could not be written to {settings.uploads}: {error.strerror or error}. Nothing "
            "was kept."
        ) from error
    return written[0] if len(written) == 1 else folder


def _copy(source: Upload, target: IO[bytes]) -> None:
    while chunk := source.read(CHUNK):
        target.write(chunk)


def discard(settings: Settings, path: Path) -> None:
    """Remove the upload `path` belongs to; anything outside the uploads folder is left alone."""
    uploads = settings.uploads.resolve()
    inside = path.resolve()
    while inside.parent not in (uploads, inside):
        inside = inside.parent
    if inside.parent == uploads:
        remove(inside)


def touch(path: Path) -> None:
    """Note that a page shows the upload `path` belongs to."""
    with contextlib.suppress(OSError):
        os.utime(path if path.is_dir() else path.parent)


def left_over(
    settings: Settings, in_use: Iterable[str], imported: Iterable[str] = (), unseen_s: float = 0.0
) -> list[Path]:
    """Uploads that none of the paths `in_use` lies in, imported or not shown for so many seconds."""
    busy, done = ([Path(path).resolve() for path in paths] for paths in (in_use, imported))
    now = time.time()
    spare = []
    for folder in settings.uploads.iterdir():
        inside = folder.resolve()
        if not folder.is_dir() or any(path.is_relative_to(inside) for path in busy):
            continue
        old = now - folder.stat().st_mtime >= unseen_s
        if old or any(path.is_relative_to(inside) for path in done):
            spare.append(folder)
    return spare


def remove(folder: Path) -> None:
    """Delete a folder and all that is in it."""
    shutil.rmtree(folder, ignore_errors=True)


def used(folder: Path) -> tuple[int, int]:
    """Bytes and number of files below a folder; what vanishes while being counted counts nothing."""
    total = files = 0
    for path in folder.rglob("*"):
        try:
            if path.is_file() and not path.is_symlink():
                total += path.stat().st_size
                files += 1
        except OSError:
            continue
    return total, files
