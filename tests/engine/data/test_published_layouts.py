"""Folders as well-known data sets are published: right, or one clear question or sentence."""

import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from db.errors import BadInput, DataError
from engine.data.importing import Unsure, preview, read_path
from engine.data.report import ImportOptions
from tests.engine.data.originals import titles_of, write

EVERYBODY = ImportOptions(min_history=1)
TITLES = ["The Silver Lake", "Blue Kettle Café", "Old Oak", "Red Robot Stories", "Glass House", "Iron Garden"]
DRAW = random.Random(5)
USERS = ["".join(DRAW.choice("0123456789abcdef") for _ in range(40)) for _ in range(25)]


def lines(rows: Sequence[Sequence[object]], separator: str = "\t") -> str:
    return "\n".join(separator.join(map(str, row)) for row in rows) + "\n"


def pairs(each: int = 4) -> list[tuple[int, int]]:
    """(user, item), a user after the other."""
    draw = random.Random(1)
    return [(user, item) for user in range(25) for item in draw.sample(range(6), each)]


def lastfm_360k(folder: Path) -> None:
    plays = [(USERS[u], f"9a66-{i}b", TITLES[i], 7 * u + 3 * i + 1) for u, i in pairs()]
    write(folder / "usersha1-artmbid-artname-plays.tsv", lines(plays))
    people = [(user, "m", 22, "Germany", "Feb 1, 2007") for user in USERS]
    write(folder / "usersha1-profile.tsv", lines(people))


def hetrec(folder: Path) -> None:
    plays = [(u, 50 + i, 1 + 1000 * i + 17 * u) for u, i in pairs()]
    write(folder / "user_artists.dat", "userID\tartistID\tweight\n" + lines(plays))
    artists = [(50 + i, title, f"http://www.last.fm/{i}") for i, title in enumerate(TITLES)]
    write(folder / "artists.dat", "id\tname\turl\n" + lines(artists))
    friends = [(u, (u * 7) % 25) for u in range(25) for _ in range(4)]
    write(folder / "user_friends.dat", "userID\tfriendID\n" + lines(friends))


def gowalla(folder: Path) -> None:
    check_ins = [
        (u, f"2010-10-{10 + n}T05:2{n}:00Z", 30.23 + i / 7, -97.79 - u / 9, 22847 + i)
        for n, (u, i) in enumerate(pairs()[:19])
    ]
    check_ins += [(u, "2010-10-30T05:20:00Z", 30.2 + i / 7, -97.7 - u / 9, 22847 + i) for u, i in pairs()]
    write(folder / "loc-gowalla_totalCheckins.txt", lines(check_ins))
    write(
        folder / "loc-gowalla_edges.txt", lines([(u, (u * 3 + n) % 25) for u in range(25) for n in range(5)])
    )


def book_crossing(folder: Path) -> None:
    def row(*cells: object) -> str:
        return ";".join(f'"{cell}"' for cell in cells)

    rated = [row(276725 + u, f"034545104{i}", (u + 2 * i) % 11) for u, i in pairs()]
    head = row("User-ID", "ISBN", "Book-Rating")
    write(folder / "BX-Book-Ratings.csv", "\n".join([head, *rated]) + "\n", "latin-1")
    books = [row(f"034545104{i}", title, "Müller, Jörg", 2001, "Harper") for i, title in enumerate(TITLES)]
    head = row("ISBN", "Book-Title", "Book-Author", "Year-Of-Publication", "Publisher")
    write(folder / "BX-Books.csv", "\n".join([head, *books]) + "\n", "latin-1")
    people = [row(276725 + u, "nyc, new york, usa") + ";NULL" for u in range(25)]
    write(folder / "BX-Users.csv", "\n".join([row("User-ID", "Location", "Age"), *people]) + "\n", "latin-1")


def diginetica(folder: Path) -> None:
    views = [(u, "NA", 81760 + i, 1000 * u + 37 * i, f"2016-05-{1 + u:02d}") for u, i in pairs()]
    head = "sessionId;userId;itemId;timeframe;eventdate\n"
    write(folder / "train-item-views.csv", head + lines(views, ";"))


def citeulike(folder: Path) -> None:
    some = [[(u * 7 + k) % 90 for k in range(3 + u % 5)] for u in range(25)]
    write(folder / "users.dat", "".join(f"{len(items)} {' '.join(map(str, items))}\n" for items in some))


def spotify(folder: Path) -> None:
    lists = [
        {
            "name": f"Mix {u}",
            "pid": u,
            "tracks": [{"track_uri": f"spotify:track:{i}", "track_name": TITLES[i]}],
        }
        for u, i in pairs()
    ]
    write(
        folder / "mpd.slice.0-999.json", json.dumps({"info": {"version": "v1"}, "playlists": lists}, indent=4)
    )


