"""Where import data lies: a file, a folder or a zip, seen as folders of members with bounded streams.

Boundary: bytes only. Nothing is ever unpacked to disk, unpickled or executed; headers of archives are not
trusted: what comes out of a compressed stream is counted while it streams.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import re
import stat
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from db.errors import DataError
from db.names import clean_text
from db.paths import typed
from engine.data.confinement import check, inside
from engine.data.encodings import guess_encoding

MAX_UNPACKED = 64 << 30  # bytes that one compressed source may unpack to
MAX_RATIO = 200  # unpacked : packed; review text reaches 10, repetitive logs 50, bombs 1000
FREE_BYTES = 16 << 20  # below this the ratio is not judged
MAX_MEMBERS = 10_000
MAX_DEPTH = 3

BROKEN = (EOFError, OSError, zlib.error, zipfile.BadZipFile, RuntimeError, NotImplementedError, ValueError)

MAGIC = (
    (b"PK\x03\x04", "a zip archive (or an Office file)"),
    (b"\x1f\x8b", "a gzip file"),
    (b"BZh", "a bzip2 file (unpack it first)"),
    (b"\xfd7zXZ\x00", "an xz file (unpack it first)"),
    (b"\x28\xb5\x2f\xfd", "a zstd file (unpack it first)"),
    (b"7z\xbc\xaf", "a 7-Zip archive (unpack it first)"),
    (b"Rar!", "a RAR archive (unpack it first)"),
    (b"%PDF", "a PDF document"),
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"\x7fELF", "a program"),
    (b"MZ\x90", "a program"),
    (b"SQLite format 3", "an SQLite database"),
    (b"version https://git-lfs", "a Git LFS pointer to data (git lfs pull fetches them)"),
    (b"\x89HDF", "an HDF5 file"),
    (b"\xd0\xcf\x11\xe0", "an old Office file"),
    (b"\x93NUMPY", "a NumPy array"),
)


class Broken(Exception):
    """A stream that cannot be read on; the message is the reason alone."""


@dataclass
class Budget:
    """Unpacked bytes one compressed source may still give; shared by the members of an archive."""

    unpacked: int = 0

    def spend(self, amount: int, packed: int) -> None:
        """Count `amount` unpacked bytes against `packed` bytes of source; raises Broken past the limits."""
        self.unpacked += amount
        if self.unpacked > MAX_UNPACKED:
            raise Broken(f"it unpacks to more than {MAX_UNPACKED >> 30} GiB, which is the limit")
        if self.unpacked > FREE_BYTES and self.unpacked > MAX_RATIO * max(packed, 1):
            raise Broken(f"it unpacks to more than {MAX_RATIO} times its size (a zip bomb?)")


class _Hashed(io.RawIOBase):
    """A file that is hashed while it is read; `done` gets the digest when it was read from start to end."""

    def __init__(self, raw: BinaryIO, done: Callable[[str], None]) -> None:
        self._raw, self._done, self._hasher = raw, done, hashlib.sha256()

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        return self._seen(self._raw.read(size))

    def read1(self, size: int = -1) -> bytes:
        """What is there at once, so that what precedes a damaged place is not lost."""
        return self._seen(getattr(self._raw, "read1", self._raw.read)(size))

    def _seen(self, data: bytes) -> bytes:
        self._hasher.update(data)
        if not data:
            self._done(self._hasher.hexdigest())
        return data

    def tell(self) -> int:
        return self._raw.tell()

    def close(self) -> None:
        self._raw.close()
        super().close()


class Stream:
    """Sequential reader of one member's unpacked bytes."""

    def __init__(self, raw: BinaryIO, size: int, budget: Budget, archive_size: int | None) -> None:
        self._raw = raw
        self._size = max(size, 1)
        self._budget = budget
        self._archive_size = archive_size
        self._given = 0
        self._error = ""
        head = _peek(raw)
        self._packed = head.startswith(b"\x1f\x8b")
        whole = _Rewound(head, raw)
        # read1 gives what precedes a damaged place; read would lose it
        self._take = gzip.GzipFile(fileobj=whole).read1 if self._packed else whole.read

    def read(self, size: int) -> bytes:
        """Up to `size` unpacked bytes; raises Broken with the reason when the source cannot be read on."""
        data = self._fill(size)
        self._given += len(data)
        if self._packed or self._archive_size is not None:
            self._budget.spend(len(data), self._archive_size or self._consumed())
        return data

    def _fill(self, size: int) -> bytes:
        """`size` bytes, fewer at the end or right before a place that cannot be read; then raises Broken."""
        parts: list[bytes] = []
        while size > 0 and not self._error:
            try:
                data = self._take(size)
            except EOFError:
                self._error = "the compressed data end before their end mark: the file is cut off"
            except BROKEN as error:
                self._error = _reason(error)
            else:
                if not data:
                    break
                parts.append(data)
                size -= len(data)
        if self._error and not parts:
            raise Broken(self._error)
        return b"".join(parts)

    @property
    def fraction(self) -> float:
        """Share of the member's stored bytes read so far, 0 to 1."""
        return min(1.0, (self._consumed() if self._packed else self._given) / self._size)

    def _consumed(self) -> int:
        try:
            return self._raw.tell()
        except BROKEN:
            return self._size

    def close(self) -> None:
        self._raw.close()

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Rewound(io.RawIOBase):
    """A stream with its first bytes put back (zip members cannot always seek cheaply)."""

    def __init__(self, head: bytes, rest: BinaryIO) -> None:
        self._head = head
        self._rest = rest

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        if self._head:
            if size is None or size < 0:
                size = len(self._head)
            data, self._head = self._head[:size], self._head[size:]
            return data
        return getattr(self._rest, "read1", self._rest.read)(size)  # read1 keeps what precedes an error


