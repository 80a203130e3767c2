"""The one command, the real engine, an empty workspace: a result opens, another user is ranked live."""

from collections.abc import Callable
from typing import Any

import pytest

from db import runs
from db.settings import Settings
from db.store import Store
from tests.e2e.conftest import ROOT

pytestmark = pytest.mark.e2e
MODEL = ROOT / "engine" / "embedded" / "model.safetensors"


@pytest.mark.skipif(not MODEL.exists(), reason="the embedded model is not in this checkout")
def test_from_an_empty_workspace_to_a_weighed_run(
    page: Any, serve: Callable[[list[str]], str], settings: Settings
) -> None:
    page.goto(serve(["-m", "dashboard", "--port", "{port}", "--no-browser"]))
    page.get_by_text("In one sentence").wait_for(timeout=120_000)
    page.get_by_text("engine ready").wait_for()
    page.get_by_text("2,000 users").wait_for()

    earlier = page.locator('[class*="st-key-weight-"]').first.get_attribute("class")
    page.get_by_role("button", name="Surprise me").click()
    page.get_by_text("Computed just now").wait_for()
    first = page.locator('[class*="st-key-weight-"]').first
    for _ in range(100):
        if first.get_attribute("class") != earlier:
            break
        page.wait_for_timeout(100)
    page.get_by_text("A reconstruction of LRGD").wait_for()
    page.wait_for_timeout(2000)  # the effects redraw the desk; a key pressed during that is lost
    page.get_by_role("slider").first.press("ArrowRight")
    page.wait_for_url("**/*1.1*")
    page.get_by_role("link", name="Compare with the previous run").wait_for()
    page.get_by_text("A reconstruction of LRGD").wait_for()

    with Store.open(settings) as store:
        stored = runs.listing(store)
        newest = stored[0].request.demonstrations or ()
        assert [each.weight for each in newest] == [1.1, 1.0, 1.0, 1.0]
        assert len({each.user_id for each in stored}) == 2
        assert runs.effects(store, stored[0].key)
