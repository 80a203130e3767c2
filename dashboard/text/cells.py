"""Tables that leave the dashboard as CSV: no cell of them runs in a spreadsheet (`db.cells`)."""

from csv import QUOTE_NONNUMERIC

import pandas as pd

from db.cells import guarded


def csv(frame: pd.DataFrame) -> str:
    """The table without its index, every cell and every name of a column guarded, and all text in quotes: a
    return within a cell begins no line."""
    return frame.map(guarded).rename(columns=guarded).to_csv(index=False, quoting=QUOTE_NONNUMERIC)
