"""A server of a tiny model, and an endpoint that was tried out on it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from db import datasets
from db.settings import Settings
from db.store import Store
from engine.context import Engine
from tests.engine.conftest import make_loaded
from tests.support.endpoint import Server, serving
from tests.toys import toy_columns


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    """serve(family, tokenizer, ...): a server that answers from a tiny model."""
    with ExitStack() as open_:

        def started(family: str = "llama", tokenizer: str = "bpe", **how: Any) -> Server:
            return open_.enter_context(serving(make_loaded(family, tokenizer), **how))

        yield started


@pytest.fixture
def engine(store: Store, settings: Settings) -> Engine:
    """An engine whose store holds a data set of 12 users and 30 items."""
    columns = toy_columns(users=12, items=30, length=8)
    datasets.insert(store, "toy", columns, kind="generic", source="test", fingerprint="toy", report={})
    return Engine(store, settings)


def silent(*_: object, **__: object) -> None:
    """A report that nobody reads."""
