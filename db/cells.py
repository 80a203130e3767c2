"""Cells of CSV files that no spreadsheet runs.

A spreadsheet takes a cell that begins with `=`, `+`, `-`, `@`, a tab or a return for a formula, whoever wrote
it; titles and ids come from outside. An apostrophe in front makes it text. Numbers stay numbers.
"""

import re
from typing import Any

_FORMULA = re.compile(r"[=+\-@\t\r]")
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?(e[+-]?\d+)?", re.IGNORECASE)


def guarded(value: Any) -> Any:
    """The cell, as text where a spreadsheet would run it."""
    formula = isinstance(value, str) and _FORMULA.match(value) and not _NUMBER.fullmatch(value)
    return f"'{value}" if formula else value
