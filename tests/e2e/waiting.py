"""What browser tests wait with. A page is never read once right after a wait for something else.

`expect` repeats a question about a part of the page until it holds (`playwright.sync_api.expect`), `until`
one about anything else. Both are patient, because a machine may be many times slower than another; neither
makes a right page wait.
"""

import time
from collections.abc import Callable
from typing import Any

import pytest

PATIENCE_MS = 180_000
LOOK_MS = 50  # else the browser looks with every frame, and draws one in order to

_playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
NotInTime = _playwright.TimeoutError
expect = _playwright.expect
expect.set_options(timeout=PATIENCE_MS)

STILL = "document.querySelector('[data-test-script-state]')?.dataset.testScriptState === 'notRunning'"


def until(page: Any, holds: Callable[[], object], what: str) -> None:
    """Ask again and again until something holds; the browser goes on meanwhile. Fails with `what`."""
    deadline = time.monotonic() + PATIENCE_MS / 1000
    while not holds():
        assert time.monotonic() < deadline, what
        page.wait_for_timeout(50)


def script(page: Any, holds: str, arg: Any = None) -> None:
    """Until this script of the browser's is true, or this function of `arg`."""
    page.wait_for_function(holds, arg=arg, polling=LOOK_MS)


def still(page: Any) -> None:
    """Until the page is drawn to its end: a moment later nothing is being drawn either."""
    for _ in range(2):
        script(page, STILL)
        page.wait_for_timeout(100)
    script(page, STILL)


def navigate(page: Any, title: str) -> None:
    """Open another page through the navigation; the Guide's text has links of the same words."""
    page.get_by_test_id("stSidebar").get_by_role("link", name=title, exact=True).click()