def _peek(raw: BinaryIO) -> bytes:
    try:
        return raw.read(2)
    except BROKEN as error:
        raw.close()
        raise Broken(_reason(error)) from None


def _reason(error: BaseException) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return f"it cannot be read ({text[:200]})"


@dataclass(frozen=True)
class Member:
    """One file of the source. `name` is its path inside the source, `size` its stored bytes.

    `encoding` and `header` (whether line 1 names the columns): what a person says of it.
    """

    name: str
    size: int
    opener: Callable[[], BinaryIO] = field(repr=False, compare=False)
    budget: Budget = field(default_factory=Budget, repr=False, compare=False)
    archive_size: int | None = None
    encoding: str | None = None
    header: bool | None = None
    _read: list[str] = field(default_factory=list, repr=False, compare=False)

    @property
    def digest(self) -> str | None:
        """SHA-256 of the stored bytes, once they were read from start to end."""
        return self._read[-1] if self._read else None

    def open(self) -> Stream:
        """Stream of the unpacked bytes; raises Broken when the file cannot be opened."""
        try:
            raw: BinaryIO = _Hashed(self.opener(), self._read.append)  # type: ignore[assignment]
            return Stream(raw, self.size, self.budget, self.archive_size)
        except BROKEN as error:
            raise Broken(_reason(error)) from None

    @property
    def base(self) -> str:
        """File name without folders, lower case, without `.gz`."""
        return PurePosixPath(self.name).name.lower().removesuffix(".gz")

    @property
    def stem(self) -> str:
        """`base` without its last extension: `meta_Games` for `meta_Games.json.gz`."""
        return PurePosixPath(self.base).stem

    def head(self, size: int = 256 << 10) -> bytes:
        """The first unpacked bytes, fewer when the file is short or breaks off there; may raise Broken."""
        parts: list[bytes] = []
        left = size
        with self.open() as stream:
            while left > 0:
                try:
                    data = stream.read(left)
                except Broken:
                    if parts:
                        break
                    raise
                if not data:
                    break
                parts.append(data)
                left -= len(data)
        return b"".join(parts)


@dataclass(frozen=True)
class Folder:
    """Members that lie side by side; `only` is set when the person named one file among them.

    `given`: the members of the zip that the person named, where other files lie beside it.
    """

    name: str
    members: tuple[Member, ...]
    only: Member | None = None
    ignored: tuple[str, ...] = ()
    depth: int = 0
    given: tuple[Member, ...] = ()

    def named(self, *bases: str) -> Member | None:
        """The first member whose file name (without .gz) is one of `bases`, in their order."""
        by_base = {member.base: member for member in reversed(self.members)}
        return next((by_base[base] for base in bases if base in by_base), None)

    def candidates(self) -> tuple[Member, ...]:
        """Members that may hold the interactions: the one named, those of the zip named, or all."""
        return (self.only,) if self.only else self.given or self.members


