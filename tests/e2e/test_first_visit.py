"""The one command, the real engine, an empty workspace: a result opens, another user is ranked live."""

from collections.abc import Callable
from typing import Any

import pytest

from db import runs
from db.settings import Settings
from db.store import Store
from tests.e2e.desk import move, newest_weights, surprise
from tests.e2e.waiting import until
from tests.support.server import ROOT

pytestmark = pytest.mark.e2e
MODEL = ROOT / "engine" / "embedded" / "model.safetensors"


@pytest.mark.skipif(not MODEL.exists(), reason="the embedded model is not in this checkout")
def test_from_an_empty_workspace_to_a_weighed_run(
    page: Any, serve: Callable[[list[str]], str], settings: Settings
) -> None:
    page.goto(serve(["-m", "dashboard", "--port", "{port}", "--no-browser"]))
    page.get_by_text("In one sentence").wait_for()
    page.get_by_text("engine ready").wait_for()

    surprise(page)
    move(page)
    page.wait_for_url("**/*1.1*")
    page.get_by_role("link", name="Compare with before").wait_for()
    page.get_by_text("A reconstruction of LRGD").wait_for()

    with Store.open(settings) as store:
        weighed = [1.1, 1.0, 1.0, 1.0]
        until(page, lambda: newest_weights(store) == weighed, "the weighed run was never stored")
        stored = runs.listing(store)
        assert len({each.user_id for each in stored}) == 2
        until(page, lambda: runs.effects(store, stored[0].key), "its effects were never stored")
