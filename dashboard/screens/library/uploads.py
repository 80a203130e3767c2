"""Files that people drop into the dashboard: kept in the workspace under safe names until they are imported.

Boundary: the file system only. Every upload gets a fresh folder; the name a browser sends is never trusted.
"""

import re
import shutil
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Protocol
from uuid import uuid4

from db.errors import BadInput
from db.settings import Settings

CHUNK = 1 << 20
LETTERS = 100  # of a file name


class Upload(Protocol):
    """What `st.file_uploader` gives: a name from the browser and a readable body."""

    @property
    def name(self) -> str: ...

    def read(self, size: int = -1, /) -> bytes: ...


def safe_name(name: str) -> str:
    """The last part of `name` in plain letters, digits and . _ -; never hidden or empty, its endings kept."""
    base = name.replace("\\", "/").rsplit("/", 1)[-1]
    plain = unicodedata.normalize("NFKD", base.lstrip(".")).encode("ascii", "ignore").decode()
    stem, _, ending = re.sub(r"[^A-Za-z0-9._]+", "-", plain).partition(".")
    ending = ending.strip("-.")[-20:]
    stem = stem.strip("-._")[: LETTERS - len(ending) - 1] or "upload"
    return f"{stem}.{ending}" if ending else stem


def keep(settings: Settings, files: Iterable[Upload]) -> Path:
    """Write the files into a fresh folder; returns the file, or the folder when there are several.

    Raises BadInput where two files have one name, or the disk refuses.
    """
    folder = settings.uploads / uuid4().hex
    written: list[Path] = []
    try:
        folder.mkdir(mode=0o700, parents=True)
        for each in files:
            path = folder / safe_name(each.name)
            if path.exists():
                raise BadInput(
                    f"Two of the files are named {path.name}. Nothing was kept; rename one of them."
                )
            with open(path, "xb") as target:
                _copy(each, target)
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
        shutil.rmtree(inside, ignore_errors=True)


def left_over(settings: Settings, in_use: Iterable[str]) -> list[Path]:
    """Uploads that none of these paths lies in."""
    busy = [Path(path).resolve() for path in in_use]
    found = [folder for folder in settings.uploads.iterdir() if folder.is_dir()]
    return [folder for folder in found if not any(path.is_relative_to(folder.resolve()) for path in busy)]


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
