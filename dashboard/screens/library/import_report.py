"""An import's report as tables a person reads. No Streamlit, no store."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from dashboard.text.formats import count, plural, seconds
from dashboard.text.literal import plain

FIELDS = {
    "user": "User",
    "item": "Item",
    "timestamp": "Time",
    "rating": "Rating",
    "title": "Title",
    "category": "Category",
    "brand": "Brand",
    "history": "History",
    "history_title": "Titles of the history",
    "file": "File of the interactions",
    "items_file": "Item file",
    "items_item": "Item file: item",
    "items_title": "Item file: title",
    "items_category": "Item file: category",
    "items_brand": "Item file: brand",
}


def summary(report: Mapping[str, Any]) -> str:
    """One sentence: what was read, what was kept. Plain text."""
    if not report.get("rows_read"):
        return "This data set was not made from files."
    kept = f"{count(report.get('rows_kept', 0))} of {count(report['rows_read'])} rows kept"
    users = f"{plural(report.get('users', 0), 'user')}, {plural(report.get('items', 0), 'item')}"
    took = f" in {seconds(report['seconds'])}" if report.get("seconds") else ""
    return f"{kept}: {users}{took}."


def findings(report: Mapping[str, Any]) -> pd.DataFrame:
    """Everything that was left out or repaired, one row per reason; plain text in every cell."""
    rows: list[tuple[str, str, int, str]] = []
    for part, label in (
        ("dropped", "row left out"),
        ("item_rows_dropped", "item row left out"),
        ("repaired", "repaired and kept"),
    ):
        for reason, entry in (report.get(part) or {}).items():
            rows.append((label, plain(reason), int(entry["count"]), _examples(entry.get("examples") or [])))
    return pd.DataFrame(rows, columns=["what", "reason", "count", "examples"])


def _examples(examples: list[Mapping[str, Any]]) -> str:
    """file, line 3: detail; ..."""
    parts = []
    for each in examples:
        where = plain(each.get("file") or "", 40)
        line = f", line {each['line']}" if each.get("line") else ""
        detail = f": {plain(each['detail'], 80)}" if each.get("detail") else ""
        parts.append(f"{where}{line}{detail}")
    return "; ".join(parts)


def preview_table(preview: Mapping[str, Any]) -> pd.DataFrame:
    """The first raw rows under their column names, every cell as text."""
    names = [plain(name, 40) for name in preview["columns"]]
    # Two columns may carry one name in a file; a table needs them apart.
    unique = [name if names.index(name) == at else f"{name} ({at + 1})" for at, name in enumerate(names)]
    rows = [["" if cell is None else plain(cell, 120) for cell in row] for row in preview["rows"]]
    width = max([len(unique), *map(len, rows)])
    unique += [f"column {at + 1}" for at in range(len(unique), width)]
    return pd.DataFrame([row + [""] * (width - len(row)) for row in rows], columns=unique, dtype="str")
