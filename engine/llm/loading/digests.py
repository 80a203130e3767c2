"""SHA-256 of whole files, each read once and remembered by its size, times and inode.

A model's revision covers every byte of its weights. Reading gigabytes takes a minute, so what is known of
large files is kept in a file of the workspace; a file that changed in any way is read again. While a large
file is read, whoever runs the job is told how far it is, and may stop it.
"""

import contextlib
import hashlib
import json
import os
import time
from pathlib import Path

from engine.progress import give_way, tell

_CHUNK = 8 << 20
_LARGE = 16 << 20  # bytes; smaller files are read again by every process
_SETTLED_NS = 2 * 10**9  # a file changed later than this ago could change again within the clock's tick
_State = tuple[int, int, int, int]  # size, time of the content, time of anything, inode


class Digests:
    """Digests of files; with a `path`, those of large files are kept there. Not thread-safe."""

    def __init__(self, path: Path | None = None):
        self._path = path
        self._known: dict[str, tuple[_State, str]] = {}
        self._read_kept()

    def of(self, file: Path) -> str:
        """64 hexadecimal digits. Raises OSError, and what ends a stopped job."""
        name, state = str(file.resolve()), _state(file)
        known = self._known.get(name)
        if known is not None and known[0] == state:
            return known[1]
        started = time.time_ns()
        digest = _digest(file, state[0])
        # One that changed while it was read, or might change once more within a tick, is not remembered.
        if _state(file) == state and abs(started - state[1]) > _SETTLED_NS:
            self._known[name] = (state, digest)
            if state[0] >= _LARGE:
                self._keep()
        return digest

    def _read_kept(self) -> None:
        if self._path is None:
            return
        with contextlib.suppress(OSError, ValueError, TypeError, AttributeError):
            for name, (state, digest) in json.loads(self._path.read_text(encoding="utf-8")).items():
                self._known[name] = (tuple(map(int, state)), str(digest))  # type: ignore[assignment]

    def _keep(self) -> None:
        """Write those of large files that are still there, in one step; a folder that cannot be written to
        costs only time."""
        if self._path is None:
            return
        large = {name: entry for name, entry in self._known.items() if entry[0][0] >= _LARGE}
        kept = {name: entry for name, entry in large.items() if Path(name).exists()}
        fresh = self._path.with_name(f"{self._path.name}.{os.getpid()}.new")
        with contextlib.suppress(OSError):
            fresh.write_text(json.dumps(kept, indent=1), encoding="utf-8")
            os.replace(fresh, self._path)


def _state(file: Path) -> _State:
    found = file.stat()
    return (found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)


def _digest(file: Path, size: int) -> str:
    hashed, done = hashlib.sha256(), 0
    with file.open("rb", buffering=0) as stream:
        while part := stream.read(_CHUNK):
            hashed.update(part)
            done += len(part)
            if size >= _LARGE:
                give_way()
                tell(
                    None,
                    f"reading {file.name} for the first time: {done / 2**30:.1f} of {size / 2**30:.1f} GiB",
                )
    return hashed.hexdigest()
