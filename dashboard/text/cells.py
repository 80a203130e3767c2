"""Tables that leave the dashboard as CSV: no cell of them runs in a spreadsheet.

A spreadsheet takes a cell that begins with `=`, `+`, `-`, `@`, a tab or a return for a formula, whoever wrote
it; titles and ids come from outside. An apostrophe in front makes it text. Numbers stay numbers.
"""

import re
from csv import QUOTE_NONNUMERIC
from typing import Any

import pandas as pd

_FORMULA = re.compile(r"[=+\-@\t\r]")
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?(e[+-]?\d+)?", re.IGNORECASE)


def guarded(value: Any) -> Any:
    """The cell, as text where a spreadsheet would run it."""
    formula = isinstance(value, str) and _FORMULA.match(value) and not _NUMBER.fullmatch(value)
    return f"'{value}" if formula else value


def csv(frame: pd.DataFrame) -> str:
    """The table without its index, every cell and every name of a column guarded, and all text in quotes: a
    return within a cell begins no line."""
    return frame.map(guarded).rename(columns=guarded).to_csv(index=False, quoting=QUOTE_NONNUMERIC)
