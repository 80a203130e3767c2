"""Columns and files are known by what they hold; where that is not enough, an import asks."""

import json
import random
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from db.errors import BadInput, DataError
from engine.data.importing import Unsure, preview, read_path
from engine.data.report import ImportOptions
from tests.engine.data.originals import titles_of, write

TITLES = ["Blue Kettle", "Red Lamp", "Oak Shelf", "Tin Robot", "Glass Bowl", "Wool Scarf", "Copper Pan"]
EVERYBODY = ImportOptions(min_history=1)


def purchases(users: int = 8, each: int = 4) -> list[tuple[int, int, int]]:
    """(user, item, unix seconds), users one after the other, oldest first."""
    return [
        (user, (user + k) % len(TITLES), 1_400_000_000 + 86_400 * (k + user % 3))
        for user in range(users)
        for k in range(each)
    ]


def csv(path: Path, header: str, rows: Sequence[Sequence[object]]) -> Path:
    lines = [",".join(map(str, row)) for row in rows]
    return write(path, "\n".join([header, *lines] if header else lines) + "\n")


@pytest.mark.parametrize("title", ["title", "name", "product_title", "summary", "reviewerName"])
def test_what_varies_within_an_item_is_no_title(title: str, tmp_path: Path) -> None:
    said = ["Great!", "Five stars", "Not for me", "Ann", "Bob", "Broke after a week"]
    rows = [(f"u{u}", f"i{i}", said[n % 6], t) for n, (u, i, t) in enumerate(purchases())]
    path = csv(tmp_path / "x.csv", f"user_id,item_id,{title},timestamp", rows)
    columns, report = read_path(path)
    assert all(item == shown for item, shown in titles_of(columns).items())
    assert "title" not in {field for field, column in report.mapping.items() if column}
    assert any("No titles were found" in note for note in report.notes)


def test_titles_that_vary_after_the_rows_looked_at_are_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.data.profile.LOOK_CHARACTERS", 200)
    monkeypatch.setattr("engine.data.tables.text_table.blocks", small_blocks)
    rows = [(f"u{u}", f"i{i}", TITLES[i], t) for u, i, t in purchases(4)]
    rows += [(f"u{u}", f"i{i}", f"said {u}", t) for u, i, t in purchases(200)[16:]]
    columns, report = read_path(csv(tmp_path / "x.csv", "user_id,item_id,title,timestamp", rows))
    assert report.mapping["title"] == "title"
    assert all(item == shown for item, shown in titles_of(columns).items())
    assert any("titles beside the interactions were not used" in note for note in report.notes)


def small_blocks(*args: object, **kwargs: object) -> object:
    """Blocks of one line each, so that a look at the first rows sees only these."""
    from engine.data import text

    for block in text.blocks(*args, **kwargs):  # type: ignore[arg-type]
        for at, line in enumerate(block.lines()):
            yield text.Block(block.first + at, line, True)


def test_a_title_spelled_differently_once_is_the_commonest(tmp_path: Path) -> None:
    rows = [(f"u{u}", f"i{i}", TITLES[i], t) for u, i, t in purchases()]
    rows[5] = (*rows[5][:2], "BLUE KETTLE damaged", rows[5][3])
    columns, report = read_path(csv(tmp_path / "x.csv", "user_id,item_id,title,timestamp", rows))
    assert set(titles_of(columns).values()) == set(TITLES)
    assert any("several ways" in note for note in report.notes)


@pytest.mark.parametrize(
    ("header", "user", "item", "rating"),
    [
        (
            "latitude,longitude,buyer_no,product_code,total_votes,stars,when",
            "buyer_no",
            "product_code",
            "stars",
        ),
        (
            "session_id,impression_id,customer_id,sku,helpful_votes,star_rating,when",
            "customer_id",
            "sku",
            "star_rating",
        ),
        ("row,page,reviewerID,asin,votes,overall,when", "reviewerID", "asin", "overall"),
    ],
)
def test_measures_are_neither_users_nor_items_nor_ratings(
    header: str, user: str, item: str, rating: str, tmp_path: Path
) -> None:
    rows = [
        (48 + u % 5, n % 9, f"k{u}", f"x{i}", n % 3, 1 + n % 5, t) for n, (u, i, t) in enumerate(purchases())
    ]
    seen = preview(csv(tmp_path / "x.csv", header, rows))
    assert not seen.questions
    found = [seen.mapping[field] for field in ("user", "item", "rating", "timestamp")]
    assert found == [user, item, rating, "when"]


