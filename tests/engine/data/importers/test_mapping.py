"""Column mapping of plain tables: guessed, shown, correctable."""

from pathlib import Path

import pytest

from db.errors import BadInput, DataError
from engine.data.importing import Unsure, preview, read_path
from tests.engine.data import originals
from tests.engine.data.originals import TITLES, WRITERS, as_rows, rows, titles_of, write


def strange(folder: Path) -> Path:
    """Columns whose names say nothing."""
    lines = "".join(f"{r};{i};{t};{u}\n" for u, i, r, t in rows())
    return write(folder / "data.csv", "foo;bar;baz;qux\n" + lines)


def test_columns_without_telling_names_need_a_person(tmp_path: Path) -> None:
    path = strange(tmp_path)
    seen = preview(path)
    assert seen.columns == ["foo", "bar", "baz", "qux"]
    assert seen.mapping["timestamp"] == "baz"
    assert {question["field"] for question in seen.questions} == {"user", "item"}
    assert {c["name"] for q in seen.questions for c in q["candidates"]} <= {"foo", "bar", "qux"}
    with pytest.raises(Unsure, match=r"data.csv: which is the user.*mapping=\{'user': 'qux'\} \(1, 2, 3\)"):
        read_path(path)
    half = preview(path, mapping={"user": "qux"})
    assert half.mapping["user"] == "qux"
    assert [question["field"] for question in half.questions] == ["item"]


def test_a_mapping_corrects_the_guess(tmp_path: Path) -> None:
    mapping = {"user": "qux", "item": "bar", "rating": "foo", "timestamp": "baz"}
    path = strange(tmp_path)
    assert preview(path, mapping=mapping).mapping["user"] == "qux"
    columns, report = read_path(path, mapping=mapping)
    assert as_rows(columns) == rows()
    assert report.mapping["item"] == "bar"


def test_a_mapping_switches_a_field_off(tmp_path: Path) -> None:
    folder = originals.generic_csv(tmp_path)
    columns, _ = read_path(folder, mapping={"rating": None, "timestamp": ""})
    assert columns.rating is None
    assert columns.timestamp is None


def test_a_wrong_mapping_says_what_there_is(tmp_path: Path) -> None:
    folder = originals.generic_csv(tmp_path)
    with pytest.raises(BadInput, match=r"'klant'.*interactions.csv.gz.*'user_id'"):
        read_path(folder, mapping={"user": "klant"})
    with pytest.raises(BadInput, match=r"unknown field 'buyer'.*user, item"):
        read_path(folder, mapping={"buyer": "user_id"})
    with pytest.raises(BadInput, match="leaves out the user"):
        read_path(folder, mapping={"user": None})
    with pytest.raises(BadInput, match="user and item are both in the column 'user_id'"):
        read_path(folder, mapping={"user": "user_id", "item": "user_id"})


def test_a_table_without_header_is_read_by_values(tmp_path: Path) -> None:
    path = write(tmp_path / "ratings_Games.csv", "".join(f"A{u},B{i},{r}.0,{t}\n" for u, i, r, t in rows()))
    seen = preview(path)
    assert [question["field"] for question in seen.questions] == ["user", "item"]
    with pytest.raises(Unsure):
        read_path(path)
    assert [seen.mapping[f] for f in ("user", "item", "rating", "timestamp")] == [
        f"column {n}" for n in (1, 2, 3, 4)
    ]
    columns, report = read_path(path, yes=True)
    assert as_rows(columns) == [(f"A{u}", f"B{i}", r, t) for u, i, r, t in rows()]
    assert any("best guess, because you said yes: user = column 1" in note for note in report.notes)


