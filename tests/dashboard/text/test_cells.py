"""No cell of an exported table runs in a spreadsheet, and numbers stay numbers."""

import csv
import io
from pathlib import Path

import pandas as pd
import pytest
import streamlit

from dashboard.text import cells
from dashboard.ui import style

STARTS = ["=", "+", "-", "@", "\t", "\r", "=HYPERLINK(", "-2+3+cmd|' /C calc'!A0", "+x"]


@pytest.mark.parametrize("start", STARTS)
def test_a_cell_that_a_spreadsheet_would_run_is_text(start: str) -> None:
    frame = pd.DataFrame({"title": [f"{start}A1"], f"{start}n": [start]})
    header, row = csv.reader(io.StringIO(cells.csv(frame), newline=""))
    assert row == [f"'{start}A1", f"'{start}"]
    assert header == ["title", f"'{start}n"]


@pytest.mark.parametrize("value", [-1.5, "-1.5", "+3", "-2e-05", 7, "a=b", "", None, "'=A1"])
def test_everything_else_stays_as_it_is(value: object) -> None:
    assert cells.guarded(value) is value


def test_a_return_within_a_cell_begins_no_line() -> None:
    text = cells.csv(pd.DataFrame({"title": ["a\r=A1"], "n": [-0.5]}))
    assert text == '"title","n"\n"a\r=A1",-0.5\n'


def test_the_unguarded_export_of_streamlit_is_hidden() -> None:
    scripts = Path(streamlit.__file__).parent / "static" / "static" / "js"
    [table] = scripts.glob("DataFrame.*.js")
    assert "`Download as CSV`" in table.read_text(encoding="utf-8")
    hidden = '[data-testid="stElementToolbarButton"] [aria-label^="Download as CSV"] { display: none; }'
    assert hidden in style.css("light")


def test_rows_are_guarded_like_a_table() -> None:
    rows = [{"title": "=1+1", "rank": 2, "=head": None}, {"title": 'a "b"\nc', "rank": -0.5, "=head": True}]
    assert cells.rows_csv(rows) == '"title","rank","\'=head"\n"\'=1+1",2,""\n"a ""b""\nc",-0.5,True\n'
