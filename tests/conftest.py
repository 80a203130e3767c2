"""What every test may use: a fresh store and a data set small enough to check by hand."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from db.datasets import DatasetColumns
from db.settings import Settings
from db.store import Store
from tests import toys


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings of a workspace that does not exist yet; the environment has no say."""
    home = tmp_path / "home"
    return Settings(home=home, database_url=f"sqlite:///{home}/dualens.db", device="cpu", dtype="float32")


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    """A fresh SQLite store in a temporary folder."""
    with Store.open(settings) as opened:
        yield opened


@pytest.fixture
def toy_columns() -> Callable[..., DatasetColumns]:
    """`tests.toys.toy_columns`, for tests that prefer a fixture to an import."""
    return toys.toy_columns
