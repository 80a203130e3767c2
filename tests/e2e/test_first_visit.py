"""The one command, the real engine, an empty workspace: a result opens, another user is ranked live."""

from collections.abc import Callable
from typing import Any

import pytest

from db import guided, runs
from db.settings import Settings
from db.store import Store
from tests.e2e.desk import move, newest_weights, surprise
from tests.e2e.waiting import expect, still, until
from tests.support.server import ROOT

pytestmark = pytest.mark.e2e
MODEL = ROOT / "engine" / "embedded" / "model.safetensors"


def walk(page: Any) -> None:
    """The guided start on the runs that the set-up stored, by mouse and keys, and back."""
    page.locator(".st-key-welcome").get_by_role("link", name="Guided start").click()
    expect(page.locator(".presented h1")).to_contain_text("really chose next rises from 2nd to 1st of 20")
    still(page)
    page.get_by_role("button", name="Next").click()
    expect(page.locator(".presented h1")).to_contain_text("is a good one")
    expect(page.locator(".presented h1")).to_contain_text("misleads the model")
    still(page)
    page.keyboard.press("ArrowRight")
    expect(page.locator(".presented h1")).to_contain_text("Turn demonstration 1 off")
    still(page)
    page.get_by_role("button", name="Turn demonstration 1 off").click()
    expect(page.locator(".presented h1")).to_contain_text("the target falls from 1st to 8th of 20")
    still(page)
    page.keyboard.press("ArrowRight")
    expect(page.locator(".presented h1")).to_contain_text("with no model at all")
    still(page)
    page.keyboard.press("ArrowRight")
    page.get_by_role("link", name="Import your own data").wait_for()
    still(page)
    page.get_by_test_id("stSidebar").get_by_role("link", name="Recommend").click()
    page.get_by_role("button", name="Skip").click()
    page.locator(".st-key-welcome").wait_for(state="detached")
    still(page)


@pytest.mark.skipif(not MODEL.exists(), reason="the embedded model is not in this checkout")
def test_from_an_empty_workspace_to_a_weighed_run(
    page: Any, serve: Callable[[list[str]], str], settings: Settings
) -> None:
    page.goto(serve(["-m", "dashboard", "--port", "{port}", "--no-browser"]))
    page.get_by_text("In one sentence").wait_for()
    page.get_by_text("engine ready").wait_for()
    walk(page)

    surprise(page)
    move(page)
    page.wait_for_url("**/*1.1*")
    page.get_by_role("link", name="Compare with before").wait_for()
    page.get_by_text("A reconstruction of LRGD").wait_for()

    with Store.open(settings) as store:
        weighed = [1.1, 1.0, 1.0, 1.0]
        until(page, lambda: newest_weights(store) == weighed, "the weighed run was never stored")
        stored = runs.listing(store)
        assert len({each.user_id for each in stored if guided.TAG not in each.tags}) == 2
        until(page, lambda: runs.effects(store, stored[0].key), "its effects were never stored")
