"""The Library in a real browser: two windows delete the same data set; a selected row stays the same one."""

from typing import Any

import pytest

from db import datasets
from db.store import Store
from tests.e2e.tables import tick
from tests.e2e.waiting import PATIENCE_MS, still
from tests.support import shop

pytestmark = pytest.mark.e2e


def test_a_data_set_deleted_in_two_windows(page: Any, dashboard: str, store: Store) -> None:
    shop.stock(store, name="games")
    shop.stock(store, name="zoo")
    other = page.context.new_page()
    other.set_default_timeout(PATIENCE_MS)
    for window in (page, other):
        window.goto(f"{dashboard}/library")
        tick(window, "datasets-", 0, window.get_by_role("button", name="Delete", exact=True))
    page.get_by_role("button", name="Delete", exact=True).click()
    page.get_by_text("Deleted games").wait_for()
    other.get_by_role("button", name="Delete", exact=True).click()
    other.get_by_text("is deleted already").wait_for()
    other.get_by_role("link", name="Recommend").wait_for()
    other.get_by_text("Data sets", exact=True).first.wait_for()
    assert other.get_by_text("Traceback").count() == 0


def test_a_selected_row_stays_the_same_data_set(page: Any, dashboard: str, store: Store) -> None:
    shop.stock(store, name="games")
    page.goto(f"{dashboard}/library")
    tick(page, "datasets-", 0, page.get_by_role("button", name="Delete", exact=True))
    shop.stock(store, name="art")  # another window imports it: it stands first from now on
    page.get_by_role("tab", name="Models").click()
    page.get_by_text("Causal language models").wait_for()
    page.get_by_role("tab", name="Data sets").click()
    page.get_by_role("button", name="Delete", exact=True).click()
    page.get_by_text("Deleted games").wait_for()
    assert [info.name for info in datasets.listing(store)] == ["art"]


def test_the_engine_s_state_lies_over_nothing(page: Any, dashboard: str, store: Store) -> None:
    """In a low window it stood over the page's own words."""
    shop.stock(store)
    page.goto(f"{dashboard}/library")
    guide, state = page.get_by_role("link", name="Guide to Library"), page.locator(".st-key-engine-foot")
    for height in (620, 780, 900):
        page.set_viewport_size({"width": 1280, "height": height})
        guide.wait_for()
        state.wait_for()
        still(page)
        words, foot = guide.bounding_box(), state.bounding_box()
        assert foot["y"] > words["y"] + words["height"], height
    assert height - 40 < foot["y"] + foot["height"] <= height, "at the bottom where there is room"