def open_source(
    path: str | os.PathLike[str], called: str, encoding: str | None = None, header: bool | None = None
) -> list[Folder]:
    """Folders of members found at a file, folder or zip; raises DataError when there is nothing to read.

    `called`: what messages call it. `encoding` and `header`: what a person says of all texts.
    """
    check(path)
    folders = _open_source(path, called)
    return (
        [_told(folder, encoding, header) for folder in folders] if encoding or header is not None else folders
    )


def _told(folder: Folder, encoding: str | None, header: bool | None) -> Folder:
    """The folder with what a person says of its texts."""
    told = tuple(replace(member, encoding=encoding, header=header) for member in folder.members)
    only = next((new for old, new in zip(folder.members, told, strict=True) if old is folder.only), None)
    return replace(folder, members=told, only=only)


def _open_source(path: str | os.PathLike[str], called: str) -> list[Folder]:
    where = typed(path)
    try:
        mode = where.stat().st_mode
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DataError(f"{called}: cannot be opened ({reason}). Give a file, a folder or a zip.") from None
    if stat.S_ISDIR(mode):
        return _walk(where)
    if not stat.S_ISREG(mode):
        raise DataError(f"{called}: is neither a file nor a folder. Give a file, a folder or a zip.")
    if where.stat().st_size == 0:
        raise DataError(f"{called}: the file is empty. Nothing was imported.")
    only = _member(where, where.name)
    try:
        head = only.head(4)
    except Broken as error:
        raise DataError(f"{called}: {error}. Nothing was imported.") from None
    if _is_zip(head):
        return _with_neighbours(where, _zip(where))
    siblings = tuple(_member(p, p.name) for p in _regular(where.parent) if p.name != where.name)
    return [Folder(where.parent.name, (only, *siblings), only)]


def _is_zip(head: bytes) -> bool:
    return head.startswith((b"PK\x03\x04", b"PK\x05\x06"))


def _with_neighbours(path: Path, folders: list[Folder]) -> list[Folder]:
    """The folder of a zip with the plain files beside the zip, which may be its item file."""
    if len(folders) != 1 or not folders[0].members:
        return folders
    inside = folders[0].members
    taken = {member.base for member in inside}
    beside = tuple(
        member
        for other in _regular(path.parent)
        if other.name != path.name
        and not _looks_zipped(other)
        and (member := _member(other, other.name)).base not in taken
    )
    return [replace(folders[0], members=(*inside, *beside), given=inside)] if beside else folders


def _looks_zipped(path: Path) -> bool:
    try:
        with open(path, "rb") as file:
            return _is_zip(file.read(4))
    except OSError:
        return False


def _member(path: Path, name: str) -> Member:
    return Member(clean_text(name), path.stat().st_size, lambda: open(path, "rb"))


def _regular(folder: Path, *, whole: bool = False) -> list[Path]:
    """The files of a folder that may be read; `whole`: raises DataError where they are too many for that."""
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise DataError(f"{folder}: cannot be listed ({error.strerror}). Nothing was imported.") from None
    if whole and len(entries) > MAX_MEMBERS:
        raise DataError(
            f"{folder}: holds {len(entries):,} files; the limit is {MAX_MEMBERS:,}. Nothing was imported; "
            "join them into fewer files."
        )
    return [p for p in entries[:MAX_MEMBERS] if not p.name.startswith(".") and inside(p) and p.is_file()]


def _walk(root: Path, depth: int = 0, prefix: str = "") -> list[Folder]:
    """`root` first, then its subfolders to MAX_DEPTH; links to folders are not followed."""
    files = _regular(root, whole=True)
    zips = [p for p in files if _looks_zipped(p)]
    plain = [_member(p, prefix + p.name) for p in files if p not in zips]
    flat, deeper = _unzipped(zips, {member.base for member in plain}, prefix, depth)
    members = (*plain, *flat)
    folders = [Folder(prefix.rstrip("/") or root.name, members, depth=depth)] if members or not depth else []
    folders += deeper
    if depth < MAX_DEPTH:
        for sub in sorted(p for p in root.iterdir() if p.is_dir() and not p.is_symlink()):
            if not sub.name.startswith((".", "__MACOSX")):
                folders += _walk(sub, depth + 1, f"{prefix}{sub.name}/")
    return folders


