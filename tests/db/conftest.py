"""The conformance suite runs over both databases: `store` here is SQLite, then PostgreSQL where installed."""

from collections.abc import Callable, Iterator

import pytest

from db import datasets
from db.datasets import DatasetInfo
from db.settings import Settings
from db.store import Store
from tests.db import postgres
from tests.toys import toy_columns


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[postgres.Server]:
    """One server for the session."""
    if reason := postgres.missing():
        pytest.skip(reason)
    with postgres.running() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> str:
    """The name of each database."""
    return request.param


@pytest.fixture
def settings(database: str, settings: Settings, request: pytest.FixtureRequest) -> Settings:
    """Settings of an empty store on each database; on PostgreSQL it is there and migrated."""
    if database == "postgresql":
        url = request.getfixturevalue("postgres_server").emptied()
        return settings.model_copy(update={"database_url": url})
    return settings


@pytest.fixture
def store(database: str, settings: Settings, lay_store: Callable[[Settings], None]) -> Iterator[Store]:
    """An empty store on each database."""
    if database == "sqlite":
        lay_store(settings)
    with Store.open(settings) as opened:
        yield opened


@pytest.fixture
def toy(store: Store) -> DatasetInfo:
    """The toy data set, stored as `toy`."""
    return datasets.insert(
        store, "toy", toy_columns(), kind="csv", source="toy.csv", fingerprint="f" * 64, report={"read": 25}
    )
