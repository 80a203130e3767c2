"""Rows under headings, as the Netflix Prize wrote them."""

from pathlib import Path

import pytest

from db.errors import DataError
from engine.data.importing import read_path
from engine.data.report import ImportOptions
from tests.engine.data.originals import titles_of, write

EVERYBODY = ImportOptions(min_history=1)


def blocks(movies: range) -> str:
    rows = [
        (
            movie,
            [f"{1000 + user},{1 + (movie + user) % 5},2005-0{1 + user}-1{movie % 10}" for user in range(6)],
        )
        for movie in movies
    ]
    return "".join("\n".join([f"{movie}:", *ratings]) + "\n" for movie, ratings in rows)


def netflix(folder: Path) -> Path:
    write(folder / "combined_data_1.txt", blocks(range(1, 5)))
    write(folder / "combined_data_2.txt", blocks(range(5, 8)))
    titles = ["Café Noir", "Seven, the Last, and Two", "Oak", "Tin", "Glass", "Wool", "Copper Pan"]
    lines = [f"{n},{1990 + n},{title}" for n, title in enumerate(titles, 1)]
    write(folder / "movie_titles.csv", "\n".join(lines) + "\n", "latin-1")
    write(folder / "probe.txt", "1:\n1000\n1001\n2:\n1002\n")
    return folder


def test_a_heading_is_the_item_of_the_rows_below_it(tmp_path: Path) -> None:
    columns, report = read_path(netflix(tmp_path), options=EVERYBODY)
    assert (len(columns.user_ids), len(columns.item_ids), report.rows_kept) == (6, 7, 42)
    assert report.files["combined_data_1.txt"] == 28
    titles = titles_of(columns)
    assert (titles["1"], titles["2"]) == ("Café Noir", "Seven, the Last, and Two")
    assert report.repaired["separator inside the last column"]["count"] == 1
    first = columns.item_ids[columns.item[0]]
    assert (first, columns.user_ids[0], columns.rating[0]) == ("1", "1000", 2)  # type: ignore[index]
    assert columns.timestamp is not None


def test_a_row_before_any_heading_and_a_broken_one_are_counted(tmp_path: Path) -> None:
    path = write(tmp_path / "combined_data_1.txt", blocks(range(1, 8)) + "8:\nnonsense\n")
    _, report = read_path(path, options=EVERYBODY)
    assert {reason: entry["count"] for reason, entry in report.dropped.items()} == {"row not readable": 1}
    assert report.dropped["row not readable"]["examples"][0]["line"] == 51


def test_other_rows_under_headings_are_refused_by_name(tmp_path: Path) -> None:
    rows = [f"k{n}:\nx{n},3\nx{n + 1},4\nx{(n * 7) % 5},5" for n in range(9)]
    path = write(tmp_path / "x.txt", "\n".join(rows) + "\n")
    with pytest.raises(DataError, match=r"its rows stand under headings such as 'k0:'; write the heading"):
        read_path(path, yes=True)
