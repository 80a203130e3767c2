"""One click of Back leaves the page that a button or the navigation opened."""

from typing import Any

import pytest

from db.requests import RunRequest
from db.store import Store
from tests.e2e.waiting import navigate, still
from tests.support import shop
from tests.support.fake_engine import FakeEngine, effects, rank

pytestmark = pytest.mark.e2e


def test_back_after_open_in_recommend(page: Any, dashboard: str, store: Store) -> None:
    shop.stock(store)
    effects(store, rank(store, RunRequest("simulated", "shopper 0012")))
    with FakeEngine(store):
        page.goto(f"{dashboard}/explain")
        page.get_by_role("button", name="Open in Recommend").click()
        page.get_by_text("Mixing desk").wait_for()
        page.get_by_text("Measured exactly").first.wait_for()
        page.wait_for_url("**user=shopper+0012*")
        still(page)
        page.go_back()
        page.get_by_role("button", name="Open in Recommend").wait_for()
        page.wait_for_url("**/explain*")


def test_back_after_the_navigation(page: Any, dashboard: str, store: Store) -> None:
    shop.stock(store)
    effects(store, rank(store, RunRequest("simulated", "shopper 0012")))
    with FakeEngine(store):
        page.goto(dashboard)
        page.get_by_text("Measured exactly").first.wait_for()
        navigate(page, "Library")
        page.get_by_text("Data sets").first.wait_for()
        navigate(page, "Recommend")
        page.get_by_text("Measured exactly").first.wait_for()
        still(page)
        page.go_back()
        page.get_by_text("Data sets").first.wait_for()
        page.wait_for_url("**/library*")
