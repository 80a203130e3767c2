"""Present in a real browser: the whole window, the arrow keys, no engine."""

import re
from typing import Any

import pytest

from db import jobs
from db.requests import RunRequest
from db.store import Store
from tests.e2e.waiting import expect, still
from tests.support import shop
from tests.support.fake_engine import effects, rank

pytestmark = pytest.mark.e2e


def test_the_arrow_keys_lead_through_the_steps(page: Any, dashboard: str, store: Store) -> None:
    shop.stock(store, titles=shop.HOSTILE)
    run = rank(store, RunRequest("simulated", "shopper 0000"))
    effects(store, run)
    page.goto(f"{dashboard}/present?of={run.key}")
    heading = page.locator(".presented h1")
    expect(heading).to_contain_text("With 4 demonstrations")
    expect(page.locator("svg.picture")).to_be_visible()
    expect(page.get_by_test_id("stSidebar")).to_be_hidden()
    still(page)
    for key, step in (("ArrowRight", 2), ("ArrowRight", 3), ("ArrowLeft", 2), ("End", 5), ("Home", 1)):
        page.keyboard.press(key)
        page.wait_for_url(re.compile(rf"step={step}\b"))
        expect(page.get_by_text(f"{step} of 5")).to_be_visible()
        still(page)
    page.keyboard.press("ArrowRight")
    page.wait_for_url(re.compile(r"step=2\b"))
    page.reload()
    expect(page.get_by_text("2 of 5")).to_be_visible()
    still(page)
    page.keyboard.press("Escape")
    page.get_by_text("Starred ones first").wait_for()
    expect(page.get_by_test_id("stSidebar")).to_be_visible()
    assert jobs.listing(store) == []
