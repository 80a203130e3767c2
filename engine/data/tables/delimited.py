"""How a delimited text file is laid out: its delimiter, its quoting, whether it has a header.

Boundary: looks at the first lines only; says nothing about what the columns mean.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from engine.data.column_names import known_name
from engine.data.files import Broken, Member
from engine.data.questions import Candidate, Question
from engine.data.tables.line_lists import LineListTable
from engine.data.tables.table import unique
from engine.data.tables.text_table import TextTable, escaped_fields
from engine.data.text import text_head
from engine.data.values import is_date, is_number

DELIMITERS = ("\t", "::", ",", ";", "|", " ")
LOOK = 100  # lines that tell the delimiter
LOOK_HEADER = 2000  # lines in which a value of the first may come back
COMES_BACK = 0.5  # distinct values per row of a column whose values come back

_SEPARATOR = re.compile(r"^sep=(.)$", re.I)  # Excel's first line
_VALUE = re.compile(r"[\[\]{}\"]")  # no column is called so
_ID = re.compile(r"^[A-Za-z_-]{0,12}\d+$")


@dataclass(frozen=True)
class Header:
    """Whether the first line names the columns; `sure`, or a person should say."""

    there: bool
    sure: bool = True


def guess_text_table(member: Member) -> TextTable | LineListTable:
    """The table in a text member; raises Broken with the reason when its lines do not split into columns."""
    whole = text_head(member)
    skip, told = _start(whole)
    lines = [line for line in whole[skip:] if line.strip()]
    if not lines:
        raise Broken("the file has no text")
    if not told and (delimiter := _ragged(lines[:LOOK])):
        return LineListTable(member, delimiter, skip)
    delimiter, quoting = told or _delimiter(lines[:LOOK])
    rows = [_fields(line, delimiter, quoting) for line in lines[:LOOK_HEADER]]
    width = Counter(map(len, rows[1:] or rows)).most_common(1)[0][0]
    first = [name.strip() for name in rows[0]]
    header = Header(member.header) if member.header is not None else _header(first, rows[1:])
    if header.there and len(first) == width - 1:
        first = ["", *first]  # R leaves the row names without one
    columns = unique(first) if header.there else unique([""] * max(width, len(first)))
    questions = () if header.sure else (_question(member, lines[0]),)
    return TextTable(member, delimiter, columns, skip + header.there, quoting, questions=questions)


def first_row(lines: Sequence[str]) -> int:
    """Where the first line with text is."""
    return next((k for k, line in enumerate(lines) if line.strip()), 0)


def _start(lines: Sequence[str]) -> tuple[int, tuple[str, bool] | None]:
    """The lines before the table (blank, comments, Excel's `sep=;`), and the delimiter where one says it."""
    at = first_row(lines)
    if at < len(lines) and (found := _SEPARATOR.match(lines[at].strip())):
        return at + 1 + first_row(lines[at + 1 :]), (found[1], True)
    while at + 1 < len(lines) and lines[at].startswith(("%", "# ")):
        at += 1
    return at, None


def _ragged(lines: Sequence[str]) -> str | None:
    """The delimiter of lines that name a user, then any number of items; None for other lines."""
    for delimiter in (" ", "\t", ","):
        rows = [line.strip().split(delimiter) for line in lines]
        if len({len(row) for row in rows}) < 3 or sum(len(row) > 2 for row in rows) < len(rows) / 2:
            continue
        if all(row[0] == str(len(row) - 1) for row in rows):
            raise Broken(
                "each line is a number of items and then the items, without the user; write the user, such "
                "as the line's number, in place of the first"
            )
        ids = sum(bool(_ID.match(cell)) for row in rows for cell in row)
        if ids >= 0.95 * sum(map(len, rows)) and len({row[0] for row in rows}) >= 0.95 * len(rows):
            return delimiter
    return None


def _delimiter(lines: list[str]) -> tuple[str, bool]:
    """The delimiter that gives most lines the same number (>= 2) of columns; whether quotes are quotes.

    One that splits the first line like the others goes first: decimal commas are no columns.
    """
    best: tuple[tuple[bool, float], str, bool] | None = None
    for delimiter in DELIMITERS:
        quoting = _quoting(delimiter, lines)
        widths = [len(_fields(line, delimiter, quoting)) for line in lines]
        width, agreeing = max(Counter(widths).items(), key=lambda pair: (pair[1], pair[0]))
        share = agreeing / len(lines)
        whole = widths[0] in (width, width - 1) and share >= 0.5 and widths[0] >= 2
        if width >= 2 and (
            best is None or (whole, share) > (best[0][0], best[0][1] + 0.1 * (whole <= best[0][0]))
        ):
            best = ((whole, share), delimiter, quoting)
    if best is None or best[0][1] < 0.5:
        raise Broken(
            "its lines do not split into the same number of columns by tab, '::', comma, semicolon, '|' "
            "or space"
        )
    return best[1], best[2]


def _quoting(delimiter: str, lines: Sequence[str]) -> bool:
    """Whether quotes are quotes. Between tabs they mostly are plain characters of a title."""
    if len(delimiter) != 1 or delimiter == " ":
        return False
    if delimiter != "\t":
        return True
    quoted = [[_is_quoted(field) for field in line.split("\t")] for line in lines]
    if any('""' in field[1:-1] for line in lines for field in line.split("\t") if _is_quoted(field)):
        return True
    width = Counter(map(len, quoted)).most_common(1)[0][0]
    rows = [row for row in quoted[1:] if len(row) == width]
    return any(all(column) for column in zip(*rows, strict=True)) if rows else False


def _is_quoted(field: str) -> bool:
    return len(field) > 1 and field[0] == field[-1] == '"'


def _fields(line: str, delimiter: str, quoting: bool) -> list[str]:
    if quoting and '"' in line:
        try:
            return next(csv.reader([line], delimiter=delimiter, strict='\\"' in line), [])
        except csv.Error:
            pass
        if row := escaped_fields(line, delimiter):
            return row
        try:
            return next(csv.reader([line], delimiter=delimiter), [])
        except csv.Error:
            pass
    return line.split(delimiter)


def _header(names: list[str], rows: list[list[str]]) -> Header:
    """A header has no number or date, and its words do not come back in their columns."""
    if any(is_number(name) or is_date(name) for name in names):
        return Header(False)
    rows = [row for row in rows if len(row) in (len(names), len(names) + 1)]
    if any(is_number(cell) or is_date(cell) for row in rows[:LOOK] for cell in row):
        return Header(True)
    known = [known_name(name) and not _VALUE.search(name) for name in names]
    if not rows:
        return Header(any(known))
    columns = list(zip(*(row[: len(names)] for row in rows), strict=True))
    again = [name in column for name, column in zip(names, columns, strict=True)]
    if all(again):  # files with headers, one after the other
        return Header(any(known))
    if any(known):  # a category of a row may be called like a column, and comes back
        return Header(any(k and not a for k, a in zip(known, again, strict=True)))
    if any(again):
        return Header(False)
    back = any(len(set(column)) <= COMES_BACK * len(column) for column in columns)
    return Header(True, sure=back)


def _question(member: Member, line: str) -> Question:
    reason = f"it is not clear whether line 1 of {member.name} names the columns: {line[:60]!r}"
    return Question("header", reason, (Candidate("yes"), Candidate("no")), option="header")
