"""Tables that leave the dashboard as CSV: no cell of them runs in a spreadsheet (`db.cells`)."""

from collections.abc import Mapping, Sequence
from csv import QUOTE_NONNUMERIC, DictWriter
from io import StringIO
from typing import TYPE_CHECKING, Any

from db.cells import guarded

if TYPE_CHECKING:
    import pandas as pd


def csv(frame: "pd.DataFrame") -> str:
    """The table without its index, every cell and every name of a column guarded, and all text in quotes: a
    return within a cell begins no line."""
    return frame.map(guarded).rename(columns=guarded).to_csv(index=False, quoting=QUOTE_NONNUMERIC)


def rows_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """The same of rows; the first one says which columns there are."""
    text = StringIO()
    names = {name: guarded(name) for name in rows[0]}
    writer = DictWriter(text, list(names), quoting=QUOTE_NONNUMERIC, lineterminator="\n")
    writer.writerow(names)
    writer.writerows({name: guarded(row[name]) for name in names} for row in rows)
    return text.getvalue()
