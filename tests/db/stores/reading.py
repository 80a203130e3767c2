"""Stores that earlier versions wrote, unpacked for a test, and what they are known to hold.

Rows are read without the project's own code: it is what is being tested.
"""

import gzip
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from db.settings import Settings

HERE = Path(__file__).resolve().parent
EXPECTED: dict[str, Any] = json.loads((HERE / "expected.json").read_text(encoding="utf-8"))


def unpack(home: Path) -> Settings:
    """Settings of a workspace whose database is the one that version 0.1.0 wrote."""
    home.mkdir()
    database = home / "dualens.db"
    database.write_bytes(gzip.decompress((HERE / "version_0_1_0.sqlite.gz").read_bytes()))
    return Settings(home=home, database_url=f"sqlite:///{database}", device="cpu", dtype="float32")


def rows(settings: Settings, query: str) -> list[dict[str, Any]]:
    """What a query finds in the database file of these settings."""
    with closing(sqlite3.connect(settings.home / "dualens.db")) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(query)]


def tables(settings: Settings) -> list[str]:
    """Names of the tables in the database file of these settings."""
    found = rows(settings, "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
    return [row["name"] for row in found]


def run_of(**fields: Any) -> dict[str, Any]:
    """The one run kept whose request has these fields. Its entry in `EXPECTED`."""
    found = [
        run
        for run in EXPECTED["runs"]
        if not run["deleted"] and all(run["request"].get(name) == value for name, value in fields.items())
    ]
    assert len(found) == 1, (fields, [run["key"] for run in found])
    return found[0]
