"""A slider moved while results are coming in keeps what the person gave it, by key and by mouse."""

import re
from typing import Any

import pytest

from db.requests import RunRequest
from db.store import Store
from tests.e2e.desk import newest_weights, surprise, weights
from tests.e2e.waiting import expect, still, until
from tests.support import shop
from tests.support.fake_engine import HELD, FakeEngine, effects, rank

pytestmark = pytest.mark.e2e


def test_a_slider_moved_while_effects_are_measured_is_not_lost(
    page: Any, dashboard: str, store: Store
) -> None:
    shop.stock(store)
    effects(store, rank(store, RunRequest("simulated", "shopper 0012")))
    with FakeEngine(store, {"rank": 0.4, "effects": 1.2}):
        page.goto(dashboard)
        page.get_by_text("In one sentence").wait_for()
        moved = [1.1, 1.0, 0.9, 1.0]
        for pause_ms in (0, 600, 1200):
            surprise(page)
            page.wait_for_timeout(pause_ms)
            page.get_by_role("slider").first.press("ArrowRight")
            page.get_by_role("slider").nth(2).press("ArrowLeft")
            page.wait_for_url(re.compile(r"1\.1%2C.*0\.9%2C"))
            page.get_by_role("link", name="Compare with before").wait_for()
            until(page, lambda: weights(page) == moved, "a movement was undone")
        # Both moves are ranked in the end, the first perhaps alone before.
        until(page, lambda: newest_weights(store) == moved, "a movement was never ranked")


def test_a_drag_across_the_end_of_a_measurement_does_not_jump(
    page: Any, dashboard: str, store: Store
) -> None:
    shop.stock(store)
    effects(store, rank(store, RunRequest("simulated", "shopper 0012")))
    with FakeEngine(store, {"effects": HELD}) as engine:
        page.goto(dashboard)
        page.get_by_text("In one sentence").wait_for()
        surprise(page)
        page.get_by_text("Measuring effects").wait_for()
        still(page)
        thumb = page.get_by_role("slider").first
        box = page.locator("[data-testid=stSlider]").first.bounding_box()
        at = page.locator("[data-testid=stSliderThumbValue]").first.bounding_box()
        page.mouse.move(at["x"] + at["width"] / 2, box["y"] + box["height"] / 2)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] * 0.8, box["y"] + box["height"] / 2, steps=4)
        until(page, lambda: float(thumb.input_value()) > 1.5, "the thumb does not follow the mouse")
        held = thumb.input_value()
        engine.delay_s["effects"] = 0.0
        page.get_by_text("Measuring effects").wait_for(state="hidden")
        still(page)
        assert thumb.input_value() == held
        page.mouse.up()
        page.wait_for_url(re.compile(re.escape(f"%2A{float(held):g}%2C")))
        expect(page.get_by_role("slider").first).to_have_value(held)
