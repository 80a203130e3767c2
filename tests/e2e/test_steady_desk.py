"""A slider moved while results are coming in keeps what the person gave it, by key and by mouse."""

import re
from typing import Any

import pytest

from db import runs
from db.requests import RunRequest
from db.store import Store
from tests.e2e.desk import surprise
from tests.support import shop
from tests.support.fake_engine import FakeEngine, effects, rank

pytestmark = pytest.mark.e2e


def newest_weights(store: Store) -> list[float]:
    """The weights of the run that was stored last."""
    return [demonstration.weight for demonstration in runs.listing(store)[0].request.demonstrations or ()]


def test_a_slider_moved_while_effects_are_measured_is_not_lost(
    page: Any, dashboard: str, store: Store
) -> None:
    shop.stock(store)
    effects(store, rank(store, RunRequest("simulated", "shopper 0012")))
    with FakeEngine(store, {"rank": 0.4, "effects": 1.2}):
        page.goto(dashboard)
        page.get_by_text("In one sentence").wait_for()
        for pause_ms in (0, 600, 1200):
            surprise(page)
            page.wait_for_timeout(pause_ms)
            page.get_by_role("slider").first.press("ArrowRight")
            page.get_by_role("slider").nth(2).press("ArrowLeft")
            page.wait_for_url(re.compile(r"1\.1%2C.*0\.9%2C"))
            page.get_by_role("link", name="Compare with before").wait_for()
            values = [page.get_by_role("slider").nth(at).input_value() for at in range(4)]
            assert values == ["1.1", "1", "0.9", "1"]
        for _ in range(600):  # both moves are ranked in the end, the first perhaps alone before
            if newest_weights(store) == [1.1, 1.0, 0.9, 1.0]:
                break
            page.wait_for_timeout(50)
    assert newest_weights(store) == [1.1, 1.0, 0.9, 1.0]


def test_a_drag_across_the_end_of_a_measurement_does_not_jump(
    page: Any, dashboard: str, store: Store
) -> None:
    shop.stock(store)
    effects(store, rank(store, RunRequest("simulated", "shopper 0012")))
    with FakeEngine(store, {"effects": 1.5}):
        page.goto(dashboard)
        page.get_by_text("In one sentence").wait_for()
        surprise(page)
        thumb = page.get_by_role("slider").first
        box = page.locator("[data-testid=stSlider]").first.bounding_box()
        at = page.locator("[data-testid=stSliderThumbValue]").first.bounding_box()
        page.mouse.move(at["x"] + at["width"] / 2, box["y"] + box["height"] / 2)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] * 0.8, box["y"] + box["height"] / 2, steps=4)
        held = thumb.input_value()
        assert float(held) > 1.5
        page.get_by_text("Measuring effects").wait_for(state="hidden")
        page.wait_for_timeout(500)
        assert thumb.input_value() == held
        page.mouse.up()
        page.wait_for_url(re.compile(re.escape(f"%2A{float(held):g}%2C")))
        assert page.get_by_role("slider").first.input_value() == held