def _unzipped(
    zips: list[Path], plain: set[str], prefix: str, depth: int
) -> tuple[list[Member], list[Folder]]:
    """Members of the zips in a folder: those at a zip's top belong to the folder, unless plain there too."""
    flat: list[Member] = []
    deeper: list[Folder] = []
    for path in zips:
        for folder in _zip(path):
            named = tuple(replace(m, name=f"{prefix}{path.name}/{m.name}") for m in folder.members)
            if folder.depth:
                deeper.append(replace(folder, members=named, depth=depth + folder.depth))
            else:
                flat += [member for member in named if member.base not in plain]
    return flat, deeper


def _zip(path: Path) -> list[Folder]:
    """Folders of a zip; refuses nested zips, encrypted entries and names that leave the archive."""
    try:
        archive = zipfile.ZipFile(path)
    except BROKEN as error:
        raise DataError(f"{path.name}: {_reason(error)}: the zip is cut off or damaged.") from None
    with archive:
        infos = [info for info in archive.infolist() if not info.is_dir()]
    if len(infos) > MAX_MEMBERS:
        raise DataError(f"{path.name}: holds {len(infos)} files; the limit is {MAX_MEMBERS}.")
    if any(info.filename == "[Content_Types].xml" for info in infos):
        raise DataError(f"{path.name}: is an Office file. Save the table as CSV and import that.")
    size, budget, ignored = path.stat().st_size, Budget(), []
    groups: dict[str, list[Member]] = {}
    for info in infos:
        _refuse(path, info)
        name = PurePosixPath(info.filename)
        if any((part.startswith(".") and part != "..") or part == "__MACOSX" for part in name.parts):
            continue
        if stat.S_ISLNK(info.external_attr >> 16):
            ignored.append(f"{path.name}: {info.filename} is a link and was not followed.")
            continue
        member = Member(clean_text(info.filename), info.compress_size, _zip_opener(path, info), budget, size)
        groups.setdefault(str(name.parent), []).append(member)
    folders = [
        Folder(f"{path.name}/{name}", tuple(group), None, tuple(ignored), len(PurePosixPath(name).parts))
        for name, group in groups.items()
    ]
    return folders or [Folder(path.name, (), None, tuple(ignored))]


def _refuse(path: Path, info: zipfile.ZipInfo) -> None:
    name = info.filename
    if name.startswith(("/", "\\")) or re.match(r"^[A-Za-z]:", name) or ".." in re.split(r"[/\\]", name):
        raise DataError(f"{path.name}: the entry {name!r} points outside the archive. Nothing was imported.")
    if name.lower().endswith(".zip"):
        raise DataError(f"{path.name}: holds another zip, {name}. Unpack it and import the inner one.")
    if info.flag_bits & 0x1:
        raise DataError(f"{path.name}: the entry {name} is encrypted. Unpack it and import the folder.")


def _zip_opener(path: Path, info: zipfile.ZipInfo) -> Callable[[], BinaryIO]:
    def opener() -> BinaryIO:
        with zipfile.ZipFile(path) as archive:  # the entry keeps the file open on its own
            return archive.open(info)  # type: ignore[return-value]

    return opener


def binary_reason(head: bytes) -> str | None:
    """Why `head` is not text, in words, or None when it may be text (UTF-16 with a mark counts as text)."""
    for magic, what in MAGIC:
        if head.startswith(magic):
            return f"this is {what}, not text"
    if re.match(rb"\x80[\x02-\x05](\x95|\}|\]|c|\x8c|X)", head):
        return "this is a Python pickle, which is never opened; export it as CSV or Parquet"
    if head[257:262] == b"ustar":
        return "this is a tar archive (unpack it first)"
    if guess_encoding(head).name.startswith(("utf-16", "utf-32")):
        return None
    control = len(re.findall(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]", head[: 64 << 10]))
    if control > max(3, len(head[: 64 << 10]) // 200):
        return "these are binary data, not text"
    return None


def describe(folders: list[Folder]) -> str:
    """Names of the files found, for messages."""
    limit = 12
    names = [member.name for folder in folders for member in folder.members]
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return (", ".join(names[:limit]) + more) or "no files"
