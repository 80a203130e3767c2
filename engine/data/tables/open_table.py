"""The table in a file, recognised by its content.

Boundary: reads the first bytes only; the three kinds of table read the rest.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any

from engine.data.files import Broken, Member
from engine.data.tables.delimited import guess_text_table
from engine.data.tables.json_lines import json_table, parse_object
from engine.data.tables.json_values import open_values
from engine.data.tables.matrix import matrix_reason
from engine.data.tables.parquet import parquet_table
from engine.data.tables.sections import section_table
from engine.data.tables.table import Table
from engine.data.text import text_head

LOOK = 20  # lines
LOOK_SECTIONS = 1000  # lines, of which one is a heading at least


def open_table(member: Member) -> Table:
    """The table in a member, by content; raises Broken with the reason when there is none to be read."""
    table = _table(member)
    if reason := matrix_reason(table):
        raise Broken(reason)
    return table


def _table(member: Member) -> Table:
    head = member.head(4096)
    if head.startswith(b"PAR1"):
        return parquet_table(member)
    lines = [line for line in text_head(member) if line.strip()]
    if lines and re.match(r"\s*[\[{]", lines[0]):
        return _json(member, lines)
    return section_table(member, lines[:LOOK_SECTIONS]) or guess_text_table(member)


def _json(member: Member, lines: list[str]) -> Table:
    """JSON: an object (or Python dictionary) per line, or another form."""
    objects = [value for line in lines[:LOOK] if (value := _object(line)) is not None]
    alone = len(lines) == 1 and not any(_is_plain(v) for value in objects for v in value.values())
    if objects and not alone and not lines[0].lstrip().startswith("["):
        return json_table(member)
    return open_values(member, "\n".join(lines))


def _object(line: str) -> dict[str, Any] | None:
    """The object that a line is by itself."""
    with suppress(ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return parse_object(line)
    return None


def _is_plain(value: Any) -> bool:
    return not isinstance(value, dict | list)