def mind(folder: Path) -> None:
    rows = [
        (
            n,
            f"U{u}",
            f"11/{9 + n % 6}/2019 5:28:05 AM",
            f"N{u % 6} N{(u + 1) % 6}",
            f"N{n % 6}-1 N{(n + 1) % 6}-0",
        )
        for n, (u, _) in enumerate(pairs(), 1)
    ]
    write(folder / "behaviors.tsv", lines(rows))
    news = [(f"N{i}", "lifestyle", "royals", title, "Abstract", "[]") for i, title in enumerate(TITLES)]
    write(folder / "news.tsv", lines(news))


Write = Callable[[Path], None]


@pytest.mark.parametrize(
    ("layout", "mapping"),
    [
        (hetrec, {"user": "userID", "item": "artistID", "rating": "weight", "items_title": "name"}),
        (
            book_crossing,
            {"user": "User-ID", "item": "ISBN", "rating": "Book-Rating", "items_title": "Book-Title"},
        ),
    ],
)
def test_right(layout: Write, mapping: dict[str, str], tmp_path: Path) -> None:
    layout(tmp_path)
    columns, report = read_path(tmp_path, options=EVERYBODY)
    assert mapping.items() <= report.mapping.items()
    assert set(titles_of(columns).values()) == set(TITLES)


def test_an_item_file_is_not_called_interactions_that_were_not_read(tmp_path: Path) -> None:
    book_crossing(tmp_path)
    _, report = read_path(tmp_path, options=EVERYBODY)
    assert not any("other tables" in note for note in report.notes)


@pytest.mark.parametrize(
    ("layout", "asked", "guess"),
    [
        (lastfm_360k, "which is the item", {"user": "column 1", "item": "column 2", "title": "column 3"}),
        (
            gowalla,
            "loc-gowalla_totalCheckins.txt: which is the user",
            {"user": "column 1", "item": "column 5"},
        ),
    ],
)
def test_a_question_whose_best_guess_is_right(
    layout: Write, asked: str, guess: dict[str, str], tmp_path: Path
) -> None:
    layout(tmp_path)
    with pytest.raises(Unsure, match=asked):
        read_path(tmp_path)
    _, report = read_path(tmp_path, yes=True, options=EVERYBODY)
    assert guess.items() <= report.mapping.items()


@pytest.mark.parametrize("yes", [False, True])
@pytest.mark.parametrize(
    ("layout", "said"),
    [
        (diginetica, "which is the user"),
        (citeulike, "each line is a number of items and then the items, without the user"),
        (spotify, "its rows stand in the list 'playlists' of one object"),
    ],
)
def test_one_clear_sentence(layout: Write, said: str, yes: bool, tmp_path: Path) -> None:
    layout(tmp_path)
    with pytest.raises(DataError, match=said):
        read_path(tmp_path, yes=yes)


def test_columns_that_are_not_used_are_named(tmp_path: Path) -> None:
    rows = [(1_433_221_332_117 + n, u, ("view", "addtocart")[n % 2], i) for n, (u, i) in enumerate(pairs())]
    path = write(tmp_path / "events.csv", "timestamp,visitorid,event,itemid\n" + lines(rows, ","))
    assert "Columns of events.csv that were not used: event." in preview(path).notes


@pytest.mark.parametrize("name", ["plays", "play_count", "listen_count", "weight"])
def test_counts_of_plays_are_the_ratings(name: str, tmp_path: Path) -> None:
    rows = [(f"u{u}", f"i{i}", 1 + 50 * ((u * i) % 13)) for u, i in pairs()]
    path = write(tmp_path / "log.csv", f"user,item,{name}\n" + lines(rows, ","))
    _, report = read_path(path)
    assert report.mapping["rating"] == name
    assert report.scale
    assert report.scale["counts"]


def test_marks_from_one_to_three_are_not_out_of_twenty(tmp_path: Path) -> None:
    rows = [(f"u{u}", f"i{i}", 1 + (u + i) % 3) for u, i in pairs()]
    _, report = read_path(write(tmp_path / "x.csv", "user,item,rating\n" + lines(rows, ",")))
    assert report.scale
    assert (report.scale["low"], report.scale["high"], report.scale["liked"]) == (1, 3, 3)


def test_impressions_are_no_titles_and_unused_times_are_named(tmp_path: Path) -> None:
    mind(tmp_path)
    seen = preview(tmp_path)
    assert (seen.mapping["history"], seen.mapping["history_title"]) == ("column 4", None)
    assert any(note.startswith("The times in column 3 were not used") for note in seen.notes)
    with pytest.raises(BadInput, match="whose items have no times of their own"):
        preview(tmp_path, mapping={"timestamp": "column 3"})
