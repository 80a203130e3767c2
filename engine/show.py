"""How the command line prints: JSON for scripts, plain tables for people. Knows no models and no store."""

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

console = Console(highlight=False, soft_wrap=False)


def as_json(value: Any) -> None:
    """Print one JSON document; titles keep their letters, so the stream is UTF-8 whatever the locale."""
    text = json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False)
    sys.stdout.buffer.write(text.encode("utf-8", "backslashreplace") + b"\n")


def table(rows: Iterable[Sequence[Any]], *columns: str, title: str | None = None) -> None:
    """Print rows under column names; cells are literal text, numbers stand right."""
    grid = Table(title=title, title_justify="left", box=None, header_style="dim", pad_edge=False)
    rows = [list(row) for row in rows]
    for index, column in enumerate(columns):
        numeric = bool(rows) and all(isinstance(row[index], int | float | None) for row in rows)
        grid.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        grid.add_row(*(Text(cell(value)) for value in row))
    console.print(grid)


def line(text: str) -> None:
    """Print one literal line."""
    console.print(Text(text))


def cell(value: Any) -> str:
    """A value as a person reads it: numbers with 4 significant places, nothing for None."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else ""
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, int):
        return f"{value:,}"
    return str(value)
