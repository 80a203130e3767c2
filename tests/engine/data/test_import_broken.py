"""Files that are not what they say: one clear error each, and a store that is as it was."""

import gzip
import io
import os
import pickle
import random
import sqlite3
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from db.errors import DataError
from db.schema import metadata
from db.store import Store
from engine.data import files, text
from engine.data.importing import import_path, read_path
from tests.engine.data import originals
from tests.engine.data.originals import WRITERS, rows, titles_of, write

HEADER = "user_id,item_id,timestamp\n"


def contents(store: Store) -> dict[str, int]:
    """Rows in every table."""
    with store.read() as connection:
        return {
            table.name: connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
            for table in metadata.sorted_tables
        }


@pytest.fixture
def refused(store: Store, tmp_path: Path) -> Callable[..., str]:
    """Import a path into a store that holds something; the message, after checking that nothing changed."""
    import_path(store, originals.recbole(tmp_path / "before"), "before")
    before = contents(store)

    def check(path: Path, **options: object) -> str:
        with pytest.raises(DataError) as caught:
            import_path(store, path, "new", **options)  # type: ignore[arg-type]
        assert contents(store) == before
        message = str(caught.value)
        assert "\n" not in message
        assert len(message) < 900
        return message

    return check


def many(count: int = 3000) -> str:
    chance = random.Random(0)
    return HEADER + "".join(f"u{k // 10},i{chance.randrange(10**9)},{10**9 + k}\n" for k in range(count))


def halved(path: Path) -> Path:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    return path


def test_a_gzip_cut_in_half_names_file_line_and_reason(refused: Callable, tmp_path: Path) -> None:
    message = refused(halved(write(tmp_path / "x.csv.gz", many(60_000))))
    assert message.startswith("x.csv.gz, line ")
    assert int(message.split("line ")[1].split(":")[0]) > 1000
    assert "cut off" in message
    assert "Nothing was imported" in message


@pytest.mark.parametrize(
    "name", [name for name in WRITERS if name.startswith("amazon") or name == "generic_csv"]
)
def test_original_gzips_cut_in_half(name: str, refused: Callable, tmp_path: Path) -> None:
    folder = WRITERS[name][1](tmp_path / name)
    for file in sorted(folder.iterdir()):
        whole = file.read_bytes()
        message = refused(halved(folder / file.name))
        assert file.name in message
        file.write_bytes(whole)


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("movielens_latest", "ratings.csv"),
        ("movielens_100k", "u.data"),
        ("recbole", "games.inter"),
        ("recbole_sequential", "games.test.inter"),
        ("generic_jsonl", "events.jsonl"),
        ("generic_tsv", "orders.tsv"),
    ],
)
def test_text_cut_inside_a_row(name: str, file: str, refused: Callable, tmp_path: Path) -> None:
    folder = WRITERS[name][1](tmp_path / name)
    lines = (folder / file).read_bytes().splitlines(keepends=True)
    kept = b"".join(lines[:-1])
    cut = lines[-1][: 3 if name != "recbole_sequential" else 6]
    (folder / file).write_bytes(kept + cut)
    message = refused(folder)
    assert message.startswith(f"{file}, line {len(lines)}: the file ends in the middle of a row")


def test_a_parquet_cut_in_half(refused: Callable, tmp_path: Path) -> None:
    folder = originals.generic_parquet(tmp_path / "p")
    halved(folder / "interactions.parquet")
    assert "interactions.parquet" in refused(folder)
    assert "not readable as Parquet" in refused(folder / "interactions.parquet")


def test_a_zip_cut_in_half(refused: Callable, tmp_path: Path) -> None:
    folder = originals.generic_csv(tmp_path / "shop")
    assert "damaged" in refused(halved(originals.zipped(folder)))


def sqlite_bytes(folder: Path) -> bytes:
    path = folder / "some.db"
    connection = sqlite3.connect(path)
    connection.execute("create table t (a)")
    connection.commit()
    connection.close()
    return path.read_bytes()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "PNG"),
        (b"\x7fELF" + bytes(100), "a program"),
        (b"%PDF-1.7\n", "PDF"),
        (random.Random(0).randbytes(5000), "binary data"),
        (bytes(5000), "binary data"),
        (pickle.dumps({"user": [1], "item": [2]}), "never opened"),
        (b"BZh91AY" + bytes(50), "bzip2"),
        (b"x" * 257 + b"ustar" + bytes(200), "tar archive"),
    ],
)
@pytest.mark.parametrize(
    "name", ["x.csv", "x.json", "x.inter", "x.parquet", "x.csv.gz", "ratings.csv", "u.data"]
)
def test_a_binary_under_a_false_name(
    data: bytes, reason: str, name: str, refused: Callable, tmp_path: Path
) -> None:
    path = tmp_path / "up" / name
    path.parent.mkdir()
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    message = refused(path)
    assert reason in message
    assert f"{name}, line 1" in message


