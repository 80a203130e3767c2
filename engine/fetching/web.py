"""A file from a publisher's address: resumed where it was cut, whole or not at all.

What a server says of its length is compared with what came, and its MD5 sum where the publisher has one.
Only addresses of `db.public` are ever asked.
"""

import contextlib
import hashlib
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import httpx

from db.errors import DataError
from db.public import PublicData, megabytes
from engine.progress import give_way, tell

_TRIES = 5  # without a byte more
_PAUSE_S = 1.0  # before the second try; doubled with each
_TIMEOUT = httpx.Timeout(30.0, connect=15.0)
_AGAIN = {408, 425, 429, 500, 502, 503, 504}


class _Cut(Exception):
    """The connection ended early, or the server asked for another try."""


@contextlib.contextmanager
def downloaded(data: PublicData, category: str, place: Path, pause_s: float = _PAUSE_S) -> Iterator[Path]:
    """A folder with the files of a data set, gone after the block where it ended well.

    What was fetched of an unfinished file stays in `place`, and the next try goes on there. Says how far it
    is (`tell`). Raises DataError.
    """
    folder = place / f"{data.name}{'-' if category else ''}{category}"
    folder.mkdir(parents=True, exist_ok=True)
    urls = [url.format(category=category) for url in data.urls]
    with httpx.Client(timeout=_TIMEOUT, follow_redirects=True) as client:
        for url in urls:
            file = folder / url.rsplit("/", 1)[-1]
            if not file.is_file():
                _fetch(client, url, file, pause_s)
            _check_sum(client, data, file)  # of one that was there, too: its fetching may have ended before
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def _fetch(client: httpx.Client, url: str, file: Path, pause_s: float) -> None:
    part, tries = file.with_name(file.name + ".part"), 0
    while True:
        before = _size(part)
        try:
            _go_on(client, url, part)
            part.replace(file)
            return
        except (_Cut, httpx.TransportError) as error:
            tries = 0 if _size(part) > before else tries + 1
            if tries >= _TRIES:
                raise DataError(
                    f"{url} could not be fetched: {_said(error)}. {_kept(part)} It needs the network; try "
                    "again later, or fetch the file with a browser and import it."
                ) from error
            _wait(pause_s * 2**tries)
        except OSError as error:
            raise DataError(
                f"{file.name} could not be written: {error.strerror or error}. {_kept(part)}"
            ) from error


def _go_on(client: httpx.Client, url: str, part: Path) -> None:
    """Fetch what is missing of a file. Raises _Cut where less came than was announced."""
    have, tag = _size(part), part.with_name(part.name + ".tag")
    known = tag.read_text(encoding="utf-8") if tag.is_file() else ""
    asked = {"Range": f"bytes={have}-", "If-Range": known} if have and known else {}
    with client.stream("GET", url, headers={"Accept-Encoding": "identity", **asked}) as answer:
        if answer.status_code in _AGAIN:
            raise _Cut(f"the server answered {answer.status_code}")
        if answer.status_code == 416:
            part.unlink()
            raise _Cut("the server has another file now")
        if answer.status_code not in (200, 206):
            raise DataError(
                f"{url} is not there: the server answered {answer.status_code}. Nothing was fetched. Look at "
                "the publisher's page for where it is now."
            )
        have = have if answer.status_code == 206 else 0
        whole = _announced(answer, have)
        if whole is not None and (free := shutil.disk_usage(part.parent).free) < whole - have:
            raise DataError(
                f"{url} has {megabytes(whole)}, and {megabytes(free)} of disk are free. Nothing was fetched."
            )
        tag.write_text(
            answer.headers.get("ETag") or answer.headers.get("Last-Modified") or "", encoding="utf-8"
        )
        with part.open("r+b" if have else "wb") as opened:
            opened.seek(have)
            opened.truncate()
            for chunk in answer.iter_raw():
                opened.write(chunk)
                have += len(chunk)
                give_way()
                of = f" of {megabytes(whole)}" if whole else ""
                tell(
                    have / whole if whole else None,
                    f"fetching {url.rsplit('/', 1)[-1]}: {have / 1e6:.0f}{of}",
                )
    if whole is not None and have != whole:
        if have > whole:
            part.unlink()
        raise _Cut(f"{have:,} of {whole:,} bytes came")
    tag.unlink()


def _announced(answer: httpx.Response, have: int) -> int | None:
    """Bytes of the whole file as the server says."""
    if answer.status_code == 206:
        found = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", answer.headers.get("Content-Range", ""))
        if found is None or int(found[1]) != have:
            raise _Cut("the server sent another part than was asked for")
        return int(found[2])
    length = answer.headers.get("Content-Length", "")
    return int(length) if length.isdecimal() else None


def _check_sum(client: httpx.Client, data: PublicData, file: Path) -> None:
    """Compare with the publisher's MD5 sum: a guard against damage, not against a forger."""
    if data.sums is None:
        return
    try:
        answer = client.get(data.sums)
        said = re.search(r"\b[0-9a-f]{32}\b", answer.text.lower()) if answer.status_code == 200 else None
    except httpx.TransportError:
        said = None
    if said is None:
        tell(None, f"{data.sums} does not give a sum to compare {file.name} with")
        return
    with file.open("rb") as opened:
        got = hashlib.file_digest(opened, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    if got != said[0]:
        file.unlink()
        raise DataError(
            f"{file.name} is damaged: its MD5 sum is {got}, and its publisher says {said[0]}. It was "
            "removed. Try again."
        )


def _wait(seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        give_way()
        time.sleep(min(0.1, seconds))


def _size(file: Path) -> int:
    return file.stat().st_size if file.is_file() else 0


def _said(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200].rstrip(".")


def _kept(part: Path) -> str:
    return f"What came ({megabytes(_size(part))}) is kept." if _size(part) else "Nothing was fetched."
