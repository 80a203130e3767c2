"""An import's report, readable."""

from dashboard.screens.library.import_report import findings, preview_table, summary

REPORT = {
    "rows_read": 1000,
    "rows_kept": 990,
    "users": 50,
    "items": 80,
    "seconds": 1.5,
    "dropped": {
        "rating not a number": {
            "count": 10,
            "examples": [{"file": "<b>ratings</b>.csv", "line": 7, "detail": "'five'"}],
        }
    },
    "item_rows_dropped": {},
    "repaired": {"title cleaned": {"count": 3, "examples": []}},
    "ties": {"users": 4, "share": 0.08},
    "missing_titles": 2,
    "notes": ["The file has no header."],
}


def test_summary() -> None:
    assert summary(REPORT) == "990 of 1,000 rows kept: 50 users, 80 items in 1.50 s."
    assert "not made from files" in summary({})


def test_findings_name_file_line_and_reason() -> None:
    table = findings(REPORT)
    assert list(table["reason"]) == [
        "rating not a number",
        "title cleaned",
    ]
    assert table["examples"][0] == "<b>ratings</b>.csv, line 7: 'five'"
    assert list(table["count"]) == [10, 3]


def test_a_clean_import_has_no_findings() -> None:
    assert findings({"rows_read": 5, "rows_kept": 5}).empty


def test_preview_survives_ragged_rows_and_equal_names() -> None:
    table = preview_table({"columns": ["id", "id", ""], "rows": [[1, None], ["a", "b", "c", "d"]]})
    assert list(table.columns) == ["id", "id (2)", "(no title)", "column 4"]
    assert list(table.iloc[0]) == ["1", "", "", ""]
    assert list(table.iloc[1]) == ["a", "b", "c", "d"]
