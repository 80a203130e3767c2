"""The page's server: closed pages give back what they held."""

import gc
import socket
import tomllib
import weakref
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from streamlit import config
from streamlit.runtime import Runtime
from streamlit.runtime.caching.ttl_cache import TTLCache
from streamlit.runtime.memory_session_storage import MemorySessionStorage
from streamlit.web.server.starlette import starlette_server

from dashboard import serve


def test_what_closed_pages_held_is_freed_without_another_page_closing() -> None:
    now, over = 0.0, []
    closed: TTLCache = TTLCache(maxsize=9, ttl=serve.SESSION_S, timer=lambda: now)

    def page(name: str) -> SimpleNamespace:
        return SimpleNamespace(session=SimpleNamespace(shutdown=lambda: over.append(name)))

    closed["a"] = page("a")
    now = serve.SESSION_S - 1
    closed["b"] = page("b")
    serve.free(closed)
    assert over == []
    now = serve.SESSION_S + 1
    serve.free(closed)
    assert over == ["a"]
    assert list(closed) == ["b"]


def test_streamlit_keeps_closed_pages_where_they_are_looked_for() -> None:
    assert isinstance(MemorySessionStorage()._cache, TTLCache)
    assert "_session_mgr" in Runtime.__init__.__code__.co_names


class Held:
    """What a session keeps: it refers to itself, as sessions do."""

    def __init__(self) -> None:
        self.itself = self

    def shutdown(self) -> None:
        pass


@pytest.fixture
def uncollected() -> Iterator[None]:
    """Python collects nothing by itself meanwhile."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("uncollected")
def test_the_memory_of_closed_pages_returns_though_no_run_collects_it() -> None:
    now = 0.0
    closed: TTLCache = TTLCache(maxsize=9, ttl=serve.SESSION_S, timer=lambda: now)
    closed["a"] = SimpleNamespace(session=Held())
    held = weakref.ref(closed["a"].session)
    now = serve.SESSION_S + 1
    serve.free(closed)
    assert held() is None


def test_a_run_does_not_walk_all_objects_of_all_sessions() -> None:
    """Streamlit does that after each run: with eight people, four fifths of the server's time."""
    ours = tomllib.loads(Path(serve.__file__).with_name(".streamlit").joinpath("config.toml").read_text())
    assert config.get_option("runner.postScriptGC") is not None, "Streamlit has another name for it now"
    assert ours["runner"]["postScriptGC"] is False


def test_what_is_written_is_sentat_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where asyncio does not set it: Streamlit's socket does not say that it is TCP."""
    bind = serve.at_once(starlette_server._bind_socket)
    with bind("127.0.0.1", 0, 5) as listening, socket.create_connection(listening.getsockname()):
        listening.setblocking(True)
        accepted, _ = listening.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    bound = []
    monkeypatch.setattr(serve.st.App, "run", lambda *_, **__: bound.append(starlette_server._bind_socket))
    monkeypatch.setattr(starlette_server, "_bind_socket", starlette_server._bind_socket)
    monkeypatch.setattr(serve.sys, "argv", ["serve"])
    monkeypatch.setattr(serve.os, "umask", lambda _: None)
    serve.main()
    assert bound[0].__qualname__.startswith("at_once")