def test_plain_pairs_separated_by_a_space(tmp_path: Path) -> None:
    path = write(tmp_path / "Games.txt", "".join(f"{u} {i}\n" for u, i, _, _ in rows()))
    columns, _ = read_path(path)
    assert [row[:2] for row in as_rows(columns)] == [row[:2] for row in rows()]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|", "::"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_delimiters_line_ends_and_encodings(delimiter: str, end: str, encoding: str, tmp_path: Path) -> None:
    lines = [delimiter.join(("user_id", "item_id", "title", "timestamp"))]
    lines += [
        delimiter.join((u, i, TITLES[i].replace('"', ""), str(t))) for u, i, _, t in rows() if i != "13"
    ]
    path = write(tmp_path / "x.csv", end.join(lines) + end, encoding)
    columns, report = read_path(path)
    assert len(columns.user) == 9 - 2  # user 2 keeps two purchases and falls under the minimum
    assert titles_of(columns)["11"] == "Pokémon Moon"
    assert not report.dropped.keys() - {"user with fewer than 3 interactions"}


def test_items_file_by_name_and_columns(tmp_path: Path) -> None:
    folder = originals.generic_csv(tmp_path)
    (folder / "items.csv.gz").unlink()
    write(
        folder / "things.csv",
        "key;label;shelf\n" + "".join(f"{i};{t.replace(';', ' ')};A\n" for i, t in TITLES.items()),
    )
    columns, _ = read_path(folder / "interactions.csv.gz")
    assert titles_of(columns)["11"] == TITLES["11"]  # known by its ids and words, whatever its names
    mapping = {
        "items_file": "things.csv",
        "items_item": "key",
        "items_title": "label",
        "items_category": "shelf",
    }
    columns, report = read_path(folder / "interactions.csv.gz", mapping=mapping)
    assert titles_of(columns)["11"] == TITLES["11"]
    assert set(columns.categories) == {"A"}
    assert report.mapping["items_file"] == "things.csv"
    with pytest.raises(BadInput, match="does not lie beside"):
        read_path(folder / "interactions.csv.gz", mapping={"items_file": "nowhere.csv"})


def test_an_item_file_of_other_items_is_not_the_catalogue(tmp_path: Path) -> None:
    folder = originals.generic_csv(tmp_path)
    write(folder / "items.csv.gz", "item_id,title\n11,Known\n" + "".join(f"x{n},Other\n" for n in range(50)))
    columns, report = read_path(folder)
    assert len(columns.item_ids) == len(TITLES)
    assert any("names only 1 of 5 items" in note for note in report.notes)


def test_a_shop_wide_item_file_gives_titles_but_no_catalogue(tmp_path: Path) -> None:
    folder = originals.generic_csv(tmp_path)
    lines = [*(f"{item},{item} name" for item in TITLES), *(f"x{n},Other" for n in range(3000))]
    write(folder / "items.csv.gz", "item_id,title\n" + "\n".join(reversed(lines)) + "\n")
    columns, report = read_path(folder)
    assert titles_of(columns) == {item: f"{item} name" for item in TITLES}
    assert report.items_without_interactions == {"kept": 0, "left_out": 3000}


@pytest.mark.parametrize("name", list(WRITERS))
def test_a_preview_s_mapping_can_be_sent_back(name: str, tmp_path: Path) -> None:
    folder = WRITERS[name][1](tmp_path / name)
    seen = preview(folder)
    assert preview(folder, mapping=seen.mapping).mapping == seen.mapping
    columns, report = read_path(folder, mapping=seen.mapping)
    assert as_rows(columns) == as_rows(read_path(folder)[0])
    assert titles_of(columns) == TITLES
    assert report.mapping == seen.mapping


def test_titles_spread_over_quoted_lines(tmp_path: Path) -> None:
    text = 'user_id,item_id,title\nu,a,"Two\nlines, ""quoted"""\nu,b,5" disc\n'
    text += 'u,c,"closed" but not\nu,d,"never closed\nu,e,E\n'
    columns, report = read_path(write(tmp_path / "x.csv", text))
    assert titles_of(columns) == {
        "a": 'Two lines, "quoted"',
        "b": '5" disc',
        "c": "closed but not",
        "d": "never closed",
        "e": "E",
    }
    assert not report.dropped


def test_giving_the_item_file_says_so(tmp_path: Path) -> None:
    folder = originals.generic_csv(tmp_path)
    with pytest.raises(DataError, match="looks like an item file"):
        read_path(folder / "items.csv.gz")
