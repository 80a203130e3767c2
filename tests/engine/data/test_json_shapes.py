"""JSON in its usual forms: lines, one array, spread over lines, inside a key, users with lists, Python's."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from db.errors import DataError
from engine.data.importing import read_path
from engine.data.tables.json_values import json_values
from tests.engine.data.originals import TITLES, as_rows, rows, titles_of, write

RECORDS = [
    {"user_id": u, "item_id": i, "title": TITLES[i], "rating": r, "timestamp": t} for u, i, r, t in rows()
]
SHAPES: dict[str, Callable[[list[dict]], str]] = {
    "lines": lambda records: "".join(json.dumps(record) + "\n" for record in records),
    "array": json.dumps,
    "pretty array": lambda records: json.dumps(records, indent=2),
    "array of lines": lambda records: "[\n" + ",\n".join(map(json.dumps, records)) + "\n]\n",
    "pretty objects": lambda records: "\n".join(json.dumps(record, indent=2) for record in records),
    "inside a key": lambda records: json.dumps({"data": records}),
    "python": lambda records: "".join(f"{record!r}\n" for record in records),
    "python 2": lambda records: "".join(repr(record).replace(": '", ": u'") + "\n" for record in records),
}


@pytest.mark.parametrize("shape", list(SHAPES))
def test_every_shape_gives_the_same(shape: str, tmp_path: Path) -> None:
    columns, report = read_path(write(tmp_path / "x.json", SHAPES[shape](RECORDS)))
    assert as_rows(columns) == rows()
    assert titles_of(columns) == TITLES
    assert report.rows_read == report.rows_kept == len(rows())


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_encodings_of_an_array(encoding: str, tmp_path: Path) -> None:
    columns, _ = read_path(write(tmp_path / "x.json.gz", SHAPES["pretty array"](RECORDS), encoding))
    assert titles_of(columns) == TITLES


def test_values_over_the_borders_of_what_is_read_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.data.tables.json_values.CHUNK", 7)
    columns, _ = read_path(write(tmp_path / "x.json", SHAPES["pretty array"](RECORDS)))
    assert titles_of(columns) == TITLES


def test_users_with_their_lists(tmp_path: Path) -> None:
    lists = {str(u): [(u + k) % 8 for k in range(5)] for u in range(12)}
    for indent in (None, 1):
        path = write(tmp_path / f"train{indent}.json", json.dumps(lists, indent=indent))
        columns, report = read_path(path)
        assert [row[:2] for row in as_rows(columns)] == [
            (u, str(i)) for u, items in lists.items() for i in items
        ]
        assert report.rows_kept == 60


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (SHAPES["array"](RECORDS)[:-30], r"line 1: .*cut off"),
        (SHAPES["pretty array"](RECORDS)[:-30], r"line \d\d: .*cut off"),
        (
            SHAPES["array of lines"](RECORDS).replace("1400086400", "14000x", 1),
            r"x\.json, line 3: this is no JSON",
        ),
        (json.dumps({"data": RECORDS, "more": RECORDS}), "there is more in the same object"),
        (json.dumps({"user_id": {"0": "a", "1": "b"}, "item_id": {"0": 1, "1": 2}}), "orient='records'"),
        (json.dumps([[1, 2], [3, 4]]), "elements are no objects"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_place(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=said):
        read_path(write(tmp_path / "x.json", text))


def test_objects_and_bytes_never_become_ids_or_titles(tmp_path: Path) -> None:
    records = [
        {**record, "title": {"en": record["title"]}, "extra": {"deep": {"er": {"still": 1}}}}
        for record in RECORDS
    ]
    columns, report = read_path(write(tmp_path / "x.jsonl", SHAPES["lines"](records)))
    assert report.mapping["title"] == "title.en"
    assert titles_of(columns) == TITLES
    assert not any("{" in text for text in [*columns.user_ids, *columns.item_ids, *columns.titles])


def test_a_value_larger_than_a_line_may_be_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.data.tables.json_values.MAX_LINE", 100)
    monkeypatch.setattr("engine.data.tables.json_values.CHUNK", 64)
    from engine.data.files import open_source

    path = write(tmp_path / "x.json", json.dumps([{"user_id": "u", "text": "x" * 500}]))
    member = open_source(path, "x.json")[0].only
    assert member is not None
    with pytest.raises(DataError, match="line 1: this is no JSON value"):
        list(json_values(member, "objects", lambda *_: None))
