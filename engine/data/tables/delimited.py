"""How a delimited text file is laid out: its delimiter, its quoting, whether it has a header.

Boundary: looks at the first lines only; says nothing about what the columns mean.
"""

from __future__ import annotations

import csv
from collections import Counter

from engine.data.column_names import NAMELESS, known_name
from engine.data.files import Broken, Member
from engine.data.tables.text_table import TextTable
from engine.data.text import text_head
from engine.data.values import is_date, is_number

DELIMITERS = ("\t", "::", ",", ";", "|", " ")
LOOK = 100  # lines


def guess_text_table(member: Member) -> TextTable:
    """The table in a text member; raises Broken with the reason when its lines do not split into columns."""
    lines = [line for line in text_head(member) if line.strip()][:LOOK]
    if not lines:
        raise Broken("the file has no text")
    delimiter, quoting = _delimiter(lines)
    first = _fields(lines[0], delimiter, quoting)
    header = _has_header(first, [_fields(line, delimiter, quoting) for line in lines[1:]])
    columns = _unique(first) if header else tuple(NAMELESS.format(n) for n in range(1, len(first) + 1))
    return TextTable(member, delimiter, columns, int(header), quoting)


def _delimiter(lines: list[str]) -> tuple[str, bool]:
    """The delimiter that gives most lines the same number (>= 2) of columns; whether quotes are quotes."""
    best: tuple[float, str, bool] | None = None
    for delimiter in DELIMITERS:
        quotable = len(delimiter) == 1 and delimiter != " "
        quoting = quotable and (delimiter != "\t" or any(_is_quoted(line) for line in lines))
        counts = Counter(len(_fields(line, delimiter, quoting)) for line in lines)
        width, agreeing = max(counts.items(), key=lambda pair: (pair[1], pair[0]))
        share = agreeing / len(lines)
        if width >= 2 and (best is None or share > best[0] + 0.1):
            best = (share, delimiter, quoting)
    if best is None or best[0] < 0.5:
        raise Broken(
            "its lines do not split into the same number of columns by tab, '::', comma, semicolon, '|' or "
            f"space; the first is {lines[0][:60]!r}"
        )
    return best[1], best[2]


def _is_quoted(line: str) -> bool:
    """A tab-separated field is quoted the CSV way: opens and closes with a quote."""
    return any(len(f) > 1 and f[0] == f[-1] == '"' for f in line.split("\t"))


def _fields(line: str, delimiter: str, quoting: bool) -> list[str]:
    if quoting and '"' in line:
        try:
            return next(csv.reader([line], delimiter=delimiter), [])
        except csv.Error:
            pass
    return line.split(delimiter)


def _has_header(first: list[str], rest: list[list[str]]) -> bool:
    """A header names its columns: no number or date in it, no empty or repeated name."""
    names = [name.strip() for name in first]
    if any(is_number(name) or is_date(name) for name in names) or len(set(names)) < len(names):
        return False
    if any(is_number(cell) or is_date(cell) for row in rest for cell in row):
        return True
    return any(known_name(name) for name in names)


def _unique(names: list[str]) -> tuple[str, ...]:
    return tuple(name.strip() or NAMELESS.format(n) for n, name in enumerate(names, 1))