def test_a_database_and_an_office_file(refused: Callable, tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(sqlite_bytes(tmp_path))
    assert "an SQLite database" in refused(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("[Content_Types].xml", "<x/>")
        archive.writestr("xl/sheet.xml", "<x/>")
    assert "Save the table as CSV" in refused(path)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("", "is empty"),
        ("\n\n \n", "no text"),
        (HEADER, "no interaction is left of 0 rows"),
        ("just some words\n", "no "),
        ("[[1, 2], [3, 4]]", "elements are no objects"),
        ('{"user": {"0": 1}, "item": {"0": 2}}', "orient='records'"),
        ('{"user": 1, "item": 2', "cut off"),
        ("item_id,title\n1,One\n2,Two\n", "looks like an item file"),
    ],
)
def test_files_with_nothing_of_use(body: str, reason: str, refused: Callable, tmp_path: Path) -> None:
    assert reason in refused(write(tmp_path / "up" / "x.csv", body))


def test_mostly_unreadable_rows_are_not_this_format(refused: Callable, tmp_path: Path) -> None:
    body = HEADER + "u,a,1\n" * 20 + "u;a;1\n" * 200
    message = refused(write(tmp_path / "x.csv", many(200) + "u;a;1\n" * 300))
    assert "x.csv, line 202: row not readable" in message
    assert "300 of 500 rows" in message
    assert "x.csv, line" in refused(write(tmp_path / "x.csv", body), format="generic")


def test_hopeless_files_are_given_up_early(tmp_path: Path) -> None:
    path = write(tmp_path / "x.csv", HEADER + "u,a,soon\n" * 10 + "u,a,later\n" * 50_000)
    with pytest.raises(DataError, match=r"x.csv, line 2: timestamp not understood.*u.*a.*soon"):
        read_path(path, mapping={"timestamp": "timestamp"})


def test_paths_that_are_no_data(refused: Callable, tmp_path: Path) -> None:
    assert "No such file" in refused(tmp_path / "nowhere")
    (tmp_path / "hollow").mkdir()
    assert "no files" in refused(tmp_path / "hollow")
    os.mkfifo(tmp_path / "pipe")
    assert "neither a file nor a folder" in refused(tmp_path / "pipe")
    (tmp_path / "hollow" / "readme.md").write_text("nothing")
    os.symlink(tmp_path / "hollow", tmp_path / "hollow" / "loop")
    os.symlink(tmp_path / "gone.csv", tmp_path / "hollow" / "dangling.csv")
    assert "It holds readme.md." in refused(tmp_path / "hollow")


