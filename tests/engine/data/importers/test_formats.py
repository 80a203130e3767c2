"""Every format gives the same purchases back, from a folder, a file and a zip."""

from pathlib import Path

import numpy as np
import pytest

from db import datasets
from db.errors import BadInput, DataError
from db.store import Store
from engine.data.importing import import_path, preview, read_path
from tests.engine.data import originals
from tests.engine.data.originals import HISTORIES, TITLES, WRITERS, as_rows, rows, titles_of, write, zipped

NAMES = list(WRITERS)


def expected(name: str) -> list[tuple]:
    """What must come back: users in order of first appearance in the source."""
    if name == "recbole_sequential":
        return [(user, item, None, None) for user, item, _, _ in rows()]
    if name == "movielens_100k":  # its fixture is written newest first
        return [row for user in ("3", "2", "1") for row in rows() if row[0] == user]
    return rows()


@pytest.mark.parametrize("name", NAMES)
def test_a_folder_of_each_format(name: str, tmp_path: Path) -> None:
    format_name, writer = WRITERS[name]
    columns, report = read_path(writer(tmp_path / name))
    assert report.format == format_name
    assert as_rows(columns) == expected(name)
    assert titles_of(columns) == TITLES
    assert report.rows_read == report.rows_kept == len(rows())
    assert not report.dropped
    assert not report.item_rows_dropped
    assert columns.user.dtype == columns.item.dtype == np.int32


@pytest.mark.parametrize("name", NAMES)
def test_a_zip_gives_what_its_folder_gives(name: str, tmp_path: Path) -> None:
    folder = WRITERS[name][1](tmp_path / name)
    columns, report = read_path(zipped(folder, "deep/inside/"))
    assert as_rows(columns) == expected(name)
    assert titles_of(columns) == TITLES
    assert all(file.startswith("deep/inside/") for file in report.files)


@pytest.mark.parametrize("name", NAMES)
def test_the_named_format_and_the_preview_agree(name: str, tmp_path: Path) -> None:
    format_name, writer = WRITERS[name]
    folder = writer(tmp_path / name)
    seen = preview(folder, format=format_name)
    assert seen.format == format_name
    assert set(seen.titles) <= {*TITLES.values(), "Nobody's"}
    assert seen.titles or name == "generic_tsv"
    assert len(seen.rows) == len(HISTORIES if name == "recbole_sequential" else rows())
    assert all(len(row) == len(seen.columns) for row in seen.rows)
    assert {seen.mapping[field] for field in ("user", "item")} <= set(seen.columns)
    assert preview(folder).to_json() == seen.to_json()


@pytest.mark.parametrize("name", NAMES)
def test_one_file_finds_its_items_beside_it(name: str, tmp_path: Path) -> None:
    folder = WRITERS[name][1](tmp_path / name)
    file = {"recbole_sequential": "games.test.inter"}.get(name)
    path = folder / (file or preview(folder).files[0])
    columns, _ = read_path(path)
    assert as_rows(columns) == expected(name)
    assert titles_of(columns) == TITLES


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("forced", sorted({format_name for format_name, _ in WRITERS.values()} - {"generic"}))
def test_a_wrong_format_gives_one_clear_error(name: str, forced: str, tmp_path: Path, store: Store) -> None:
    format_name, writer = WRITERS[name]
    if forced == format_name:
        return
    with pytest.raises(DataError, match=f"is not .*{forced}.*Nothing was imported"):
        import_path(store, writer(tmp_path / name), format=forced)
    assert datasets.listing(store) == []


def test_an_unknown_format_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"netflix.*recbole"):
        read_path(originals.recbole(tmp_path / "r"), format="netflix")


def test_amazon_categories_brands_and_prices(tmp_path: Path) -> None:
    for name, category in (("amazon_2014", "Video Games > PC > Games"), ("amazon_2018", "Video Games > PC")):
        columns, report = read_path(WRITERS[name][1](tmp_path / name))
        assert set(columns.categories) == {category}
        assert set(columns.brands) == {"Sega"}
        assert columns.attributes is not None
        assert "9.5" in columns.attributes[0]["price"]
    assert report.repaired["title cleaned"]["count"] == len(TITLES)