@pytest.mark.parametrize("order", list(range(4)))
def test_ids_without_names_are_known_by_their_look_in_any_order(order: int, tmp_path: Path) -> None:
    rows = [(f"A{u:04}XQZ0T7", f"B00{i}J1LA{i}W", 1 + (u + i) % 5, t) for u, i, t in purchases()]
    columns = [0, 1, 2, 3]
    random.Random(order).shuffle(columns)
    seen = preview(csv(tmp_path / "x.csv", "", [[row[c] for c in columns] for row in rows]))
    assert not seen.questions
    of = {
        name: f"column {columns.index(c) + 1}"
        for c, name in enumerate(("user", "item", "rating", "timestamp"))
    }
    assert {field: seen.mapping[field] for field in of} == of


@pytest.mark.parametrize("swap", [False, True])
def test_two_columns_that_may_be_either_are_asked_about(swap: bool, tmp_path: Path) -> None:
    rows = [(f"k{u}", f"x{i}", t) for u, i, t in purchases()]
    random.Random(1).shuffle(rows)
    rows = [(b, a, t) for a, b, t in rows] if swap else rows
    path = csv(tmp_path / "x.csv", "foo,bar,when", rows)
    with pytest.raises(Unsure) as told:
        read_path(path)
    assert {question.field for question in told.value.questions} == {"user", "item"}
    for question in told.value.questions:
        names = [candidate.name for candidate in question.candidates]
        assert names[0] in ("foo", "bar")
        assert all(len(candidate.examples) == 3 for candidate in question.candidates)
        assert f"mapping={{'{question.field}': '{names[0]}'}}" in str(told.value)
    assert "\n" not in str(told.value)
    columns, report = read_path(path, mapping={"user": "bar" if swap else "foo"})
    assert len(columns.user_ids) == 8
    assert report.evidence["user"].startswith("said by you; 8 distinct, each 4 times")
    _, report = read_path(path, yes=True)
    assert any("Taken as the best guess" in note for note in report.notes)


def test_without_any_column_for_the_user_yes_is_no_way_out(tmp_path: Path) -> None:
    path = csv(tmp_path / "x.csv", "latitude,longitude,item_id", [(n / 7, n / 3, n % 5) for n in range(40)])
    with pytest.raises(DataError, match="Nothing was imported"):
        read_path(path, yes=True)


def test_times_under_any_name_and_two_of_them(tmp_path: Path) -> None:
    rows = [(f"u{u}", f"i{i}", t, t + 99) for u, i, t in purchases()]
    seen = preview(csv(tmp_path / "x.csv", "user_id,item_id,stamped,shown", rows))
    [question] = seen.questions
    assert (question["field"], question["optional"]) == ("timestamp", True)
    assert {candidate["name"] for candidate in question["candidates"]} == {"stamped", "shown"}
    columns, _ = read_path(tmp_path / "x.csv", mapping={"timestamp": "shown"})
    assert columns.timestamp is not None
    columns, _ = read_path(tmp_path / "x.csv", mapping={"timestamp": ""})
    assert columns.timestamp is None
    seen = preview(csv(tmp_path / "y.csv", "user_id,item_id,stamped", [row[:3] for row in rows]))
    assert (seen.mapping["timestamp"], seen.questions) == ("stamped", [])


def test_a_column_named_like_the_time_that_is_none_is_asked_about(tmp_path: Path) -> None:
    rows = [(f"u{u}", f"i{i}", "lately") for u, i, _ in purchases()]
    with pytest.raises(Unsure, match="'timestamp' is named like it, but its values are not understood"):
        read_path(csv(tmp_path / "x.csv", "user_id,item_id,timestamp", rows))


def test_without_times_the_report_says_that_the_order_of_the_file_counts(tmp_path: Path) -> None:
    rows = [(f"u{u}", f"i{i}") for u, i, _ in purchases()]
    _, report = read_path(csv(tmp_path / "x.csv", "user_id,item_id", rows))
    assert any("order of the file counts" in note for note in report.notes)


def test_evidence_is_shown_for_every_column_taken(tmp_path: Path) -> None:
    rows = [(f"u{u}", f"i{i}", 1 + i % 5, t) for u, i, t in purchases()]
    seen = preview(csv(tmp_path / "x.csv", "reviewerID,asin,overall,unixReviewTime", rows))
    assert seen.evidence["user"].startswith("named like it; 8 distinct, each 4 times")
    assert set(seen.evidence) == {field for field, column in seen.mapping.items() if column}


