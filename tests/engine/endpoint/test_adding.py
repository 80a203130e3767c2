"""A model behind an address is registered like any other, by whoever may name addresses."""

from collections.abc import Callable
from pathlib import Path

import pytest

from db import models
from db.errors import BadInput, Conflict, ModelError
from db.requests import RunRequest, TuneRequest
from engine.context import Engine
from engine.jobs.handlers import HANDLERS
from engine.tasks.catalogue import recommend
from engine.tasks.verify import verify
from engine.tuning.tune import tune
from tests.engine.endpoint.conftest import silent
from tests.support.endpoint import Server

Serve = Callable[..., Server]


def add(engine: Engine, server: Server, **how) -> dict:
    asked = {"name": "far", "source": server.url, **how}
    return HANDLERS["register_model"](engine, asked, silent)


def test_what_was_found_stands_with_the_model(engine: Engine, serve: Serve) -> None:
    server = serve()
    done = add(engine, server, concurrency=2, timeout=9, budget=1000)
    info = models.get(engine.store, "far")
    assert info.endpoint is not None
    assert info.source == f"{server.url}#tiny"
    assert (info.endpoint.concurrency, info.endpoint.timeout_s, info.endpoint.budget) == (2, 9.0, 1000)
    assert (info.scoring, info.context_length, info.endpoint.ways.prompt) == ("calibrated", 512, "echo")
    assert done["found"][0] == "log-probabilities of a prompt's tokens: yes (echo)"
    assert engine.registered("far") == info
    assert not info.broken


def test_asking_again_finds_out_anew(engine: Engine, serve: Serve) -> None:
    server = serve()
    add(engine, server)
    first = models.get(engine.store, "far")
    add(engine, server, budget=9999)
    assert models.get(engine.store, "far").revision == first.revision
    server.lacks |= {"echo", "prompt_logprobs"}
    assert add(engine, server)["notes"]
    again = models.get(engine.store, "far")
    assert again.scoring == "yes_no"
    assert again.revision != first.revision


def test_a_name_that_is_taken_stays(engine: Engine, serve: Serve) -> None:
    add(engine, serve())
    with pytest.raises(Conflict):
        add(engine, serve())


def test_the_key_is_in_no_file(engine: Engine, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOY_KEY", "sk-right-and-secret")
    server = serve(key="sk-right-and-secret")
    add(engine, server, key_from="TOY_KEY")
    assert models.get(engine.store, "far").endpoint.key_from == "TOY_KEY"  # type: ignore[union-attr]
    for file in engine.settings.home.rglob("*"):
        assert not file.is_file() or b"right-and-secret" not in file.read_bytes(), file


@pytest.mark.parametrize("within", [{"within": []}, {"within": ["/data"]}])
def test_a_page_that_others_reach_calls_no_address(engine: Engine, serve: Serve, within: dict) -> None:
    server = serve()
    with pytest.raises(BadInput, match="Addresses are not called for visitors"):
        add(engine, server, **within)
    assert server.asked == []


def test_nor_does_an_engine_that_is_confined_by_itself(engine: Engine, serve: Serve, tmp_path: Path) -> None:
    engine.settings = engine.settings.model_copy(update={"folders": (tmp_path,)})
    server = serve()
    with pytest.raises(BadInput, match="Addresses are not called for visitors"):
        add(engine, server)
    assert server.asked == []


def test_what_is_out_of_bounds_is_named(engine: Engine, serve: Serve) -> None:
    server = serve()
    for field, value in (("concurrency", 100), ("timeout", 0.1), ("budget", 1), ("context", 3)):
        with pytest.raises(BadInput, match=field):
            add(engine, server, **{field: value})
    with pytest.raises(BadInput, match="needs a name"):
        HANDLERS["register_model"](engine, {"source": server.url}, silent)
    assert server.asked == []


def test_an_address_is_no_name_of_a_model(engine: Engine, serve: Serve) -> None:
    server = serve()
    with pytest.raises(BadInput, match="registered before it is used"):
        engine.registered(server.url)
    assert server.asked == []


def test_what_needs_weights_says_so(engine: Engine, serve: Serve) -> None:
    add(engine, serve())
    request = RunRequest(dataset="toy", user="u8", model="far", demos="neighbours:2", candidates=6)
    for work in (
        lambda: verify(engine, "far"),
        lambda: recommend(engine, request),
        lambda: engine.load(engine.registered("far")),
        lambda: tune(engine, TuneRequest(dataset="toy", base="far"), silent),
    ):
        with pytest.raises((BadInput, ModelError), match="needs a model whose weights are here"):
            work()
