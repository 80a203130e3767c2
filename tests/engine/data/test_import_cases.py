"""Layouts that people complained about elsewhere, where the handed files are beside the repository."""

from pathlib import Path

import pytest

from engine.data.importing import read_path
from engine.data.report import ImportOptions

CASES = Path(__file__).resolve().parents[4] / "shared" / "cases"
pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif(not CASES.is_dir(), reason="the cases are not here"),
]

# Case, file in it -> rows kept, users, items, first title ("" where items are shown by their id), timed.
RIGHT: dict[tuple[str, str], tuple[int, int, int, str, bool]] = {
    ("01-recbole-tags", ""): (20, 4, 6, "Band Blue Kettle", False),
    ("03-recbole-padded-lists", ""): (12, 2, 6, "", False),
    ("08-amazon2023-as-parquet", ""): (40, 8, 8, "", True),
    ("10-minionerec-csv", ""): (36, 6, 8, "Blue Kettle", False),
    ("12-csv-list-string", ""): (40, 8, 8, "", False),
    ("13-user-then-items-lines", ""): (381, 60, 60, "", False),
    ("15-kaggle-movielens", ""): (40, 8, 6, "Blue Kettle (1995)", True),
    ("17-yelp-json", ""): (40, 8, 6, "Cafe Blue Kettle", True),
    ("19-inter-zip-beside-item", ""): (40, 8, 8, "Blue Kettle", True),
    ("19-inter-zip-beside-item", "shop.inter.zip"): (40, 8, 8, "Blue Kettle", True),
    ("20-recbole-movie-name", ""): (20, 4, 6, "Blue Kettle", True),
    ("21-recbole-transaction-date", ""): (20, 4, 6, "", True),
    ("25-goodreads", ""): (40, 8, 6, "Poems of the Blue Kettle", True),
    ("28-repeated-column-name", ""): (40, 8, 8, "", True),
    ("31-amazon2018-ratings-only", ""): (180, 30, 35, "", True),
    ("33-mind-behaviors", ""): (48, 8, 8, "The Blue Kettle story", False),
    ("34-votes-as-rating", ""): (40, 8, 8, "Blue Kettle", True),
    ("36-nested-objects", ""): (40, 8, 8, "Blue Kettle", True),
    ("38-parquet-repeated-name", ""): (40, 8, 8, "", True),
    ("39-train-valid-test-csv", ""): (40, 8, 8, "", True),
    ("41-float-ids", ""): (40, 8, 8, "Blue Kettle", True),
    ("43-json-shapes", "array"): (40, 8, 8, "", True),
    ("43-json-shapes", "pretty_objects"): (40, 8, 8, "", True),
    ("43-json-shapes", "user_dict"): (200, 40, 8, "", False),
    ("44-steam-dict-lines", ""): (40, 8, 6, "Blue Kettle", True),
}


@pytest.mark.parametrize(("case", "file"), list(RIGHT), ids="/".join)
def test_what_comes_out_is_right(case: str, file: str) -> None:
    kept, users, items, title, timed = RIGHT[case, file]
    columns, report = read_path(CASES / case / "input" / file, options=ImportOptions(min_history=1))
    assert (report.rows_kept, len(columns.user_ids), len(columns.item_ids)) == (kept, users, items)
    assert columns.titles[0] == (title or columns.item_ids[0])
    assert (columns.timestamp is not None) == timed
