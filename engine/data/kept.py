"""Indexes of a data set, built once and kept in the workspace, so that no process builds them anew.

An index is arrays and a little JSON: one safetensors file below `Settings.indexes` for each data set, name
and version. It is mapped into memory, read only, so that processes share one copy. Each array stands with its
checksum; a file that is damaged, cut short or of another version is built again. Nothing is ever unpickled.
Whoever builds one holds a lock that ends with the process; others wait for the file. A full disk costs only
time.
"""

import fcntl
import json
import mmap
import os
import time
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from db.canonical import canonical_json, digest
from db.settings import Settings
from engine.progress import announce, give_way, tell

HEADER = "dualens"
_DTYPES = {"U8": "u1", "BOOL": "?", "I32": "<i4", "I64": "<i8", "F32": "<f4", "F64": "<f8"}
_OPEN = 12  # indexes that a process holds at most; those that are mapped take no memory of its own
_LOOK_S = 0.1  # between two looks whether the process that builds an index is done


class Kept(NamedTuple):
    """What an index is made of again: arrays by name, and what JSON holds."""

    tensors: Mapping[str, np.ndarray]
    state: dict[str, Any]


@dataclass(frozen=True)
class Cost:
    """What building an index takes: `what` it is made of, in words, about how many seconds and MiB."""

    what: str
    seconds: float
    mib: float

    def __str__(self) -> str:
        seconds = f"{self.seconds:,.0f} s" if self.seconds < 120 else f"{self.seconds / 60:,.0f} min"
        return f"indexing {self.what}, once for this data set: about {seconds}, {self.mib:,.0f} MiB"


ANNOUNCED_S = 2.0
"""What takes longer is named before it begins."""

_open: OrderedDict[Path, tuple[tuple[int, ...], Kept]] = OrderedDict()
_building: set[Path] = set()
_said: set[str] = set()


class Shelf:
    """The indexes of one data set. Without settings nothing is kept but what this process holds."""

    def __init__(self, settings: Settings | None, fingerprint: str) -> None:
        self.folder = None if settings is None else folder_of(settings, fingerprint)
        self.built = 0  # by this shelf, rather than read
        self.files: list[Path] = []  # of what was asked for

    def get(
        self, name: str, make: Callable[[], Kept], *version: str | int | None, cost: Cost | None = None
    ) -> Kept:
        """The index `name`, made where it is not kept. `version`: all that decides it beside the data set."""
        if self.folder is None:
            return self._made(make, cost)
        path = self.folder / f"{name}-{digest([name, *version])[:16]}.safetensors"
        self.files.append(path)
        return _opened(path) or self._make(path, make, cost)

    def _make(self, path: Path, make: Callable[[], Kept], cost: Cost | None) -> Kept:
        if path in _building:  # by a job that this one was let into: waiting for it would never end
            return self._made(make, cost)
        _building.add(path)
        try:
            with _lock(path):
                found = _opened(path)
                if found is None:
                    found = self._made(make, cost)
                    found = (_write_if_possible(path, found) and _opened(path)) or found
        finally:
            _building.discard(path)
        if path not in _open:
            _remember(path, (), found)
        return found

    def _made(self, make: Callable[[], Kept], cost: Cost | None) -> Kept:
        self.built += 1
        if cost is not None and cost.seconds > ANNOUNCED_S:
            announce(str(cost))
        return make()


def folder_of(settings: Settings, fingerprint: str) -> Path:
    """Where the indexes of the data set of this fingerprint are kept."""
    return settings.indexes / digest([fingerprint])[:32]


def sweep(settings: Settings, fingerprints: Sequence[str]) -> None:
    """Remove what is kept for any data set but those of these fingerprints."""
    wanted = {folder_of(settings, fingerprint) for fingerprint in fingerprints}
    with suppress(OSError):
        for folder in [folder for folder in settings.indexes.iterdir() if folder not in wanted]:
            for path in folder.iterdir():
                _open.pop(path, None)
                path.unlink(missing_ok=True)
            folder.rmdir()


def write(path: Path, kept: Kept, header: str = HEADER) -> None:
    """Replace the file in one step; makes its folder. Raises OSError."""
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.{os.getpid()}.new")
    contiguous = {name: np.asarray(tensor, order="C") for name, tensor in kept.tensors.items()}
    try:
        save_file(contiguous, fresh, metadata={header: canonical_json(kept.state)})
        os.replace(fresh, path)
    except SafetensorError as error:  # how a full disk comes out of that library
        raise OSError(str(error)) from error
    finally:
        fresh.unlink(missing_ok=True)


def _write_if_possible(path: Path, kept: Kept) -> bool:
    sums = {name: _checksum(np.asarray(tensor, order="C")) for name, tensor in kept.tensors.items()}
    try:
        write(path, Kept(kept.tensors, {"sums": sums, "state": kept.state}))
    except OSError as error:
        _say_once(
            f"{path.parent.parent} takes no files ({getattr(error, 'strerror', None) or error}): what was "
            "indexed is used but not kept, and takes as long again next time."
        )
        return False
    return True


def _say_once(text: str) -> None:
    if text not in _said:
        _said.add(text)
        announce(text)


def _opened(path: Path) -> Kept | None:
    """The index in this file, None where there is none that can be used."""
    try:
        status = path.stat()
    except OSError:
        known = _open.get(path)
        return known[1] if known is not None and not known[0] else None  # held, as it could not be kept
    stamp = (status.st_ino, status.st_size, status.st_mtime_ns)
    known = _open.get(path)
    if known is None or known[0] != stamp:
        found = _mapped(path)
        if found is None:
            _open.pop(path, None)
            return None
        known = _remember(path, stamp, found)
    _open.move_to_end(path)
    return known[1]


def _remember(path: Path, stamp: tuple[int, ...], kept: Kept) -> tuple[tuple[int, ...], Kept]:
    _open[path] = (stamp, kept)
    while len(_open) > _OPEN:
        _open.popitem(last=False)
    return _open[path]


def _mapped(path: Path) -> Kept | None:
    """The arrays of a file, mapped into memory; None where it is not what was written."""
    try:
        with path.open("rb") as file:
            whole = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        start = 8 + int.from_bytes(whole[:8], "little")
        header = json.loads(whole[8:start])
        written = json.loads(header.pop("__metadata__")[HEADER])
        tensors = {name: _view(whole, start, entry) for name, entry in header.items()}
        sums = {name: _checksum(tensor) for name, tensor in tensors.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        return None
    return Kept(tensors, written["state"]) if sums == written.get("sums") else None


def _view(whole: mmap.mmap, start: int, entry: dict[str, Any]) -> np.ndarray:
    first, last = entry["data_offsets"]
    dtype = np.dtype(_DTYPES[entry["dtype"]])
    count = (last - first) // dtype.itemsize
    return np.frombuffer(whole, dtype, count, start + first).reshape(entry["shape"])


def _checksum(tensor: np.ndarray) -> str:
    """Of the kind and shape as well, which stand in a header that could be damaged."""
    content = zlib.crc32(tensor.data.cast("B")) if tensor.size else 0
    return f"{tensor.dtype.str}{tensor.shape}{content:x}"


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Hold the lock of whoever builds this index, until the block or the process ends. Without one where the
    folder takes no files."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(path.with_suffix(".lock"), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError:
        yield
        return
    try:
        while not _locked(handle):
            tell(None, "waiting for another process that indexes the same data set")
            give_way()
            time.sleep(_LOOK_S)
        yield
    finally:
        os.close(handle)


def _locked(handle: int) -> bool:
    """Whether the lock is ours; also where the file system knows no locks."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True
