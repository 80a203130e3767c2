"""Files from publishers, against a server that cuts, lies, refuses and goes on."""

import hashlib
import http.server
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from db.errors import BadInput, DataError
from db.public import PUBLIC_DATA, PublicData, public_data
from engine.fetching.web import downloaded

CONTENT = bytes(range(256)) * 2000


@dataclass
class Publisher:
    """A server of one file. `answers`: what each request in turn meets; the last one stays."""

    address: str = ""
    answers: list[str] = field(default_factory=lambda: ["whole"])
    ranges: list[str | None] = field(default_factory=list)
    tag: str = '"one"'
    content: bytes = CONTENT
    said_sum: str = hashlib.md5(CONTENT).hexdigest()

    def data(self, sums: bool = True) -> PublicData:
        urls = (f"{self.address}/films.zip",)
        page = f"{self.address}/films.zip.md5" if sums else None
        return PublicData("films", "Films", urls, len(CONTENT), "MIT", "https://x.org", page)


class _Handler(http.server.BaseHTTPRequestHandler):
    publisher: Publisher

    def log_message(self, *_: object) -> None:
        """Quiet."""

    def do_GET(self) -> None:
        publisher = self.publisher
        if self.path.endswith(".md5"):
            self._send(200, f"MD5 (films.zip) = {publisher.said_sum}\n".encode())
            return
        publisher.ranges.append(self.headers.get("Range"))
        how = publisher.answers.pop(0) if len(publisher.answers) > 1 else publisher.answers[0]
        if how.isdigit():
            self._send(int(how), b"")
            return
        start = 0
        if self.headers.get("Range") and self.headers.get("If-Range") == publisher.tag:
            start = int(self.headers["Range"].removeprefix("bytes=").rstrip("-"))
        body = publisher.content[start:]
        if how == "cut":
            self._send(206 if start else 200, body[:100_000], start, announced=len(body))
        elif how == "short":
            self._send(206 if start else 200, body[:-1], start, announced=len(body))
        elif how == "other part":
            self._send(206, body, 7)
        else:
            self._send(206 if start else 200, body, start)

    def _send(self, status: int, body: bytes, start: int = 0, announced: int | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) if announced is None else announced))
        self.send_header("ETag", self.publisher.tag)
        if status == 206:
            whole = self.publisher.content
            self.send_header("Content-Range", f"bytes {start}-{len(whole) - 1}/{len(whole)}")
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    made = Publisher()
    handler = type("Handler", (_Handler,), {"publisher": made})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    made.address = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield made
    server.shutdown()
    server.server_close()


@pytest.fixture
def get(tmp_path: Path, publisher: Publisher) -> Callable[..., bytes]:
    def got(sums: bool = True) -> bytes:
        with downloaded(publisher.data(sums), "", tmp_path, pause_s=0.001) as folder:
            [file] = folder.iterdir()
            return file.read_bytes()

    return got


def test_a_file_comes_whole_and_leaves_no_trace(get, publisher: Publisher, tmp_path: Path) -> None:
    assert get() == CONTENT
    assert publisher.ranges == [None]
    assert list(tmp_path.iterdir()) == []


def test_a_cut_connection_goes_on_where_it_was(get, publisher: Publisher) -> None:
    publisher.answers = ["cut", "cut", "503", "whole"]
    assert get() == CONTENT
    assert publisher.ranges == [None, "bytes=100000-", "bytes=200000-", "bytes=200000-"]


def test_what_came_stays_for_the_next_try(get, publisher: Publisher) -> None:
    publisher.answers = ["cut", "503"]
    with pytest.raises(
        DataError, match=r"could not be fetched: the server answered 503. What came .* is kept"
    ):
        get()
    publisher.answers, publisher.ranges = ["whole"], []
    assert get() == CONTENT
    assert publisher.ranges == ["bytes=100000-"]


def test_a_file_that_changed_meanwhile_is_fetched_from_its_beginning(get, publisher: Publisher) -> None:
    publisher.answers = ["cut", "503"]
    with pytest.raises(DataError):
        get()
    publisher.tag, publisher.answers = '"two"', ["whole"]
    assert get() == CONTENT


def test_a_length_that_is_never_reached_is_an_error(get, publisher: Publisher) -> None:
    publisher.answers = ["short", "503"]
    with pytest.raises(DataError, match="could not be fetched"):
        get()


def test_another_part_than_was_asked_for_is_not_taken(get, publisher: Publisher) -> None:
    publisher.answers = ["cut", "other part"]
    with pytest.raises(DataError, match="another part than was asked for"):
        get()


def test_a_damaged_file_is_told_by_its_publishers_sum(get, publisher: Publisher, tmp_path: Path) -> None:
    publisher.said_sum = "0" * 32
    with pytest.raises(DataError, match=r"films\.zip is damaged: its MD5 sum is"):
        get()
    assert not (tmp_path / "films" / "films.zip").exists()
    assert get(sums=False) == CONTENT


def test_a_file_of_an_earlier_try_is_compared_with_the_sum(get, publisher: Publisher, tmp_path: Path) -> None:
    """The process may have ended between the last byte and the comparison."""
    (tmp_path / "films").mkdir()
    (tmp_path / "films" / "films.zip").write_bytes(CONTENT[:-1] + b"x")
    with pytest.raises(DataError, match="is damaged"):
        get()
    assert get() == CONTENT


def test_what_is_not_there_is_said_at_once(get, publisher: Publisher) -> None:
    publisher.answers = ["404"]
    with pytest.raises(DataError, match="is not there: the server answered 404"):
        get()
    assert publisher.ranges == [None]


def test_nobody_there_is_one_sentence(tmp_path: Path) -> None:
    data = PublicData("films", "Films", ("http://127.0.0.1:9/films.zip",), 1, "MIT", "https://x.org")
    with (
        pytest.raises(DataError, match=r"could not be fetched: .*Nothing was fetched. It needs the network"),
        downloaded(data, "", tmp_path, pause_s=0.001),
    ):
        pass


def test_names_and_categories() -> None:
    assert public_data("ratings.csv") is None
    assert public_data("amazon-2023:All_Beauty") == (PUBLIC_DATA["amazon-2023"], "All_Beauty")
    for wrong in ("amazon-2023", "amazon-2023:../x", "amazon-2023:", "movielens-small:x"):
        with pytest.raises(BadInput):
            public_data(wrong)