@pytest.mark.parametrize("name", ["movie.csv", "xyz.csv", "a1.tsv", "yelp_academic_dataset_business.json"])
def test_the_item_file_is_known_by_its_ids_and_titles_whatever_it_is_called(
    name: str, tmp_path: Path
) -> None:
    csv(
        tmp_path / "ratings.csv",
        "user_id,business_id,stars,date",
        [(f"u{u}", f"b{i}", 3, t) for u, i, t in purchases()],
    )
    csv(tmp_path / "link.csv", "business_id,other", [(f"b{i}", 100 + i) for i in range(7)])
    csv(
        tmp_path / "tags.csv",
        "user_id,business_id,tag",
        [(f"u{u}", f"b{i}", "dark hero") for u, i, _ in purchases()],
    )
    csv(tmp_path / "people.csv", "user_id,name", [(f"u{u}", f"Ann Lee {u}") for u in range(8)])
    things = [{"business_id": f"b{i}", "name": title, "stars": 3.5} for i, title in enumerate(TITLES)]
    if name.endswith(".json"):
        write(tmp_path / name, "".join(json.dumps(thing) + "\n" for thing in things))
    else:
        between = "\t" if name.endswith(".tsv") else ","
        lines = [between.join(map(str, thing.values())) for thing in things]
        write(tmp_path / name, "\n".join([between.join(things[0]), *lines]) + "\n")
    for path in (tmp_path, tmp_path / "ratings.csv"):
        columns, report = read_path(path)
        assert titles_of(columns) == {f"b{i}": title for i, title in enumerate(TITLES)}
        assert report.mapping["items_file"] == name


def test_an_item_file_that_lists_the_items_late_is_read_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.data.importers.generic.LOOK_BESIDE", 5)
    rows = [(f"u{u}", f"i{i}", t) for u, i, t in purchases()]
    csv(tmp_path / "log.csv", "who,bought,at", rows)
    others = [(f"z{n}", f"Other thing {n}") for n in range(40_000)]
    csv(tmp_path / "x.csv", "key,called", [*others, *((f"i{i}", t) for i, t in enumerate(TITLES))])
    columns, _ = read_path(tmp_path, mapping={"user": "who", "item": "bought"})
    assert titles_of(columns) == {f"i{i}": title for i, title in enumerate(TITLES)}


def test_two_item_files_are_asked_about(tmp_path: Path) -> None:
    csv(tmp_path / "log.csv", "user_id,item_id,timestamp", [(f"u{u}", f"i{i}", t) for u, i, t in purchases()])
    for language in ("en", "de"):
        csv(
            tmp_path / f"{language}.csv",
            "item_id,title",
            [(f"i{i}", f"{t} {language}") for i, t in enumerate(TITLES)],
        )
    with pytest.raises(Unsure, match=r"which is the item file\?.*en\.csv"):
        read_path(tmp_path)
    columns, _ = read_path(tmp_path, mapping={"items_file": "de.csv"})
    assert titles_of(columns)["i0"] == "Blue Kettle de"


PARTS = {
    "split": ("train.csv", "valid.csv", "test.csv"),
    "named": ("shop.train.csv", "shop.val.csv", "shop.test.csv"),
    "numbered": ("part-1.csv", "part-2.csv", "part-10.csv"),
    "months": ("2019-Nov.csv", "2019-Dec.csv", "2020-Jan.csv"),
}


@pytest.mark.parametrize("names", list(PARTS.values()), ids=list(PARTS))
def test_parts_of_one_table_are_joined_in_order(names: tuple[str, ...], tmp_path: Path) -> None:
    rows = [(f"u{u}", f"i{u % 4}{k}") for k in range(6) for u in range(8)]
    for k, name in enumerate(names):
        csv(tmp_path / name, "user_id,item_id", rows[16 * k : 16 * k + 16])
    columns, report = read_path(tmp_path)
    assert list(report.files) == list(names)
    assert [columns.item_ids[i] for i in columns.item[:6]] == ["i00", "i01", "i02", "i03", "i04", "i05"]
    assert any(", ".join(names) in note and "joined in this order" in note for note in report.notes)
    alone, _ = read_path(tmp_path / names[0], options=EVERYBODY)
    assert len(alone.user) == 16


def test_two_tables_of_interactions_are_asked_about(tmp_path: Path) -> None:
    rows = [(f"u{u}", f"i{i}", t) for u, i, t in purchases()]
    csv(tmp_path / "clicks.csv", "user_id,item_id,timestamp", rows)
    csv(tmp_path / "baskets.csv", "user_id,item_id,timestamp", rows[:20])
    with pytest.raises(Unsure, match=r"which is the file of the interactions\?"):
        read_path(tmp_path)
    columns, _ = read_path(tmp_path, mapping={"file": "baskets.csv"}, options=EVERYBODY)
    assert len(columns.user) == 20


