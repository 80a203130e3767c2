"""Pages run against a fresh store in a temporary workspace, with the fake engine beside them where asked."""

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
from streamlit import config
from streamlit.components.v2 import manifest_scanner
from streamlit.runtime.scriptrunner.script_cache import ScriptCache
from streamlit.testing.v1 import AppTest, app_test

from db.settings import Settings
from db.store import Store

APP = Path(__file__).parents[2] / "dashboard" / "app.py"


@pytest.fixture(scope="session", autouse=True)
def _pages_are_prepared_once() -> Iterator[None]:
    """With every draw of a page under test, Streamlit reads the metadata of all installed packages, compiles
    the page's script, and counts the commands for its statistics, which the real server does not send."""
    found, scripts = cache(manifest_scanner.scan_component_manifests), ScriptCache()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(manifest_scanner, "scan_component_manifests", found)
        patch.setattr(app_test, "ScriptCache", lambda: scripts)
        config.set_option("browser.gatherUsageStats", False)
        yield


@pytest.fixture
def home(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The environment points at the workspace of the `store` fixture."""
    monkeypatch.setenv("DUALENS_HOME", str(settings.home))
    monkeypatch.delenv("DUALENS_DATABASE_URL", raising=False)
    return settings.home


@pytest.fixture
def open_page(home: Path, store: Store) -> Callable[..., AppTest]:
    """`open_page("compare", a=..., b=...)`: a page as a browser with that link would get it."""

    def open_(page: str = "recommend", **params: str) -> AppTest:
        app = AppTest.from_file(str(APP), default_timeout=180)
        if page != "recommend":
            app.run()
            app.switch_page(f"screens/{page}/page.py")
        app.query_params.clear()
        for name, value in params.items():
            app.query_params[name] = value
        return app.run()

    return open_
