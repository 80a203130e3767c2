"""What every test may use: a fresh store and a data set small enough to check by hand."""

import os

# One thread per process: tests run in parallel, and the processes that they start inherit this.
os.environ["OMP_NUM_THREADS"] = "1"

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest

from db.datasets import DatasetColumns
from db.settings import Settings
from db.store import Store
from tests import toys

# No test depends on how long anything takes; on CI every run tries the same examples.
hypothesis.settings.register_profile(
    "dualens",
    deadline=None,
    derandomize="CI" in os.environ,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("dualens")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings of a workspace that does not exist yet; the environment has no say."""
    home = tmp_path / "home"
    return Settings(home=home, database_url=f"sqlite:///{home}/dualens.db", device="cpu", dtype="float32")


@pytest.fixture(scope="session")
def lay_store(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Settings], None]:
    """`lay_store(settings)` puts an empty SQLite store at the place of these settings.

    It is a copy of one that was migrated once: opening it finds nothing left to migrate. The migrations
    themselves are tested in `tests/db/test_store.py`.
    """
    home = tmp_path_factory.mktemp("template")
    with Store.open(Settings(home=home, database_url=f"sqlite:///{home}/dualens.db")):
        pass

    def lay(settings: Settings) -> None:
        place = Path(settings.prepare().database_url.removeprefix("sqlite:///"))
        shutil.copy(home / "dualens.db", place)

    return lay


@pytest.fixture
def store(settings: Settings, lay_store: Callable[[Settings], None]) -> Iterator[Store]:
    """A fresh SQLite store in a temporary folder."""
    lay_store(settings)
    with Store.open(settings) as opened:
        yield opened


@pytest.fixture
def toy_columns() -> Callable[..., DatasetColumns]:
    """`tests.toys.toy_columns`, for tests that prefer a fixture to an import."""
    return toys.toy_columns