def test_files_that_may_not_be_read(
    refused: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = originals.generic_csv(tmp_path / "shop")

    def forbidden(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(files, "open", forbidden, raising=False)
    assert "Permission denied" in refused(folder)
    assert "Permission denied" in refused(folder / "interactions.csv.gz")


def archive_of(path: Path, *entries: tuple[str | zipfile.ZipInfo, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries:
            archive.writestr(name, data)
    return path


@pytest.mark.parametrize(
    "name", ["../evil.csv", "/etc/evil.csv", "a/../../evil.csv", "C:\\evil.csv", "..\\evil.csv"]
)
def test_names_that_leave_the_archive(name: str, refused: Callable, tmp_path: Path) -> None:
    message = refused(archive_of(tmp_path / "x.zip", (name, many().encode())))
    assert "points outside the archive" in message


def test_links_in_an_archive_are_not_followed(refused: Callable, tmp_path: Path) -> None:
    write(tmp_path / "secret.csv", many())
    link = zipfile.ZipInfo("interactions.csv")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    message = refused(archive_of(tmp_path / "x.zip", (link, str(tmp_path / "secret.csv").encode())))
    assert "interactions.csv is a link and was not followed" in message
    archive_of(tmp_path / "y.zip", (link, b"/etc/passwd"), ("ratings.csv", many().encode()))
    _, report = read_path(tmp_path / "y.zip")
    assert any("not followed" in note for note in report.notes)


def test_nested_and_encrypted_archives(refused: Callable, tmp_path: Path) -> None:
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("x.csv", many())
    assert "holds another zip, in.zip" in refused(
        archive_of(tmp_path / "x.zip", ("in.zip", inner.getvalue()))
    )
    path = archive_of(tmp_path / "y.zip", ("x.csv", many().encode()))
    data = bytearray(path.read_bytes())
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(mark) + offset] |= 1
    path.write_bytes(data)
    assert "encrypted" in refused(path)


def test_a_zip_bomb_is_stopped_while_it_streams(
    refused: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "FREE_BYTES", 1 << 20)
    bomb = HEADER.encode() + b"u,a,1\n" * (1 << 20)
    path = archive_of(tmp_path / "x.zip", ("x.csv", bomb))
    assert path.stat().st_size < 1 << 15
    message = refused(path)
    assert "zip bomb" in message
    assert "200 times its size" in message
    write(tmp_path / "y.csv.gz", bomb.decode())
    assert "zip bomb" in refused(tmp_path / "y.csv.gz")


def test_the_total_is_bounded_too(refused: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MAX_UNPACKED", 100_000)
    assert "which is the limit" in refused(write(tmp_path / "x.csv.gz", many(60_000)))


def test_an_archive_that_lies_about_sizes(refused: Callable, tmp_path: Path) -> None:
    path = archive_of(tmp_path / "x.zip", ("x.csv", many().encode()))
    data = bytearray(path.read_bytes())
    for mark, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        at = data.index(mark) + offset
        data[at : at + 4] = (2000).to_bytes(4, "little")
    path.write_bytes(data)
    assert "x.csv" in refused(path)


def test_a_huge_line_is_skipped_and_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "CHUNK", 1000)
    monkeypatch.setattr(text, "MAX_LINE", 5000)
    lines = many(40).splitlines()
    lines.insert(20, "x" * 50_000)
    lines.insert(31, "u,broken")
    _, report = read_path(write(tmp_path / "x.csv", "\n".join(lines)))
    assert report.rows_kept == 40
    assert report.dropped["line too long"]["examples"][0]["line"] == 21
    assert report.dropped["row not readable"]["examples"][0]["line"] == 32


def test_a_file_of_one_huge_line(refused: Callable, tmp_path: Path) -> None:
    assert "x.csv" in refused(write(tmp_path / "x.csv", "a" * (9 << 20)))
    assert "x.csv" in refused(write(tmp_path / "x.csv", HEADER + "a" * (9 << 20)))


def test_stray_bytes_are_repaired_and_counted(tmp_path: Path) -> None:
    path = write(tmp_path / "x.csv", "user_id,item_id,title\n" + "u,a,A\nu,b,B\nu,c,C\n" * 20_000)
    data = bytearray(path.read_bytes().replace(b"u,c,C\n", b"u,d,D\n", 1))
    path.write_bytes(bytes(data) + b"u,e,Caf\xe9\nu,f,F\x00F\n")
    columns, report = read_path(path)
    assert titles_of(columns)["e"] == "Café"
    assert titles_of(columns)["f"] == "FF"
    assert report.repaired["line not UTF-8, read as Windows-1252"]["examples"][0]["line"] == 60_002
    assert report.repaired["NUL bytes removed from the line"]["examples"][0]["line"] == 60_003


def test_a_whole_file_that_is_not_utf8_is_noted(tmp_path: Path) -> None:
    path = write(tmp_path / "x.csv", "user_id,item_id,title\nu,a,Café\nu,b,B\nu,c,C\n", "latin-1")
    columns, report = read_path(path)
    assert titles_of(columns)["a"] == "Café"
    assert "x.csv is not UTF-8; it was read as Windows-1252 (confidence 90%)." in report.notes


def test_metadata_are_never_evaluated(tmp_path: Path) -> None:
    folder = originals.amazon_2014(tmp_path / "a")
    trap = tmp_path / "trap"
    lines = [
        f"{{'asin': '11', 'title': __import__('os').mkdir({str(trap)!r})}}",
        "{'asin': '12', 'title': " + "-" * 60_000 + "1}",
        "{'asin': '13', 'title': " + "[" * 5_000 + "]" * 5_000 + "}",
        "{'asin': '14', 'title': 'Good', 'price': " + "9" * 10_000 + "}",
        "{'asin': '15', 'title': 'Fine'}",
        '{"asin": "15", "title": ' + "[" * 100_000 + "}",
    ]
    write(folder / "meta_Games.json.gz", "\n".join(lines) + "\n")
    columns, report = read_path(folder)
    assert not trap.exists()
    assert titles_of(columns)["15"] == "Fine"
    assert report.item_rows_dropped["row not readable"]["count"] == 5


def test_unpaired_surrogates_and_odd_values_in_json(tmp_path: Path, store: Store) -> None:
    lines = [f'{{"user": "u", "item": "i{n}", "title": "T{n} \\ud800", "time": {n}}}' for n in range(5)]
    lines += [
        '{"user": null, "item": 5, "time": 1}',
        '{"user": true, "item": "x", "time": 1}',
        '{"user": "u"}',
    ]
    lines += ['{"user": "u", "item": "\\u0000", "time": 3}', '{"user": "u", "item": "y", "time": NaN}']
    info, report = import_path(store, write(tmp_path / "x.jsonl", "\n".join(lines)), accept_drops=True)
    assert info.interactions == 5
    assert sum(entry["count"] for entry in report.dropped.values()) == 5


def test_rows_add_up(tmp_path: Path) -> None:
    body = HEADER + "".join(f"{u},{i},{t}\n" for u, i, _, t in rows()) + "u,a\n,,\nu,a,b,c\n\n  \nu,a,x\n"
    _, report = read_path(write(tmp_path / "x.csv", body))
    assert (
        report.rows_read == report.rows_kept + sum(entry["count"] for entry in report.dropped.values()) == 15
    )
