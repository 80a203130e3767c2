"""A real browser against a real Streamlit server; skipped where Chromium or playwright is missing."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from db.settings import Settings
from db.store import Store
from tests.support.server import forked, served

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)


@pytest.fixture
def serve(settings: Settings) -> Iterator[Callable[[list[str]], str]]:
    """`serve(command)` starts a server on a free port (`{port}` in the command) and returns its address."""
    with ExitStack() as servers:
        yield lambda command: servers.enter_context(served(settings, command))


@pytest.fixture
def dashboard(settings: Settings, store: Store) -> Iterator[str]:
    """The address of the page alone, on the workspace of the `store` fixture; the engine is the test's."""
    with forked(settings) as address:
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Headless Chromium. Not for the whole session: no other test could run an event loop beside it."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def tab(browser: Any) -> Iterator[Any]:
    """The one tab of the module: opening another costs as much as drawing a page."""
    from tests.e2e.waiting import PATIENCE_MS  # needs playwright, as the browser does

    context = browser.new_context()
    opened = context.new_page()
    opened.set_default_timeout(PATIENCE_MS)
    yield opened
    context.close()


@pytest.fixture
def page(tab: Any) -> Iterator[Any]:
    """A page at 1440 x 900 that fails the test when a script of a title runs.

    Nothing is left of the test before: what pages keep belongs to its server's port, cookies are deleted.
    """
    tab.set_viewport_size({"width": 1440, "height": 900})
    tab.emulate_media(color_scheme="light")
    alerts: list[str] = []

    def dismissed(dialog: Any) -> None:
        alerts.append(dialog.message)
        dialog.dismiss()

    tab.on("dialog", dismissed)
    yield tab
    tab.remove_listener("dialog", dismissed)
    for other in tab.context.pages:
        if other != tab:
            other.close()
    tab.mouse.up()
    tab.goto("about:blank")
    tab.context.clear_cookies()
    tab.context.clear_permissions()
    assert not alerts