@pytest.mark.parametrize(
    ("mapping", "said"),
    [
        ({"items_title": "nowhere"}, "items_title"),
        ({"items_file": "no.csv"}, "does not lie beside"),
        ({"title": "nowhere"}, "'nowhere'"),
        ({"file": "no.csv"}, "no table 'no.csv'"),
        ({"buyer": "user_id"}, "unknown field"),
    ],
)
def test_a_correction_that_cannot_be_used_is_an_error(
    mapping: dict[str, str], said: str, tmp_path: Path
) -> None:
    csv(tmp_path / "log.csv", "user_id,item_id,timestamp", [(f"u{u}", f"i{i}", t) for u, i, t in purchases()])
    csv(tmp_path / "items.csv", "item_id,title", [(f"i{i}", t) for i, t in enumerate(TITLES)])
    with pytest.raises(BadInput, match=said):
        read_path(tmp_path, mapping=mapping)


def test_a_known_format_refuses_a_correction_it_does_not_take(tmp_path: Path) -> None:
    csv(
        tmp_path / "ratings.csv", "userId,movieId,rating,timestamp", [(u, i, 3, t) for u, i, t in purchases()]
    )
    csv(tmp_path / "movies.csv", "movieId,title,genres", [(i, t, "Drama") for i, t in enumerate(TITLES)])
    with pytest.raises(BadInput, match=r"items_title cannot be chosen.*--format generic"):
        read_path(tmp_path, mapping={"items_title": "genres"})
    columns, _ = read_path(tmp_path, format="generic", mapping={"items_title": "genres"})
    assert set(columns.titles) == {"Drama"}


def recbole(folder: Path, inter: str, item: str = "") -> Path:
    write(folder / "x.inter", inter)
    if item:
        write(folder / "x.item", item)
    return folder


def test_recbole_titles_times_and_tags_are_known_by_content(tmp_path: Path) -> None:
    rows = "".join(f"{t}\tc{u}\tp{i}\tmetal live loud\n" for u, i, t in purchases())
    items = "".join(f"p{i}\t{title}\t1999\n" for i, title in enumerate(TITLES))
    folder = recbole(
        tmp_path,
        f"transaction_date:float\tcustomer_id:token\tproduct_id:token\ttag_value:token_seq\n{rows}",
        f"product_id:token\tmovie_name:token_seq\trelease_year:token\n{items}",
    )
    columns, report = read_path(folder)
    assert report.format == "recbole"
    assert columns.timestamp is not None
    assert titles_of(columns) == {f"p{i}": title for i, title in enumerate(TITLES)}
    columns, _ = read_path(folder, mapping={"items_title": "release_year:token"})
    assert set(columns.titles) == {"1999"}
    with pytest.raises(BadInput, match="items_title"):
        read_path(folder, mapping={"items_title": "nothing:token"})


def test_parquet_and_nested_objects(tmp_path: Path) -> None:
    rows = [
        {"user": {"id": u, "name": "x"}, "item": {"id": i, "title": TITLES[i]}, "at": t}
        for u, i, t in purchases()
    ]
    columns, report = read_path(write(tmp_path / "x.jsonl", "".join(json.dumps(row) + "\n" for row in rows)))
    assert (report.mapping["user"], report.mapping["item"]) == ("user.id", "item.id")
    assert titles_of(columns) == {str(i): title for i, title in enumerate(TITLES)}
    flat = {"user_id": [f"u{u}" for u, _, _ in purchases()], "asin": [f"i{i}" for _, i, _ in purchases()]}
    flat |= {"title": [f"said {n % 5}" for n in range(32)]}
    pq.write_table(pa.table(flat), tmp_path / "reviews.parquet")
    columns, _ = read_path(tmp_path / "reviews.parquet")
    assert set(columns.titles) == set(columns.item_ids)


def test_a_zip_beside_plain_files_belongs_to_them(tmp_path: Path) -> None:
    inter = "user_id:token\titem_id:token\n" + "".join(f"{u}\t{i}\n" for u, i, _ in purchases())
    write(
        tmp_path / "shop.item",
        "item_id:token\ttitle:token_seq\n" + "".join(f"{i}\t{t}\n" for i, t in enumerate(TITLES)),
    )
    with zipfile.ZipFile(tmp_path / "shop.inter.zip", "w") as archive:
        archive.writestr("shop.inter", inter)
    for path in (tmp_path, tmp_path / "shop.inter.zip"):
        columns, _ = read_path(path)
        assert len(columns.user) == 32
        assert titles_of(columns) == {str(i): title for i, title in enumerate(TITLES)}
    write(tmp_path / "shop.inter", inter)
    assert len(read_path(tmp_path)[0].user) == 32  # the plain file goes before its zip


