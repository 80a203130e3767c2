"""One store for all examples of a module: every example inserts data sets of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from db.settings import Settings
from db.store import Store


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A fresh SQLite store."""
    home: Path = tmp_path_factory.mktemp("demos")
    with Store.open(Settings(home=home, database_url=f"sqlite:///{home}/dualens.db")) as opened:
        yield opened
