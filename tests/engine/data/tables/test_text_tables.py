"""Delimited text as it is: stray quotes, odd first lines, headers of words, ragged lines, decimal commas."""

import random
from pathlib import Path
from typing import Any

import pytest

from db.errors import DataError
from engine.data.files import Member, open_source
from engine.data.importing import read_path
from engine.data.report import Report
from engine.data.tables.line_lists import LineListTable
from engine.data.tables.open_table import open_table
from engine.data.tables.table import Table, unique
from engine.data.tables.text_table import TextTable
from engine.data.text import CHUNK
from tests.engine.data.originals import titles_of, write


def member(path: Path, text: str | bytes) -> Member:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    [folder] = open_source(path, path.name)
    assert folder.only
    return folder.only


def read(table: Table) -> tuple[list[tuple], list[int], Report]:
    """All rows, their lines, and the report."""
    rows: list[tuple] = []
    places: list[int] = []
    report = Report(label="table")
    for lines, columns in table.read(table.columns, report, lambda *_: None, report.unreadable):
        rows += zip(*columns, strict=True)
        places += map(int, lines)
    return rows, places, report


def table_of(path: Path, text: str | bytes) -> Any:
    return open_table(member(path, text))


def reviews(count: int, quote: dict[int, str], delimiter: str = "\t") -> str:
    lines = [
        delimiter.join((f"u{n // 5}", f"i{n}", str(1 + n % 5), str(1_400_000_000 + n), quote.get(n, "fine")))
        for n in range(count)
    ]
    return "\n".join([delimiter.join(("user_id", "item_id", "rating", "timestamp", "text")), *lines, ""])


@pytest.mark.parametrize("delimiter", ["\t", ","])
def test_a_quote_that_never_closes_costs_no_other_line(delimiter: str, tmp_path: Path) -> None:
    odd = dict.fromkeys(range(4, 200, 5), '"Great') | {2: '"fully quoted"'}
    rows, lines, report = read(table_of(tmp_path / "x.txt", reviews(200, odd, delimiter)))
    assert (len(rows), lines) == (200, list(range(2, 202)))
    assert report.dropped == {}
    assert [row[1] for row in rows] == [f"i{n}" for n in range(200)]
    if delimiter == ",":
        assert report.repaired["quote that does not close"]["count"] == 40
        assert report.repaired["quote that does not close"]["examples"][0]["line"] == 6


def test_a_quote_left_open_over_the_end_of_a_block(tmp_path: Path) -> None:
    count = 2 * CHUNK // 30
    odd = dict.fromkeys(random.Random(1).sample(range(count), 500), '"open')
    rows, _, report = read(table_of(tmp_path / "x.csv", reviews(count, odd, ",")))
    assert [row[1] for row in rows] == [f"i{n}" for n in range(count)]
    assert report.repaired["quote that does not close"]["count"] == 500


def test_a_text_over_several_lines_is_one_field(tmp_path: Path) -> None:
    text = 'first, line\n\nthird "" line, with, more, commas, than columns\nlast'
    body = reviews(20, {3: f'"{text}"', 9: f'"{text}"'}, ",")
    rows, lines, report = read(table_of(tmp_path / "x.csv", body))
    assert len(rows) == 20
    assert rows[3][4] == rows[9][4] == text.replace('""', '"')
    assert lines[3:5] == [5, 9]
    assert (report.dropped, report.repaired) == ({}, {})


def test_quotes_between_tabs_belong_to_the_title(tmp_path: Path) -> None:
    titles = ['"Weird Al" sings "Live"', '5" Disc', 'The "Best"', "plain"]
    body = "item_id\ttitle\n" + "".join(f"{n}\t{titles[n % 4]}\n" for n in range(12))
    rows, _, _ = read(table_of(tmp_path / "x.tsv", body))
    assert [row[1] for row in rows] == titles * 3
    quoted = "item_id\ttitle\n" + "".join(f'{n}\t"a ""big"" one"\n' for n in range(5))
    assert {row[1] for row in read(table_of(tmp_path / "y.tsv", quoted))[0]} == {'a "big" one'}


@pytest.mark.parametrize(
    ("text", "columns", "first", "line"),
    [
        ("\n\nuser_id,item_id,time\nu,i,5\n", ("user_id", "item_id", "time"), ("u", "i", "5"), 4),
        ("sep=;\nuser_id;item_id;time\nu;i;5\n", ("user_id", "item_id", "time"), ("u", "i", "5"), 3),
        ("% a graph\n% 5 2\n1 2 5\n1 3 6\n", ("column 1", "column 2", "column 3"), ("1", "2", "5"), 3),
        ("user,item,item,t\nu,i,i,5\n", ("user", "item", "item.1", "t"), ("u", "i", "i", "5"), 2),
        (",user_id,item_id\n0,u,i\n1,u,j\n", ("column 1", "user_id", "item_id"), ("0", "u", "i"), 2),
        ('user item\n1 u i\n2 u j\n', ("column 1", "user", "item"), ("1", "u", "i"), 2),
        ("\ufeff\"user_id\",\"item_id\"\nu,1\n", ("user_id", "item_id"), ("u", "1"), 2),
    ],
)  # fmt: skip
def test_what_stands_before_the_rows(
    text: str, columns: tuple, first: tuple, line: int, tmp_path: Path
) -> None:
    table = table_of(tmp_path / "x.csv", text)
    rows, lines, _ = read(table)
    assert table.columns == columns
    assert (rows[0], lines[0]) == (first, line)
    assert table.questions == ()


