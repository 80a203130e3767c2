"""The page's server: closed pages give back what they held."""

from types import SimpleNamespace

from streamlit.runtime import Runtime
from streamlit.runtime.caching.ttl_cache import TTLCache
from streamlit.runtime.memory_session_storage import MemorySessionStorage

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
