"""The real data sets beside the repository, checked against what their publishers and readers count."""

from pathlib import Path

import numpy as np
import pytest

from db import datasets
from db.store import Store
from engine.data.importing import import_path, preview, read_path

DATA = Path(__file__).resolve().parents[4] / "shared" / "data"
pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif(not DATA.is_dir(), reason="the real data sets are not here"),
]


def dropped(report: dict) -> dict[str, int]:
    return {reason: entry["count"] for reason, entry in report["dropped"].items()}


@pytest.mark.parametrize(
    ("folder", "format_name", "users", "items", "interactions"),
    [
        ("amazon_video_games_2018", "recbole-sequential", 50_546, 16_859, 440_264),
        ("amazon_beauty_2014", "generic", 22_363, 12_101, 198_502),
        ("amazon_gift_cards_2018", "amazon", 458, 148, 2_965),  # 2,972 rows, 7 of them repeated pairs
        ("ml-latest-small", "movielens-latest", 610, 9_742, 100_836),
    ],
)
def test_sizes(
    folder: str, format_name: str, users: int, items: int, interactions: int, store: Store
) -> None:
    info, report = import_path(store, DATA / folder)
    assert (info.kind, info.users, info.items, info.interactions) == (format_name, users, items, interactions)
    assert info.has_timestamps == (folder != "amazon_video_games_2018")
    assert info.has_ratings == (folder in ("amazon_gift_cards_2018", "ml-latest-small"))
    assert sum(dropped(info.report).values()) == report.rows_read - interactions
    assert not report.item_rows_dropped
    assert preview(DATA / folder).format == format_name
    again, report = import_path(store, DATA / folder)
    assert report.unchanged
    assert again.id == info.id
    assert len(datasets.history(store, info.id, 0)) >= 5


def test_video_games_titles() -> None:
    columns, report = read_path(DATA / "amazon_video_games_2018")
    assert report.shared_titles["items_before_cleaning"] == 788
    assert report.shared_titles["items"] >= 788
    assert sum('"' in title for title in columns.titles) >= 2
    assert not any("&amp;" in title or "<span" in title or "  " in title for title in columns.titles)
    assert list(report.files) == ["Games-6k.test.inter", "Games-6k.item"]
    lengths = np.bincount(columns.user)
    assert (lengths.min(), lengths.max()) == (5, 50)


def test_beauty_ties_and_titles() -> None:
    columns, report = read_path(DATA / "amazon_beauty_2014")
    assert round(columns.tie.mean(), 2) == 0.43
    assert report.ties["users"] == columns.tie.sum() == 9_719
    assert report.missing_titles == 7
    assert np.bincount(columns.user).min() == 5
    assert np.bincount(columns.item).min() == 5


def test_gift_cards_repeats() -> None:
    columns, report = read_path(DATA / "amazon_gift_cards_2018")
    assert report.rows_read == 2_972
    assert dropped(report.to_json()) == {"repeated user-item pair": 7}
    assert report.items_without_interactions == {"kept": 0, "left_out": 1_547 - 148}
    assert report.missing_titles == 0
    assert set(columns.titles) & {"Amazon eGift Card"}


def test_movielens_ratings() -> None:
    columns, report = read_path(DATA / "ml-latest-small")
    assert columns.rating is not None
    assert (columns.rating.min(), columns.rating.max()) == (0.5, 5.0)
    assert report.items_without_interactions == {"kept": 18, "left_out": 0}
    assert "Toy Story (1995)" in columns.titles
