"""A workspace with a toy shop and a tiny model, asked by commands."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer import Typer
from typer.testing import CliRunner

from db import datasets
from db.store import Store
from tests.toys import toy_columns

WIDE = {"COLUMNS": "200"}

Ask = Callable[..., Any]


def workspace(patch: pytest.MonkeyPatch, home: Path) -> None:
    """A workspace at `home` with the data set `toy`; every command of this process uses it."""
    patch.setenv("DUALENS_HOME", str(home))
    patch.delenv("DUALENS_DATABASE_URL", raising=False)
    patch.setenv("DUALENS_DEVICE", "cpu")
    with Store.open() as store:
        columns = toy_columns(users=12, items=30, length=8)
        datasets.insert(store, "toy", columns, kind="generic", source="t", fingerprint="toy", report={})


def text_of(app: Typer, *words: str) -> str:
    """What a command prints."""
    result = CliRunner().invoke(app, list(words), catch_exceptions=False, env=WIDE)
    assert result.exit_code == 0, result.output
    return result.stdout


def json_of(app: Typer, *words: str) -> Any:
    """What a command prints with --json."""
    return json.loads(text_of(app, *words, "--json"))
