"""Ratings of every scale and spelling keep their meaning, from the file to the store."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from db import datasets
from db.errors import DataError
from db.ratings import Scale
from db.store import Store
from engine.data.importing import import_path, read_path
from engine.data.ratings import rating
from engine.data.report import ImportOptions, Report
from tests.engine.data.originals import write


@pytest.mark.parametrize(
    ("text", "mark"),
    [
        ("4", 4), ("0,5", 0.5), ("4/5", 4), ("3.5 / 5", 3.5), ("4 out of 5", 4), ("4.0 out of 5 stars", 4),
        ("5 stars", 5), ("1 star", 1), ("★★★☆☆", 3), ("80%", 80), ("True", 1), ("false", 0), ("like", 1),
        ("Dislike", 0), ("thumbs up", 1), ("1,234", 1234), ("1.234,5", 1234.5), (True, 1),
    ],
)  # fmt: skip
def test_spellings_of_a_rating(text: str, mark: float) -> None:
    assert rating(text)[0] == mark


@pytest.mark.parametrize("text", ["soso", "4/5/6", "", "stars", "five"])
def test_what_is_no_rating(text: str) -> None:
    with pytest.raises(ValueError):
        rating(text)


def rated(folder: Path, ratings: Sequence[object]) -> Path:
    lines = [f"u{n % 4};i{n};{mark};{1_400_000_000 + n}\n" for n, mark in enumerate(ratings)]
    return write(folder / "ratings.csv", "user_id;item_id;rating;timestamp\n" + "".join(lines))


def found(path: Path, said: str | None = None) -> tuple[Scale, Report]:
    _, report = read_path(path, options=ImportOptions(rating_scale=said, min_history=1))
    return Scale.from_json(report.scale), report


@pytest.mark.parametrize(
    ("ratings", "scale"),
    [
        ([0, 1] * 20, Scale(0, 1, 1, 1)),
        ([-1, 1] * 20, Scale(-1, 1, 1, 0)),
        ([1, 2, 3, 4, 5] * 8, Scale(1, 5, 4, 3)),
        ([3, 4, 5] * 8, Scale(1, 5, 4, 3)),
        (["0,5", "3,5", 5] * 8, Scale(0.5, 5, 4, 3)),
        ([1, 7, 10] * 8, Scale(1, 10, 8, 6)),
        ([0, 55, 70, 100] * 8, Scale(0, 100, 75, 50)),
        ([1, 1, 2, 3, 1, 2, 1, 4000] * 8, Scale(1, 4000, 1, 1, counts=True)),
        ([1] * 20, Scale(1, 1, 1, 1)),
        (["like", "dislike"] * 10, Scale(0, 1, 1, 1)),
        (["True", "False", ""] * 10, Scale(0, 1, 1, 1)),
        (["4/5", "2/5"] * 10, Scale(1, 5, 4, 3)),
        (["4/10", "9/10"] * 10, Scale(1, 10, 8, 6)),
        (["5 stars", "1 star"] * 10, Scale(1, 5, 4, 3)),
        (["20%", "90%"] * 10, Scale(0, 100, 75, 50)),
        ([-9.5, 3.25, 8] * 10, Scale(-9.5, 9.5, 4.75, 0)),
    ],
)
def test_the_scale_is_found_from_the_values(ratings: list, scale: Scale, tmp_path: Path) -> None:
    seen, report = found(rated(tmp_path, ratings))
    assert seen == scale
    assert seen.words in report.notes


def test_zeros_beside_whole_stars_say_that_nobody_rated(tmp_path: Path) -> None:
    path = rated(tmp_path, [0, 1, 2, 3, 4, 5] * 8)
    scale, report = found(path)
    assert scale == Scale(1, 5, 4, 3)
    entry = report.repaired["rating 0 read as not rated"]
    assert (entry["count"], entry["examples"][0]["line"]) == (8, 2)
    kept, report = found(path, "0:5")
    assert kept == Scale(0, 5, 4, 3)
    assert report.repaired == {}


def test_minus_one_beside_stars_says_that_nobody_rated(tmp_path: Path) -> None:
    path = rated(tmp_path, [-1, 10, 8, 6] * 8)
    scale, report = found(path)
    assert scale == Scale(1, 10, 8, 6)
    assert report.repaired["rating -1 read as not rated"]["count"] == 8
    kept, _ = found(path, "-1:10")
    assert kept
    assert kept.low == -1
    assert found(rated(tmp_path, [-1, 1] * 16))[0] == Scale(-1, 1, 1, 0)


def test_a_person_sets_the_scale_and_it_must_hold_the_ratings(tmp_path: Path, store: Store) -> None:
    path = rated(tmp_path, [1, 2, 3, 4] * 8)
    options = ImportOptions(rating_scale="1:4:3:2", min_history=1)
    info, _ = import_path(store, path, "shop", options=options)
    assert info.scale == datasets.get(store, "shop").scale == Scale(1, 4, 3, 2)
    assert info.scale.likes(3)
    with pytest.raises(DataError, match="from 1 to 4, which rating_scale 1:3"):
        import_path(store, path, "other", options=ImportOptions(rating_scale="1:3"))
    (tmp_path / "bare").mkdir()
    bare = write(tmp_path / "bare" / "x.csv", "user,item\n" + "".join(f"u{n % 3},i{n}\n" for n in range(12)))
    with pytest.raises(DataError, match="no ratings, so rating_scale cannot be used"):
        import_path(store, bare, "other", options=ImportOptions(rating_scale="1:5"))
    assert [info.name for info in datasets.listing(store)] == ["shop"]


def test_words_and_numbers_do_not_mix(tmp_path: Path) -> None:
    _, report = found(rated(tmp_path, [1, 2, 3, 4, 5] * 8 + ["good"]))
    assert report.dropped["rating not a number"]["count"] == 1
