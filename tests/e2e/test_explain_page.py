"""Explain in a real browser: a click on a head of the map shades the tokens by it."""

from typing import Any

import pytest

from db.requests import RunRequest
from db.store import Store
from tests.e2e.waiting import expect, still
from tests.support import shop
from tests.support.fake_engine import FakeEngine, rank

pytestmark = pytest.mark.e2e


def click_square(page: Any, place: int) -> None:
    """Click where a square is: Plotly takes clicks on a layer above its marks."""
    squares = page.locator(".js-plotly-plot .scatterlayer .points path")
    expect(squares).to_have_count(12)
    box = squares.nth(place).bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)


def test_a_click_on_a_head_shades_the_tokens_by_it_and_another_takes_it_back(
    page: Any, dashboard: str, store: Store
) -> None:
    shop.stock(store)
    run = rank(store, RunRequest("simulated", "shopper 0012"))
    with FakeEngine(store):
        page.goto(f"{dashboard}/explain?run={run.key}&part=tokens")
        page.get_by_role("button", name="Measure tokens").click()
        expect(page.get_by_text("All tokens add up to +0.40 log-share.")).to_be_visible()
        shades = page.locator(".prompt.tokens i")
        expect(shades.nth(1)).to_have_attribute("title", "+0.2000")
        still(page)
        click_square(page, 3)
        expect(page.get_by_text("In layer 1, head 4 the tokens add up to −0.150")).to_be_visible()
        expect(page.get_by_role("combobox", name="Shade by")).to_have_value(
            "Layer 1, head 4: −0.150 log-share"
        )
        still(page)
        click_square(page, 3)
        expect(page.get_by_text("All tokens add up to +0.40 log-share.")).to_be_visible()