def test_amazon_metadata_of_unbought_items_stay_out_and_are_counted(tmp_path: Path) -> None:
    columns, report = read_path(originals.amazon_2014(tmp_path / "a"))
    assert "99" not in columns.item_ids
    assert report.items_without_interactions == {"kept": 0, "left_out": 1}


def test_amazon_script_titles_count_as_missing(tmp_path: Path) -> None:
    folder = originals.amazon_2018(tmp_path / "a")
    write(folder / "meta_Games.json.gz", '{"asin": "11", "title": "var t = (new Date()).getTime();"}\n')
    columns, report = read_path(folder)
    assert titles_of(columns)["11"] == "11"
    assert report.missing_titles == 5
    assert report.repaired["title was page script, dropped"]["count"] == 1


def test_movielens_genres_become_the_category(tmp_path: Path) -> None:
    for name in ("movielens_100k", "movielens_1m", "movielens_latest"):
        columns, _ = read_path(WRITERS[name][1](tmp_path / name))
        assert set(columns.categories) == {"Action, Comedy"}


def test_movies_nobody_rated_stay_in_the_catalogue(tmp_path: Path) -> None:
    folder = originals.movielens_latest(tmp_path / "m")
    with open(folder / "movies.csv", "a", encoding="utf-8") as file:
        file.write("99,Unseen (1990),Drama\r\n")
    columns, report = read_path(folder)
    assert titles_of(columns)["99"] == "Unseen (1990)"
    assert report.items_without_interactions == {"kept": 1, "left_out": 0}


def test_recbole_sequential_takes_the_longest_split_and_says_so(tmp_path: Path) -> None:
    folder = originals.recbole_sequential(tmp_path / "r")
    _, report = read_path(folder)
    assert list(report.files) == ["games.test.inter", "games.item"]
    assert any("games.test.inter holds the longest sequences" in note for note in report.notes)
    columns, _ = read_path(folder / "games.valid.inter")
    assert len(columns.user) == len(rows()) - len(HISTORIES) - 2  # user 2 falls under the minimum history


def test_recbole_sequential_keeps_a_repeated_user_once(tmp_path: Path) -> None:
    text = "user_id:token\titem_id_list:token_seq\titem_id:token\n"
    text += "1\t11 12\t13\n1\t11 12 13\t14\n1\t11\t12\n"
    columns, report = read_path(write(tmp_path / "x.inter", text))
    assert [row[1] for row in as_rows(columns)] == ["11", "12", "13", "14"]
    assert report.dropped["known from another row of the user"]["count"] == 5
    assert report.rows_read == report.rows_kept + 5


def test_recbole_atomic_parts_are_joined(tmp_path: Path) -> None:
    header = "user_id:token\titem_id:token\n"
    for part, item in (("test", "c"), ("train", "a"), ("valid", "b")):
        write(tmp_path / f"x.{part}.inter", f"{header}u\t{item}\n")
    columns, report = read_path(tmp_path)
    assert [row[1] for row in as_rows(columns)] == ["a", "b", "c"]
    assert columns.timestamp is None
    assert any("joined in this order" in note for note in report.notes)


def test_a_sole_item_file_of_another_stem_is_used(tmp_path: Path) -> None:
    folder = originals.recbole(tmp_path / "r")
    (folder / "games.item").rename(folder / "catalogue.item")
    columns, _ = read_path(folder)
    assert titles_of(columns) == TITLES


def test_without_metadata_items_are_called_by_their_id(tmp_path: Path) -> None:
    folder = originals.recbole(tmp_path / "r")
    (folder / "games.item").unlink()
    columns, report = read_path(folder)
    assert all(item == title for item, title in titles_of(columns).items())
    assert report.missing_titles == len(TITLES)


def test_several_data_sets_in_one_folder_are_refused(tmp_path: Path) -> None:
    originals.recbole(tmp_path / "one")
    originals.generic_csv(tmp_path / "two")
    with pytest.raises(DataError, match=r"several data sets.*one.*two"):
        read_path(tmp_path)


def test_what_lies_at_the_top_is_meant(tmp_path: Path) -> None:
    originals.recbole(tmp_path)
    originals.generic_csv(tmp_path / "backup")
    assert read_path(tmp_path)[1].format == "recbole"
