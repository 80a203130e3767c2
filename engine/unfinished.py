"""Folders that are being written: named after their process, so that what a killed one left is removed."""

import os
import shutil
import socket
import time
from contextlib import suppress
from pathlib import Path

from db import workers

END = ".new"
_EARLIER, _EARLIER_S = "fetch-", 86_400.0  # how earlier versions named what they fetched; left alone so long


def suffix(process: int | None = None) -> str:
    """The end of the name of a folder that this process (or `process`, on this machine) is writing."""
    return f".{socket.gethostname()}.{process or os.getpid()}{END}"


def sweep(place: Path) -> None:
    """Remove the folders in `place` whose process was on this machine and has ended."""
    with suppress(OSError):  # no such place; or another engine removes the same
        for folder in place.iterdir():
            if _left(folder, folder.stat().st_mtime):
                shutil.rmtree(folder, ignore_errors=True)


def _left(folder: Path, written_at: float) -> bool:
    whose, _, process = folder.name.removesuffix(END).rpartition(".")
    if not folder.name.endswith(END) or not process.isdigit():
        return folder.name.startswith(_EARLIER) and time.time() - written_at > _EARLIER_S
    here = socket.gethostname()
    return whose.endswith(f".{here}") and workers.ended(here, int(process), written_at)