def test_people_never_become_titles(tmp_path: Path) -> None:
    rows = [(u, i, t) for u, i, t in purchases()]
    csv(tmp_path / "log.csv", "user_id,item_id,timestamp", rows)
    people = [(n, f"Ann Lee {n}") for n in range(8)]
    csv(tmp_path / "users.csv", "id,name", people)  # its name says so
    columns, _ = read_path(tmp_path)
    assert not any("Ann" in title for title in columns.titles)
    (tmp_path / "users.csv").rename(
        tmp_path / "a.csv"
    )  # nothing says so, but that its ids are the users' too
    with pytest.raises(Unsure, match="Its ids are those of users as well as those of items"):
        read_path(tmp_path)
    columns, _ = read_path(tmp_path, mapping={"items_file": ""})
    assert not any("Ann" in title for title in columns.titles)
    csv(tmp_path / "b.csv", "item_id,label", [(i, title) for i, title in enumerate(TITLES)])
    columns, _ = read_path(tmp_path)
    assert titles_of(columns) == {str(i): title for i, title in enumerate(TITLES)}


def test_a_review_s_title_is_not_taken_where_no_item_comes_back(tmp_path: Path) -> None:
    rows = [(f"u{n % 5}", f"i{n}", "Great stuff", "works really well", 1_400_000_000 + n) for n in range(30)]
    columns, _ = read_path(csv(tmp_path / "x.csv", "user_id,asin,title,text,timestamp", rows))
    assert set(columns.titles) == set(columns.item_ids)
    named = [(user, item, f"Thing {item}", time) for user, item, _, _, time in rows]
    columns, _ = read_path(csv(tmp_path / "y" / "y.csv", "user_id,asin,title,timestamp", named))
    assert columns.titles[0] == "Thing i0"
    csv(
        tmp_path / "log.csv",
        "user_id,asin,timestamp",
        [(user, item, time) for user, item, _, _, time in rows],
    )
    with pytest.raises(Unsure, match="names users too, so its texts may be what they said"):
        read_path(tmp_path / "log.csv")


def test_lists_beside_the_histories_are_named(tmp_path: Path) -> None:
    rows = [[f"i{(user + k) % 7}" for k in range(5)] for user in range(20)]
    times = [[1_400_000_000 + 86_400 * k for k in range(5)] for _ in range(20)]
    columns = {"uid": [f"u{user}" for user in range(20)], "items": rows, "times": times}
    pq.write_table(pa.table(columns), tmp_path / "h.parquet")
    _, report = read_path(tmp_path / "h.parquet", options=EVERYBODY)
    assert any("Lists beside the histories were not read: times" in note for note in report.notes)


def test_files_beside_that_give_no_titles_are_named(tmp_path: Path) -> None:
    csv(
        tmp_path / "a" / "r.csv",
        "user_id,item_id,timestamp",
        [(f"u{u}", f"i{i}", t) for u, i, t in purchases()],
    )
    csv(tmp_path / "a" / "items.csv", "item_id,title", [(f"x{k}", title) for k, title in enumerate(TITLES)])
    _, report = read_path(tmp_path / "a", options=EVERYBODY)
    assert any("without titles of these items: items.csv" in note for note in report.notes)


def test_titles_that_differ_in_white_space_are_one(tmp_path: Path) -> None:
    rows = [(f"u{u}", f"i{i}", TITLES[i] + " " * (u % 2), t) for u, i, t in purchases()]
    columns, report = read_path(csv(tmp_path / "x.csv", "user_id,item_id,item_title,timestamp", rows))
    assert set(titles_of(columns).values()) == set(TITLES)
    assert not any("called in several ways" in note for note in report.notes)


def test_words_for_liked_and_disliked_are_ratings_by_any_name(tmp_path: Path) -> None:
    said = ["like", "dislike", "like"]
    rows = [(f"u{u}", f"i{i}", said[n % 3], t) for n, (u, i, t) in enumerate(purchases())]
    columns, report = read_path(csv(tmp_path / "x.csv", "user_id,item_id,feedback,timestamp", rows))
    assert report.mapping["rating"] == "feedback"
    assert columns.rating is not None
    assert set(columns.rating.tolist()) == {0.0, 1.0}


def test_yes_and_no_by_any_name_are_no_ratings(tmp_path: Path) -> None:
    rows = [(f"u{u}", f"i{i}", "yn"[n % 2], t) for n, (u, i, t) in enumerate(purchases())]
    columns, _ = read_path(csv(tmp_path / "x.csv", "user_id,item_id,gift,timestamp", rows))
    assert columns.rating is None
