"""The table in a file, recognised by its content.

Boundary: reads the first bytes only; the three kinds of table read the rest.
"""

from __future__ import annotations

import re

from engine.data.files import Member
from engine.data.tables.delimited import guess_text_table
from engine.data.tables.json_lines import JsonTable, json_head, parse_json, refuse_array
from engine.data.tables.parquet import parquet_table
from engine.data.tables.table import Table
from engine.data.text import text_head


def open_table(member: Member) -> Table:
    """The table in a member, by content; raises Broken with the reason when there is none."""
    head = member.head(4096)
    if head.startswith(b"PAR1"):
        return parquet_table(member)
    lines = text_head(member)
    refuse_array(lines[0])
    if re.match(r"\s*\{", lines[0]):
        records = json_head(member, parse_json)
        return JsonTable(member, tuple(dict.fromkeys(key for record in records for key in record)))
    return guess_text_table(member)
