"""A server of a tiny model, and an endpoint that was tried out on it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from db import datasets, models
from db.endpoints import Endpoint
from db.settings import Settings
from db.store import Store
from engine.context import REMOTE, Engine
from engine.endpoint.client import Client
from engine.endpoint.probe import probe
from engine.endpoint.scoring import Remote
from engine.jobs.handlers import HANDLERS
from engine.llm.loading.identity import Identity
from engine.llm.scoring.ranking import Task
from tests.engine.conftest import TITLES, make_loaded
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


HISTORY, CANDIDATES = TITLES[2:6], TITLES[5:10]


@contextmanager
def remote(server: Server, **how):
    probed = probe(Endpoint(server.url, "", **how), pause_s=0.001)
    info = models.ModelInfo(
        "far", probed.endpoint.source, "1", "endpoint", 0, probed.context_length,
        {"endpoint": probed.endpoint.as_dict()},
    )  # fmt: skip
    with Client(probed.endpoint, pause_s=0.001) as client:
        yield Remote(info, client, Identity("1", REMOTE, REMOTE, ""))


def task(demos, scoring: str, **how) -> Task:
    return Task(demos, HISTORY, CANDIDATES, 2, scoring=scoring, **how)  # type: ignore[arg-type]


def near(found: list[float], local: list[float]) -> bool:
    return found == pytest.approx(local, abs=1e-3)


@pytest.fixture
def both(
    engine: Engine, serve: Callable[..., Server], model_folder: Callable[..., Path]
) -> Callable[..., Server]:
    """both(...): the same model in memory as "near" and behind an endpoint as "far", or another `name`."""
    engine.register("near", str(model_folder("llama")))

    def added(**how) -> Server:
        asked = {name: how.pop(name) for name in ("budget", "key_from", "name", "context") if name in how}
        server = serve(**how)
        HANDLERS["register_model"](engine, {"name": "far", **asked, "source": server.url}, silent)
        server.asked.clear()
        server.tokens = 0
        return server

    return added