def test_a_header_of_words_is_told_by_values_that_come_back(tmp_path: Path) -> None:
    body = "".join(
        f"{name},{thing}\n" for name in ("anna", "ben", "cleo") for thing in ("Kettle", "Lamp", "Shelf")
    )
    table = table_of(tmp_path / "x.csv", "shopper,thing\n" + body)
    assert (table.columns, len(read(table)[0])) == (("shopper", "thing"), 9)
    bare = table_of(tmp_path / "y.csv", body)
    assert (bare.columns, len(read(bare)[0])) == (("column 1", "column 2"), 9)
    open_ = table_of(tmp_path / "z.csv", "anna,Kettle\nben,Lamp\ncleo,Shelf\n")
    assert [(q.field, q.option) for q in open_.questions] == [("header", "header")]


def test_semicolons_part_columns_where_numbers_have_commas(tmp_path: Path) -> None:
    body = "".join(f"u{n % 4};i{n};{n},99;2014-03-20\n" for n in range(20))
    table = table_of(tmp_path / "x.csv", "user_id;item_id;price;date\n" + body)
    assert table.columns == ("user_id", "item_id", "price", "date")
    assert len(read(table)[0]) == 20


def test_lines_that_name_a_user_and_then_items(tmp_path: Path) -> None:
    lines = ["0 36 54 51", "1 7 31 48 28", "2 50 13", "3 38 48 49 0 44", "4"]
    table = table_of(tmp_path / "train.txt", "\n".join(lines) + "\n")
    assert isinstance(table, LineListTable)
    rows, _, report = read(table)
    assert rows[1] == ("1", ["7", "31", "48", "28"])
    assert len(rows) == 4
    assert report.dropped["list without items"]["examples"][0]["line"] == 5
    assert table.sample()[0] == ["0", ["36", "54", "51"]]
    prose = "\n".join(["the quick brown", "fox jumps", "over the lazy dog today"])
    assert not isinstance(table_of(tmp_path / "words.txt", prose + "\n1 2\n3 4\n"), LineListTable)


def test_repeated_and_empty_names_get_names_of_their_own() -> None:
    assert unique(["a", "", "a", "a.1", "a"]) == ("a", "column 2", "a.2", "a.1", "a.3")


def test_many_open_quotes_cost_no_more_than_their_lines(tmp_path: Path) -> None:
    """Each line opens a quote; the reader looks at each a bounded number of times."""
    body = "user_id,item_id,text\n" + "".join(f'u{n % 9},"i {n}" x,"open {n}\n' for n in range(20_000))
    table = table_of(tmp_path / "x.csv", body)
    assert isinstance(table, TextTable)
    rows, _, report = read(table)
    assert len(rows) + sum(entry["count"] for entry in report.dropped.values()) == 20_000


def test_quotes_written_with_a_backslash(tmp_path: Path) -> None:
    rows = "".join(f'"u{u}";"i{i}"\n' for u in range(6) for i in range(4))
    titles = "".join(f'"i{i}";"Part \\"{i}\\"; a caf\\\\e";"Ann"\n' for i in range(4))
    write(tmp_path / "s" / "ratings.csv", '"user";"item"\n' + rows)
    write(tmp_path / "s" / "books.csv", '"item";"title";"author"\n' + titles)
    columns, _ = read_path(tmp_path / "s")
    assert titles_of(columns)["i2"] == 'Part "2"; a caf\\e'


def test_a_quote_before_a_backslash_at_an_end_stays(tmp_path: Path) -> None:
    rows = "".join(f'u{u},i{i},"C:\\{i}\\",5\n' for u in range(6) for i in range(4))
    columns, report = read_path(write(tmp_path / "x.csv", "user,item,title,rating\n" + rows))
    assert titles_of(columns)["i2"] == "C:\\2\\"
    assert not report.repaired
    assert not report.dropped


@pytest.mark.parametrize("first", ["movie", '[{"Label": "Ann"}]'])
def test_a_first_row_whose_values_come_back_is_no_header(first: str, tmp_path: Path) -> None:
    rows = "user_id\titem_id\n" + "".join(f"u{u}\tA{i}x\n" for u in range(6) for i in range(4))
    write(tmp_path / "s" / "ratings.tsv", rows)
    write(tmp_path / "s" / "news.tsv", "".join(f"A{i}x\t{first}\tThe story {'abcd'[i]}\n" for i in range(4)))
    columns, _ = read_path(tmp_path / "s")
    assert titles_of(columns)["A0x"] == "The story a"


def test_a_pointer_to_data_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "x.csv", "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\n")
    with pytest.raises(DataError, match="a Git LFS pointer"):
        read_path(path)
