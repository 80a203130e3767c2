"""Damaged and random files: an import works or raises DataError, and a failed one leaves the store alone.

What is read adds up: each line of a plain text is a row read, a header, blank or part of a counted loss.
DUALENS_FUZZ=100 makes a hundred times as many.
"""

import gzip
import json
import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from db import datasets
from db.datasets.columns import check
from db.errors import DataError
from db.settings import Settings
from db.store import Store
from engine.data.importing import import_path, preview, read_path
from tests.engine.data.originals import WRITERS, zipped

EFFORT = int(os.environ.get("DUALENS_FUZZ", "1"))
MAIN = ("u.data", "ratings", "orders", "games", "interactions")  # files of the interactions
relaxed = settings(deadline=None, suppress_health_check=list(HealthCheck))


@st.composite
def damage(draw: st.DrawFn) -> Callable[[bytes], bytes]:
    """A way to spoil a file: cut it, flip bits, overwrite or insert bytes, or double a part."""
    kind = draw(st.sampled_from(["cut", "flip", "overwrite", "insert", "double"]))
    places = draw(st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=8))
    junk = draw(st.binary(min_size=1, max_size=30))

    def spoil(data: bytes) -> bytes:
        spoilt = bytearray(data)
        for place in places:
            at = int(place * len(spoilt))
            if kind == "cut":
                return bytes(spoilt[:at])
            if kind == "flip" and spoilt:
                spoilt[at] ^= 1 << (junk[0] % 8)
            elif kind == "overwrite":
                spoilt[at : at + len(junk)] = junk
            elif kind == "insert":
                spoilt[at:at] = junk
            elif kind == "double":
                spoilt[at:at] = spoilt[at // 2 : at]
        return bytes(spoilt)

    return spoil


def survives(path: Path, **options: str) -> None:
    """Preview and read; only DataError may come out, and what is read adds up and can be stored as JSON."""
    with suppress(DataError):
        json.dumps(preview(path, **options).to_json())  # type: ignore[arg-type]
    for yes in (False, True):
        with suppress(DataError):
            columns, report = read_path(path, yes=yes, **options)  # type: ignore[arg-type]
            json.dumps(report.to_json())
            check(columns)
            gone = sum(entry["count"] for entry in report.dropped.values())
            assert report.rows_read == report.rows_kept + gone
            assert report.rows_kept == len(columns.user)


@settings(relaxed, max_examples=60 * EFFORT)
@given(
    spoil=damage(),
    name=st.sampled_from(["movielens_100k", "movielens_1m", "generic_tsv", "recbole", "generic_csv"]),
)
def test_no_line_is_lost_without_a_count(spoil: Callable[[bytes], bytes], name: str) -> None:
    with tempfile.TemporaryDirectory() as home:
        folder = WRITERS[name][1](Path(home) / "data")
        file = next(
            f for f in folder.iterdir() if f.suffix != ".item" and {f.stem.split(".")[0], f.name} & set(MAIN)
        )
        data = file.read_bytes()
        text = spoil(gzip.decompress(data) if file.suffix == ".gz" else data)
        if b'"' in text or b"\r" in text or any(byte in text for byte in b"\x00\x0b\x0c\x1c\x1d\x1e\x85"):
            return
        file.write_bytes(gzip.compress(text) if file.suffix == ".gz" else text)
        with suppress(DataError):
            _, report = read_path(folder, format=WRITERS[name][0], yes=True)
            lines = sum(bool(line.strip()) for line in text.split(b"\n"))
            assert lines - report.rows_read in (0, 1), "a header at most is no row"


@pytest.mark.parametrize("name", list(WRITERS))
@settings(relaxed, max_examples=25 * EFFORT)
@given(spoil=damage(), which=st.integers(0, 3), inside=st.booleans())
def test_damaged_originals(name: str, spoil: Callable[[bytes], bytes], which: int, inside: bool) -> None:
    with tempfile.TemporaryDirectory() as home:
        folder = WRITERS[name][1](Path(home) / "data")
        files = sorted(folder.iterdir())
        file = files[which % len(files)]
        data = file.read_bytes()
        packed = file.suffix == ".gz" and inside  # damage under an intact gzip
        file.write_bytes(gzip.compress(spoil(gzip.decompress(data))) if packed else spoil(data))
        survives(folder)
        survives(file, format=WRITERS[name][0])


@settings(relaxed, max_examples=40 * EFFORT)
@given(spoil=damage(), name=st.sampled_from(list(WRITERS)))
def test_damaged_zips(spoil: Callable[[bytes], bytes], name: str) -> None:
    with tempfile.TemporaryDirectory() as home:
        path = zipped(WRITERS[name][1](Path(home) / "data"))
        path.write_bytes(spoil(path.read_bytes()))
        survives(path)


@settings(relaxed, max_examples=150 * EFFORT)
@given(
    data=st.one_of(
        st.binary(max_size=400),
        st.text(alphabet="u1,2;\t\"\n\r{}[]:'|. \x00é", max_size=300).map(lambda t: t.encode()),
        st.text(max_size=200).map(lambda t: t.encode("utf-8", "surrogatepass")),
    ),
    name=st.sampled_from(
        [
            "x.csv",
            "x.tsv",
            "x.jsonl",
            "x.json.gz",
            "x.parquet",
            "x.inter",
            "ratings.dat",
            "u.data",
            "x.zip",
            "x",
        ]
    ),
    head=st.sampled_from(
        [b"", b"user_id,item_id\n", b"PK\x03\x04", b"PAR1", b"\x1f\x8b\x08", b'{"asin": "', b"\xff\xfe"]
    ),
)
def test_random_bytes(data: bytes, name: str, head: bytes) -> None:
    with tempfile.TemporaryDirectory() as home:
        path = Path(home) / name
        path.write_bytes(head + data)
        survives(path)


@settings(relaxed, max_examples=40 * EFFORT)
@given(spoils=st.lists(st.tuples(st.sampled_from(list(WRITERS)), damage()), min_size=1, max_size=3))
def test_a_failed_import_leaves_the_store_alone(spoils: list[tuple[str, Callable[[bytes], bytes]]]) -> None:
    with tempfile.TemporaryDirectory() as home:
        place = Path(home) / "home"
        with Store.open(Settings(home=place, database_url=f"sqlite:///{place}/d.db")) as store:
            stored: list[str] = []
            for number, (name, spoil) in enumerate(spoils):
                folder = WRITERS[name][1](Path(home) / f"data{number}")
                file = sorted(folder.iterdir())[0]
                file.write_bytes(spoil(file.read_bytes()))
                try:
                    info, report = import_path(store, folder, f"data{number}")
                except DataError:
                    pass
                else:
                    stored.append(info.name)
                    assert info.interactions == report.rows_kept
                assert [info.name for info in datasets.listing(store)] == stored
