"""Tables that are a matrix: a row per user, a column per item, ratings in the cells.

Boundary: tells them from tables of rows by the first of these; reads nothing else.
"""

from __future__ import annotations

from statistics import median

from engine.data.column_names import EXACT, named_as
from engine.data.tables.table import Table
from engine.data.values import is_empty, is_number

FROM = 20  # columns
LOOK = 50  # rows
ALIKE = 3.0  # the largest numbers of the columns of one scale are within this factor
SHARE = 0.9  # of the columns


def matrix_reason(table: Table) -> str | None:
    """Why a table cannot be read as it is where it looks like a matrix, None for other tables."""
    names = table.columns
    if len(names) < FROM or any(named_as(name, "item") == EXACT for name in names):
        return None
    rows = [row for row in table.sample()[:LOOK] if len(row) == len(names)]
    largest = []
    for cells in list(zip(*rows[1:], strict=True))[1:]:  # the first row may be a header of numbers
        some = [cell for cell in cells if not is_empty(cell)]
        if not all(is_number(cell) for cell in some):
            largest.append(-1.0)
        elif high := max((abs(float(cell)) for cell in some), default=0.0):
            largest.append(high)
    marks = [high for high in largest if high > 0]
    if not marks:
        return None
    middle = median(marks)
    alike = sum(middle / ALIKE <= high <= middle * ALIKE for high in marks)
    if alike < SHARE * len(largest):
        return None
    return (
        f"it looks like a matrix of {len(names):,} columns, a row per user and a column per item; write a "
        "row for each rating (pandas: frame.melt(id_vars=['user'])) and import that"
    )
